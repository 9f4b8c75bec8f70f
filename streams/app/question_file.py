"""Question files: line format, line errors and gold answers."""

import difflib
import io
import select
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast

from schemas.event import MAX_EVENT_BYTES
from schemas.questions import LETTERS, QuestionAsked, carried_option
from schemas.registry import InvalidRecord, build
from schemas.rules import NEWEST_RULES
from streams.errors import InvariantError
from streams.jsonlines import LineProblem, Source, read_objects, source_name
from streams.log import Clock
from streams.processors.answers import EXTRACTORS, Options
from streams.topology import QUESTIONS

ASIDE = ("gold", "dataset")
"""Fields of a line that are no part of the question: the right answer, and the name of the collection."""


FIELDS = frozenset({*QuestionAsked.model_fields, *ASIDE})
"""Every field that a line may hold."""


class QuestionLine(NamedTuple):
    """One good line of a question file."""

    number: int
    question: QuestionAsked
    gold: str | None
    """The right answer as decisions write it; it never enters the question's event."""
    timed: bool
    """Whether the line states the time of the question."""


def read_questions(source: Source, problems: list[LineProblem], clock: Clock) -> Iterator[QuestionLine]:
    """
    Read the questions of a file, plain or gzip, one at a time.

    A line holds the fields of `question.asked.v1`, and may hold `gold` and `dataset`. A line without a time takes the
    clock's. Lines that cannot be used are added to *problems*.

    Raises:
        UsageError: The file cannot be read to its end.
    """
    name = source_name(source)
    for number, fields in read_objects(source, problems):
        try:
            line = _line(number, fields, clock)
        except InvalidRecord as error:
            problems.append(LineProblem(name, number, str(error)))
        else:
            yield line


def _line(number: int, fields: dict[str, Any], clock: Clock) -> QuestionLine:
    gold = fields.get("gold")
    unknown = sorted(fields.keys() - FIELDS)
    if unknown:
        close = difflib.get_close_matches(unknown[0], FIELDS, n=1)
        meant = f"did you mean {close[0]}?" if close else f"a line may hold {', '.join(sorted(FIELDS))}"
        raise InvalidRecord(f"{unknown[0]}: unknown field; {meant}")
    asked = {name: value for name, value in fields.items() if name not in ASIDE}
    question = build(QUESTIONS, asked, clock())
    if not isinstance(question, QuestionAsked):
        raise InvariantError(f"{QUESTIONS} holds a {question.kind}")
    size = len(question.encode())
    if size > MAX_EVENT_BYTES:
        raise InvalidRecord(f"{size:,} bytes; the limit is {MAX_EVENT_BYTES:,}: shorten the text")
    return QuestionLine(number, question, normal_gold(gold, question), fields.get("occurred_at") is not None)


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
    if isinstance(gold, str):
        letter = gold.strip().upper()
        if len(letter) == 1 and letter in letters:
            # Of equal options too the letter that was given: rules of v1 tell them apart.
            return letter
        named = extractor.normal_answer(gold, Options.of([carried_option(option) for option in question.options]))
        if named is not None:
            return named
    raise InvalidRecord(f"{name}: {gold!r} is neither a letter from A to {letters[-1]} nor the text of one option")


class Survey(NamedTuple):
    """Result of a first pass over a question file."""

    golds: dict[str, str | None]
    """Gold answer of each question id, None where the file gives none, in the order of the file."""
    first: QuestionLine | None
    problems: list[LineProblem]


def survey(source: Source, clock: Clock, progress: Callable[[int], None] = lambda lines: None) -> Survey:
    """
    Read the ids and gold answers of a question file, before the first question is asked.

    So bad lines are known at once, and a question that an earlier run left open gets feedback like the others. Only ids
    and gold answers stay in memory.
    """
    golds: dict[str, str | None] = {}
    problems: list[LineProblem] = []
    first: QuestionLine | None = None
    for line in read_questions(source, problems, clock):
        first = first or line
        progress(1)
        question_id = line.question.question_id
        if golds.setdefault(question_id, line.gold) != line.gold:
            reason = f"gold: {question_id!r} has another one further up; the first one counts"
            problems.append(LineProblem(source_name(source), line.number, reason))
    return Survey(golds, first, problems)


def _is_pipe(source: str) -> bool:
    return source == "-" or Path(source).is_fifo()


def _opened(pipe: str) -> AbstractContextManager[io.BufferedIOBase]:
    return nullcontext(cast(io.BufferedIOBase, sys.stdin.buffer)) if pipe == "-" else open(pipe, "rb")


@contextmanager
def rereadable(source: str) -> Iterator[Callable[[], Source]]:
    """Yield a function that opens a source from its start; standard input or a pipe is copied to a temporary file."""
    if not _is_pipe(source):
        yield lambda: source
        return
    with tempfile.TemporaryFile() as copy:
        with _opened(source) as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        raw = io.FileIO(copy.fileno(), closefd=False)
        # Name of the source in messages about its lines.
        raw.name = source_name(source)
        stream = io.BufferedReader(raw)

        def again() -> Source:
            stream.seek(0)
            return stream

        yield again


@contextmanager
def attended(source: str, before_waiting: Callable[[], None]) -> Iterator[Source]:
    """
    Yield a source that calls *before_waiting* before each read that would block.

    So the lines of a slow pipe can be committed before the next line arrives. A file never blocks.
    """
    if not _is_pipe(source):
        yield source
        return
    with _opened(source) as stream:
        yield _Attended(stream, source_name(source), before_waiting)


class _Attended(io.BufferedIOBase):
    """A stream that checks before each read whether it would block."""

    def __init__(self, stream: io.BufferedIOBase, name: str, before_waiting: Callable[[], None]) -> None:
        super().__init__()
        self.name = name
        self._stream = stream
        self._before_waiting = before_waiting

    def read1(self, size: int | None = -1, /) -> bytes:
        if not _is_ready(self._stream):
            self._before_waiting()
        return self._stream.read1(-1 if size is None else size)


def _is_ready(stream: io.BufferedIOBase) -> bool:
    """Whether a read returns data or the end at once; data in Python's own buffer is not seen here."""
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except io.UnsupportedOperation:
        # The stream has no file descriptor, so a read cannot block.
        return True
