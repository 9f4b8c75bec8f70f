"""`orch produce` and `orch feedback`: input from JSON Lines into the log; bad lines are told, good ones go through."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import click

from schemas.letters import RecordRejected
from streams.app.asking import Inquiry
from streams.app.feedback_file import read_feedback
from streams.app.question_file import attended
from streams.app.run import report
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_USAGE, App, pass_app
from streams.errors import UsageError
from streams.jsonlines import LineProblem, Source, source_name
from streams.log import Appender, LogReader, wall_clock_ms
from streams.topology import QUESTIONS

COMMIT_LINES = 1_000
"""Lines after which a transaction ends."""
COMMIT_S = 1.0
"""Seconds after the first line at which a transaction ends where the input is a pipe, if it does not pause before."""


class Pace:
    """
    Decides when what was read is committed: before waiting for more input, and now and then where it never pauses.

    Args:
        settle: Commits, and tells of bad lines.
        live: Whether the input comes as it is written. Of a file the lines alone count: where in the log lessons
            follow on its feedback must not depend on how fast the machine is.
    """

    def __init__(self, settle: Callable[[], None], *, live: bool) -> None:
        self.settle = settle
        self._most_s = COMMIT_S if live else math.inf
        self._lines = 0
        self._since = 0.0

    def took_line(self) -> None:
        """Count a line; commit if it is time."""
        now = time.monotonic()
        if not self._lines:
            self._since = now
        self._lines += 1
        if self._lines >= COMMIT_LINES or now - self._since >= self._most_s:
            self._lines = 0
            self.settle()


@command(
    examples=(
        "orch produce questions.jsonl",
        "orch produce - < questions.jsonl",
        "orch --format json produce questions.jsonl",
    )
)
@click.argument("file")
@pass_app
def produce(app: App, file: str) -> int:
    """
    Append questions from JSON Lines to the log.

    A line is {"question_id", "text", "options": [...]}, and may hold "answer_type", "subject" and "occurred_at"; FILE
    may be gzip, or - for stdin. Nobody is asked yet: `orch run` does that, or on Kafka the workers. A line that cannot
    be used is reported with its number, the others go through, and the exit code is 2. What was read is committed
    every 1,000 lines; of a pipe also every second, and whenever it pauses.
    """
    app.if_interrupted(f"What was committed to {app.log_url} is safe; the same command appends the rest.")
    added = told = 0
    with app.open_writer(folding=False) as log, _view(app) as view, output.progress("producing") as advance:
        inquiry = Inquiry(view, wall_clock_ms, log.append)

        def settle() -> None:
            nonlocal told
            log.commit()
            if view is not None:
                view.refresh()
            report(inquiry.problems[told:])
            told = len(inquiry.problems)

        with _reading(file, settle) as (source, pace):
            for question in inquiry.questions(source):
                added += log.append(question) is not None
                advance(1)
                pace.took_line()
    if inquiry.with_gold:
        output.say(
            f"{output.counted(inquiry.with_gold, 'right answer')} (gold) left out, being no part of a question;"
            f" `orch run {file} --feedback gold` and `orch feedback` teach them."
        )
    counts = {"appended": added, "already_there": inquiry.known, "rejected": len(inquiry.problems)}
    if app.json:
        output.print_json(counts)
    else:
        output.print_text(f"{output.counted(added, 'question')} appended to {app.log_url}{_known(inquiry.known)}")
    return _end(inquiry.problems)


@command(
    examples=(
        "orch feedback feedback.jsonl",
        "orch feedback - < feedback.jsonl",
        "orch --format json feedback feedback.jsonl",
    )
)
@click.argument("file")
@pass_app
def feedback(app: App, file: str) -> int:
    """
    Append feedback from JSON Lines, and learn from it.

    A line is {"question_id", "source": "gold", "human", "downstream", "judge" or "agreement", "answer": the right one},
    or has "verdict": "right" or "wrong" on the decision instead of "answer"; it may hold "author" and "occurred_at".
    {"kind": "feedback.retracted.v1", "question_id", "feedback_id"} takes one back. Feedback may come before its
    question, late, or twice. FILE may be gzip, or - for stdin.
    """
    app.if_interrupted(f"What was committed to {app.log_url} is safe; the same command appends the rest.")
    added = known = awaited = told = 0
    problems: list[LineProblem] = []
    numbers: dict[str, int] = {}
    with (
        app.open_writer() as log,
        app.open_reader(topics=(QUESTIONS,)) as view,
        output.progress("learning") as advance,
    ):

        def settle() -> None:
            nonlocal told
            problems.extend(LineProblem(source_name(file), *refused) for refused in _learn(log, numbers))
            numbers.clear()
            view.refresh()
            report(sorted(problems[told:], key=lambda problem: problem.line))
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
    if awaited:
        output.say(f"{awaited:,} about questions that are not in the log yet; they count once these are.")
    counts = {"appended": added, "already_there": known, "awaited": awaited, "rejected": len(problems)}
    if app.json:
        output.print_json(counts)
    else:
        output.print_text(f"{output.counted(added, 'feedback event')} appended to {app.log_url}{_known(known)}")
    return _end(problems)


def _view(app: App) -> AbstractContextManager[LogReader | None]:
    """Open the log as it was before; on Kafka that would be to read all of it, so there `route` finds repeats."""
    return nullcontext() if app.log.scheme == "kafka" else app.open_reader()


@contextmanager
def _reading(file: str, settle: Callable[[], None]) -> Iterator[tuple[Source, Pace]]:
    """Read a file at its own pace; what was read before it turns out to be damaged is kept."""
    try:
        with attended(file, settle) as source:
            yield source, Pace(settle, live=not isinstance(source, str))
    except UsageError:
        settle()
        raise
    settle()


def _learn(log: Appender, numbers: dict[str, int]) -> list[tuple[int, str]]:
    """Fold and commit what was appended; list the lines whose feedback was refused, with the reason."""
    refused = []
    folding = log.folding()
    while folding is not None and folding.ready:
        for stored in folding.fold():
            if isinstance(stored.event, RecordRejected) and stored.event.causes[0] in numbers:
                refused.append((numbers[stored.event.causes[0]], stored.event.detail))
    log.commit()
    return refused


def _known(count: int) -> str:
    return f"; {count:,} there already" if count else ""


def _end(problems: list[LineProblem]) -> int:
    if not problems:
        return 0
    output.say(f"{output.counted(len(problems), 'line')} could not be used; see above.")
    return EXIT_USAGE
