"""Rules of `answers.v1`, published: no reading may change."""

from streams.processors.answers.v1.choices import read_choice
from streams.processors.answers.v1.numbers import canonical_number, read_number

__all__ = ["canonical_number", "read_choice", "read_number"]
