"""Read the answer out of a model's text: an option letter, or a decimal number."""

from streams.processors.answers.choices import read_choice
from streams.processors.answers.numbers import canonical_number, read_number
from streams.processors.answers.reading import EXTRACTOR, Reading

__all__ = ["EXTRACTOR", "Reading", "canonical_number", "read_choice", "read_number"]
