"""Extraction of answers from model text: options and numbers."""

from streams.processors.answers.choices import read_choice
from streams.processors.answers.numbers import canonical_number, read_number
from streams.processors.answers.reading import EXTRACTOR, Reading

__all__ = ["EXTRACTOR", "Reading", "canonical_number", "read_choice", "read_number"]
