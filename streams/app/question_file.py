"""Question files: line format, line errors and gold answers."""

import difflib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.canonical import NumberText, refuse_numbers
from schemas.event import MAX_EVENT_BYTES
from schemas.questions import LETTERS, QuestionAsked, carried_option
from schemas.registry import InvalidRecord, build
from schemas.rules import NEWEST_RULES
from streams.agents.asked_again import again_id
from streams.app.foreign_fields import FieldMap, NameHints, is_place, no_place_told, with_options
from streams.errors import InvariantError
from streams.jsonlines import LineProblem, Source, read_objects, source_name
from streams.log import Clock
from streams.processors.answers import EXTRACTORS, Options
from streams.topology import QUESTIONS

ASIDE = ("gold", "dataset")
"""Fields of a line that are no part of the question: the right answer, and the name of the collection."""


FIELDS = frozenset({*QuestionAsked.model_fields, *ASIDE})
"""Every field that a line may hold; instead of `options` also A, B, C..., one for each."""


class LineReading(NamedTuple):
    """How names and ids of a question file are to be understood."""

    names: FieldMap | None = None
    """What the names of its fields stand for; None if they are ours."""
    again: str | None = None
    """Name under which its questions are asked again, with new ids; None: under their own."""


AS_IT_IS = LineReading()


class QuestionLine(NamedTuple):
    """One good line of a question file."""

    number: int
    question: QuestionAsked
    gold: str | None
    """The right answer as decisions write it; it never enters the question's event."""
    timed: bool
    """Whether the line states the time of the question."""


def read_questions(
    source: Source, problems: list[LineProblem], clock: Clock, reading: LineReading = AS_IT_IS
) -> Iterator[QuestionLine]:
    """
    Read the questions of a file one at a time; `read_objects` says which forms are read.

    A line holds the fields of `question.asked.v1`, and may hold `gold` and `dataset`. A line without a time takes the
    clock's. Lines that cannot be used are added to *problems*.

    Args:
        source: The file.
        problems: List that problems are added to.
        clock: Time of questions that state none.
        reading: How names and ids of the file are to be understood.

    Raises:
        UsageError: The file cannot be read to its end.
    """
    name, hints = source_name(source), NameHints(FIELDS)
    for number, fields in read_objects(source, problems, numbers_as_text=True):
        try:
            line = _line(number, fields, clock, reading, hints)
        except InvalidRecord as error:
            problems.append(LineProblem(name, number, str(error)))
        else:
            yield line


def _line(number: int, fields: dict[str, Any], clock: Clock, reading: LineReading, hints: NameHints) -> QuestionLine:
    if reading.names is not None:
        fields = reading.names.applied(fields, number, FIELDS)
    fields = _in_our_form(fields, hints)
    gold = fields.get("gold")
    asked = {name: value for name, value in fields.items() if name not in ASIDE}
    if reading.again is not None and isinstance(asked.get("question_id"), str):
        asked["question_id"] = again_id(asked["question_id"], reading.again)
    _refuse_numbers(asked)
    question = build(QUESTIONS, asked, clock())
    if not isinstance(question, QuestionAsked):
        raise InvariantError(f"{QUESTIONS} holds a {question.kind}")
    size = len(question.encode())
    if size > MAX_EVENT_BYTES:
        raise InvalidRecord(f"{size:,} bytes; the limit is {MAX_EVENT_BYTES:,}: shorten the text")
    return QuestionLine(number, question, normal_gold(gold, question), fields.get("occurred_at") is not None)


def _refuse_numbers(asked: dict[str, Any]) -> None:
    """Refuse a number that no event holds; only the right answer may be one."""
    # Most lines hold none, and looking at types alone costs a tenth of looking into every value.
    if any(type(v) is NumberText or (type(v) is list and NumberText in map(type, v)) for v in asked.values()):
        try:
            refuse_numbers(asked)
        except ValueError as error:
            raise InvalidRecord(str(error)) from error


def _in_our_form(fields: dict[str, Any], hints: NameHints) -> dict[str, Any]:
    """Give the line with options in one list; a name that is no field of questions is refused with what it means."""
    ours = with_options(fields)
    unknown = sorted(ours.keys() - FIELDS)
    if unknown:
        hint = hints.of(fields)
        if hint is not None:
            raise InvalidRecord(hint)
        close = difflib.get_close_matches(unknown[0], FIELDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"a line may hold {', '.join(sorted(FIELDS))}"
        raise InvalidRecord(f"{unknown[0]}: unknown field; {meant}")
    return {name: value for name, value in ours.items() if value is not None}


def normal_gold(gold: Any, question: QuestionAsked, *, name: str = "gold") -> str | None:
    """
    Normalise a gold answer to the form of decisions: a letter, or a canonical number.

    Args:
        gold: Letter or text of an option, or a number; None if it is unknown.
        question: The question it answers.
        name: Name of the field, for messages.

    Raises:
        InvalidRecord: It is no possible answer to this question, so every agent would be judged wrong.
    """
    if gold is None:
        return None
    extractor = EXTRACTORS[NEWEST_RULES.extractor]
    if question.answer_type == "number":
        plain = isinstance(gold, str | int) and not isinstance(gold, bool)
        number = extractor.normal_answer(str(gold), None) if plain else None
        if number is None:
            raise InvalidRecord(f'{name}: {gold!r} is not one exact number; write it as text, such as "18" or "7/2"')
        return number
    letters = LETTERS[: len(question.options)]
    if isinstance(gold, str) and not isinstance(gold, NumberText):
        letter = gold.strip().upper()
        if len(letter) == 1 and letter in letters:
            # Of equal options too the letter that was given: rules of v1 tell them apart.
            return letter
        named = extractor.normal_answer(gold, Options.of([carried_option(option) for option in question.options]))
        if named is not None:
            return named
    if name == "gold" and is_place(gold):
        raise no_place_told(gold)
    raise InvalidRecord(f"{name}: {gold!r} is neither a letter from A to {letters[-1]} nor the text of one option")


class Survey(NamedTuple):
    """Result of a first pass over a question file."""

    golds: dict[str, str | None]
    """Gold answer of each question id, None where the file gives none, in the order of the file."""
    first: QuestionLine | None
    problems: list[LineProblem]


def survey(
    source: Source,
    clock: Clock,
    progress: Callable[[int], None] = lambda lines: None,
    reading: LineReading = AS_IT_IS,
) -> Survey:
    """
    Read the ids and gold answers of a question file, before the first question is asked.

    So bad lines are known at once, and a question that an earlier run left open gets feedback like the others. Only ids
    and gold answers stay in memory.
    """
    golds: dict[str, str | None] = {}
    problems: list[LineProblem] = []
    first: QuestionLine | None = None
    for line in read_questions(source, problems, clock, reading):
        first = first or line
        progress(1)
        question_id = line.question.question_id
        if golds.setdefault(question_id, line.gold) != line.gold:
            reason = f"gold: {question_id!r} has another one further up; the first one counts"
            problems.append(LineProblem(source_name(source), line.number, reason))
    return Survey(golds, first, problems)
