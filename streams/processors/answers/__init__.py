"""Extraction of answers from model text: options and numbers."""

from streams.processors.answers.extractor import EXTRACTORS, Extractor
from streams.processors.answers.reading import Options, Reading

__all__ = ["EXTRACTORS", "Extractor", "Options", "Reading"]
