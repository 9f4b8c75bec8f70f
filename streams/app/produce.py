"""Production of questions and feedback from JSON Lines."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from schemas.letters import RecordRejected
from streams.app.feedback_file import read_feedback
from streams.app.foreign_fields import FieldMap, tell_left_out
from streams.app.question_feed import QuestionFeed
from streams.app.question_file import LineReading
from streams.app.reporter import SILENT, Reporter
from streams.app.rereadable import attended
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.jsonlines import LineProblem, Source, source_name
from streams.log import Appender, LogReader, wall_clock_ms
from streams.topology import FEEDBACK, QUESTIONS

COMMIT_LINES = 1_000
"""Lines after which the writer commits."""
COMMIT_S = 1.0
"""Longest time in seconds from the first line of a pipe to its commit, if the pipe does not pause before."""


class Appended(NamedTuple):
    """Lines of a file, counted by outcome."""

    appended: int
    already_there: int
    rejected: int
    with_gold: int = 0
    """Questions with a gold answer, which was left out."""
    awaited: int = 0
    """Feedback on questions that the log does not hold yet."""


class Pace:
    """
    Decides when the lines read so far are committed: after a number of lines, and of a pipe also after some time.

    Args:
        settle: Commits, and reports bad lines.
        live: Whether the input is a pipe. A file is committed by lines alone: the places of the lessons from its
            feedback in the log must not depend on the speed of the machine.
    """

    def __init__(self, settle: Callable[[], None], *, live: bool) -> None:
        self.settle = settle
        self._most_s = COMMIT_S if live else math.inf
        self._lines = 0
        self._since = 0.0

    def took_line(self) -> None:
        """Count a line; commit if a commit is due."""
        now = time.monotonic()
        if not self._lines:
            self._since = now
        self._lines += 1
        if self._lines >= COMMIT_LINES or now - self._since >= self._most_s:
            self._lines = 0
            self.settle()


def append_questions(
    work: Workspace, file: str, reporter: Reporter = SILENT, names: FieldMap | None = None
) -> Appended:
    """
    Append the questions of a file that the log does not hold; no agent is called.

    Raises:
        UsageError: The file cannot be read to its end; what was read is committed.
    """
    added = told = 0
    with (
        work.open_writer((QUESTIONS,), folding=False) as log,
        _view(work) as view,
        reporter.progress("producing") as advance,
    ):
        feed = QuestionFeed(view, wall_clock_ms, log.append, reading=LineReading(names))

        def settle() -> None:
            nonlocal told
            log.commit()
            if view is not None:
                view.refresh()
            reporter.refused(feed.problems[told:])
            told = len(feed.problems)

        with _reading(file, settle) as (source, pace):
            for question in feed.questions(source):
                added += log.append(question) is not None
                advance(1)
                pace.took_line()
    tell_left_out(names, reporter)
    return Appended(added, feed.known, len(feed.problems), with_gold=feed.with_gold)


def append_feedback(work: Workspace, file: str, reporter: Reporter = SILENT) -> Appended:
    """
    Append the feedback of a file, and learn from it.

    Raises:
        UsageError: The file cannot be read to its end; what was read is committed.
    """
    added = known = awaited = told = 0
    problems: list[LineProblem] = []
    numbers: dict[str, int] = {}
    with (
        work.open_writer((FEEDBACK,)) as log,
        work.open_reader(topics=(QUESTIONS,)) as view,
        reporter.progress("learning") as advance,
    ):

        def settle() -> None:
            nonlocal told
            problems.extend(LineProblem(source_name(file), *refused) for refused in _learn(log, numbers))
            numbers.clear()
            view.refresh()
            reporter.refused(sorted(problems[told:], key=lambda problem: problem.line))
            told = len(problems)

        with _reading(file, settle) as (source, pace):
            for line in read_feedback(source, problems, view, wall_clock_ms):
                if log.append(line.event) is None:
                    known += 1
                else:
                    added += 1
                    awaited += line.awaited
                    numbers[line.event.event_id] = line.number
                advance(1)
                pace.took_line()
    return Appended(added, known, len(problems), awaited=awaited)


def _view(work: Workspace) -> AbstractContextManager[LogReader | None]:
    """Open a reader of the log; None on Kafka, where it would read the whole log, and where `route` finds repeats."""
    return nullcontext() if work.log.scheme == "kafka" else work.open_reader()


@contextmanager
def _reading(file: str, settle: Callable[[], None]) -> Iterator[tuple[Source, Pace]]:
    """Open a file with its pace of commits; lines that were read before an error are committed."""
    try:
        with attended(file, settle) as source:
            yield source, Pace(settle, live=not isinstance(source, str))
    except UsageError:
        settle()
        raise
    settle()


def _learn(log: Appender, numbers: dict[str, int]) -> list[tuple[int, str]]:
    """Fold and commit the appended events; list the lines whose feedback was refused, with the reason."""
    refused = []
    folding = log.folding()
    while folding is not None and folding.ready:
        for stored in folding.fold():
            if isinstance(stored.event, RecordRejected) and stored.event.causes[0] in numbers:
                refused.append((numbers[stored.event.causes[0]], stored.event.detail))
    log.commit()
    return refused
