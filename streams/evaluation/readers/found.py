"""Questions and outputs found in files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

from streams.jsonlines import LineProblem

Line = dict[str, Any]
"""One line of a question file or an outputs file, in the forms that `orch run` reads."""


class Unusable(Exception):
    """A row that a form cannot use; the message says why."""


class RowPlace(NamedTuple):
    """
    Where a row stands.

    Attributes:
        path: The file.
        number: Line of the row where the file has lines, else its place, from 1.
        row: How many rows come before it, which does not depend on how the file was written.
    """

    path: Path
    number: int
    row: int = 0

    @property
    def stem(self) -> str:
        """Name of the file without its suffixes: `test` of `test.jsonl.gz`."""
        return self.path.name.partition(".")[0] or self.path.name


@dataclass(slots=True)
class Found:
    """
    What files hold, merged.

    Several files may hold outputs on the same question. The first text and options of an id count; a right answer or a
    subject that the first one lacks is taken from any.
    """

    questions: dict[str, Line] = field(default_factory=dict)
    """By question id, in order of first appearance."""
    outputs: list[Line] = field(default_factory=list)
    problems: list[LineProblem] = field(default_factory=list)
    forms: dict[str, int] = field(default_factory=dict)
    """Rows read in each form."""

    def question(self, line: Line) -> None:
        """
        Add a question.

        Raises:
            Unusable: Its id stands for a question with another text or other options.
        """
        known = self.questions.setdefault(line["question_id"], line)
        if known is line:
            return
        for name in ("text", "options"):
            if known.get(name) != line.get(name):
                raise Unusable(f"question_id {line['question_id']!r} stands for another question further up ({name})")
        for name, value in line.items():
            if known.get(name) is None:
                known[name] = value

    def output(self, question_id: str, model: str, text: str, **more: Any) -> None:
        """Add a model's output; fields that are None are left out."""
        line = {"question_id": question_id, "model": model, "text": text}
        self.outputs.append(line | {name: value for name, value in more.items() if value is not None})

    def refuse(self, place: RowPlace, reason: str) -> None:
        """Note a row that cannot be used."""
        self.problems.append(LineProblem(str(place.path), place.number, reason))


class RowForm(NamedTuple):
    """
    A form whose rows are objects of their own.

    Attributes:
        name: Name in messages and reports.
        fits: Whether a row has this form, by the names of its fields and their types.
        read: Adds what a row holds; raises Unusable.
    """

    name: str
    fits: Callable[[Mapping[str, Any]], bool]
    read: Callable[[Mapping[str, Any], RowPlace, Found], None]


def has(row: Mapping[str, Any], *names: str) -> bool:
    """Whether a row holds all of these fields, whatever their values."""
    return all(name in row for name in names)


def text_of(row: Mapping[str, Any], name: str) -> str:
    """
    Give a field that must be a text.

    Raises:
        Unusable: It is missing, empty or no text.
    """
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Unusable(f"{name}: missing, or not a text")
    return value


def whole(value: Any) -> int | None:
    """Give a count that a form may write as an integer, a float or a text; None if it is none."""
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return int(number) if number.is_finite() and number >= 0 else None


def nusd_of(usd: Any) -> int | None:
    """Convert dollars to nano-dollars, rounded half to even; None if it is no amount."""
    try:
        amount = Decimal(str(usd))
    except InvalidOperation:
        return None
    return int((amount * 10**9).to_integral_value()) if amount.is_finite() and amount >= 0 else None


def repeated(model: str, sample: int) -> str:
    """Name the agent of a model's further sample: `MODEL@2` for the second; the first has the model's own name."""
    return model if sample == 1 else f"{model}@{sample}"
