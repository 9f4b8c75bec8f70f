"""Decisions and remarks as programs get them."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import NamedTuple, TypeVar

from schemas.decisions import DecisionMade
from streams.app.consume import Consumed
from streams.app.question_session import OnRecord, unknown_question
from streams.app.reporter import Reporter
from streams.app.workspace import Workspace
from streams.errors import InvariantError, PendingError
from streams.log import Record, read_event
from streams.topology import DECISIONS

T = TypeVar("T")

_DECODED = 256
"""Decisions kept decoded, some 3 MB: subscriptions that follow the same log get the newest ones at the same time."""


class Placed(NamedTuple):
    """A decision, and the place after it: `follow(after=place)` goes on there."""

    decision: DecisionMade
    place: str


class Remarks(Reporter):
    """Hands the remarks of a job to a program."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell

    def say(self, text: str) -> None:
        """Make a remark."""
        self._tell(text)


def decision_in(found: Consumed) -> DecisionMade:
    """Give a decision that was read."""
    return _decision(found.record)


@lru_cache(_DECODED)
def _decision(record: Record) -> DecisionMade:
    event = read_event(record)
    if not isinstance(event, DecisionMade):
        raise InvariantError(f"{DECISIONS} holds a {event.kind}")
    return event


def decided(work: Workspace, question_id: str) -> DecisionMade:
    """
    Give the decision of a question, without waiting.

    Raises:
        UsageError: The log holds no such question.
        PendingError: It is not decided yet.
    """
    with work.open_reader(about=question_id) as reader:
        known = OnRecord.of(reader.about(question_id))
    if known.decision is not None:
        return known.decision
    if known.question is None:
        raise unknown_question(question_id)
    raise PendingError(
        f"question {question_id!r} has no decision yet", remedy="Ask again later, or wait for it", key=question_id
    )


def outside_of_loops(work: Callable[[], T]) -> T:
    """Do something that makes an event loop of its own; in a notebook one runs already."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1, "orch-run") as thread:
        return thread.submit(work).result()
