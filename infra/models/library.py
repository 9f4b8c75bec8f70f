"""
The questions and recorded outputs that the server plays.

They come from files or lists; anything wrong in them is refused.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from schemas.panels import Role
from schemas.questions import LETTERS, AnswerType
from streams.errors import UsageError
from streams.jsonlines import LineProblem, read_objects

Rows = str | Path | Iterable[Mapping[str, Any] | str | Path]
"""A file of JSON Lines, plain or gzip; or objects, and files of them, in any mixture."""

_SUFFIXES: Mapping[Role, str] = {"analyst": "", "dispatcher": "#dispatcher", "merger": "#merger"}


class LibraryQuestion(NamedTuple):
    """A question; its texts are stripped of white space, which a prompt may leave out."""

    question_id: str
    text: str
    options: tuple[str, ...]
    answer_type: AnswerType


class LibraryOutput(NamedTuple):
    """A recorded output of one model."""

    text: str
    answer: str | None


class Library:
    """
    All questions and recorded outputs.

    Args:
        questions: With question_id, text, options, and answer_type (else a choice if there are options).
        outputs: With question_id, model, text, and answer (or null). Outputs as dispatcher or merger have the ids
            `<question_id>#dispatcher` and `<question_id>#merger`. Ids without a question are allowed.
        models: Further models that may be asked, without recordings.

    Raises:
        UsageError: A file cannot be read, an entry breaks these rules, or contradicts one before it.
    """

    def __init__(self, questions: Rows, outputs: Rows, models: Iterable[str] = ()) -> None:
        self.questions: dict[str, LibraryQuestion] = {}
        self._outputs: dict[tuple[str, str], LibraryOutput] = {}
        for place, fields in _read(questions, "question"):
            question = _question(place, fields)
            if self.questions.setdefault(question.question_id, question) != question:
                raise _contradiction(place, question.question_id)
        for place, fields in _read(outputs, "output"):
            key = (_text(place, fields, "model"), _text(place, fields, "question_id"))
            output = LibraryOutput(_text(place, fields, "text", empty=True), _answer(place, fields))
            if self._outputs.setdefault(key, output) != output:
                raise _contradiction(place, f"{key[1]} of {key[0]}")
        self.models = tuple(dict.fromkeys([*(model for model, _ in self._outputs), *models]))

    def recorded(self, model: str, question_id: str, role: Role) -> LibraryOutput | None:
        """Give the model's recorded output in this role."""
        return self._outputs.get((model, question_id + _SUFFIXES[role]))


def _read(rows: Rows, what: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each object with its place, for messages."""
    for number, row in enumerate([rows] if isinstance(rows, str | Path) else rows, 1):
        if isinstance(row, str | Path):
            yield from _read_file(row)
        else:
            yield f"{what} {number}", row


def _read_file(file: str | Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    problems: list[LineProblem] = []
    for number, fields in read_objects(file, problems):
        yield f"{file}, line {number}", fields
    if problems:
        raise UsageError(str(problems[0]), remedy="Correct the file", file=str(file))


def _question(place: str, fields: Mapping[str, Any]) -> LibraryQuestion:
    options = fields.get("options") or []
    if not isinstance(options, list | tuple) or not all(isinstance(option, str) for option in options):
        raise UsageError(f"{place}: options: not a list of texts", remedy="Correct the entry")
    if len(options) > len(LETTERS):
        raise UsageError(f"{place}: {len(options)} options; {len(LETTERS)} have letters", remedy="Correct the entry")
    answer_type = fields.get("answer_type") or ("choice" if options else "number")
    if answer_type not in ("choice", "number"):
        raise UsageError(f"{place}: answer_type: {answer_type!r}", remedy='It is "choice" or "number"')
    return LibraryQuestion(
        _text(place, fields, "question_id"),
        _text(place, fields, "text").strip(),
        tuple(option.strip() for option in options),
        "choice" if answer_type == "choice" else "number",
    )


def _text(place: str, fields: Mapping[str, Any], name: str, *, empty: bool = False) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not (empty or value.strip()):
        raise UsageError(f"{place}: {name}: missing, or not a text", remedy="Correct the entry")
    return value


def _answer(place: str, fields: Mapping[str, Any]) -> str | None:
    answer = fields.get("answer")
    if answer is None or isinstance(answer, str):
        return answer
    raise UsageError(f'{place}: answer: not a text; write a number as "18"', remedy="Correct the entry")


def _contradiction(place: str, what: str) -> UsageError:
    return UsageError(f"{place}: another entry for {what} came before", remedy="Keep one of them")
