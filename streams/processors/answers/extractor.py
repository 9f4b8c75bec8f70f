"""Extractors of answers by version: the published rules."""

from collections.abc import Mapping
from typing import Protocol

from streams.processors.answers.reading import Options, Reading
from streams.processors.answers.v1.choices import read_choice as read_choice_v1
from streams.processors.answers.v1.numbers import canonical_number as canonical_number_v1
from streams.processors.answers.v1.numbers import read_number as read_number_v1
from streams.processors.answers.v2.choices import normal_choice, read_choice
from streams.processors.answers.v2.numbers import normal_number, read_number


class Extractor(Protocol):
    """Rules that read answers, of one version; a version that a log was written with never changes a reading."""

    def read(self, text: str, options: Options | None, structured: str | None) -> Reading:
        """
        Read the answer of a text.

        Args:
            text: What the agent wrote.
            options: The question's options; None where the answer is a number.
            structured: The answer, if the agent gave it apart from the text.
        """
        ...

    def normal_answer(self, given: str, options: Options | None) -> str | None:
        """
        Write a right answer, as feedback gives it, in the form of decisions; None if it is no possible answer.
        """
        ...


class _V1:
    def read(self, text: str, options: Options | None, structured: str | None) -> Reading:
        if options is None:
            return read_number_v1(text, structured)
        return read_choice_v1(text, len(options.words), structured)

    def normal_answer(self, given: str, options: Options | None) -> str | None:
        return canonical_number_v1(given) or given.strip().upper()


class _V2:
    def read(self, text: str, options: Options | None, structured: str | None) -> Reading:
        return read_number(text, structured) if options is None else read_choice(text, options, structured)

    def normal_answer(self, given: str, options: Options | None) -> str | None:
        return normal_number(given) if options is None else normal_choice(given, options)


EXTRACTORS: Mapping[str, Extractor] = {"answers.v1": _V1(), "answers.v2": _V2()}
"""Each published version; a decision names the one that read its answers."""
