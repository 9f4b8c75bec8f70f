"""Events that pages list one by one, the newest."""

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from schemas.checkpoints import CheckpointSignedV2
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.weights import WeightsEntry
from streams.log import Record

MOST_LISTED = 500
"""Of each, the newest."""

MOST_POLICIES = 2_000
"""Adoptions that are kept."""


class UndecidedQuestion(NamedTuple):
    """A question that was ended without an answer."""

    question_id: str
    at: str
    reason: str
    ballots: int
    """Ballots that counted."""
    excluded: tuple[tuple[str, str], ...]
    """Agents that did not count, each with the reason."""
    cost_nusd: int
    unpriced_calls: int


class NotedLetter(NamedTuple):
    """A dead letter and its offset."""

    offset: int
    event: RecordRejected


class Noted:
    """The newest of each, and how many there were."""

    def __init__(self) -> None:
        self.policies: deque[Event] = deque(maxlen=MOST_POLICIES)
        self.letters: deque[NotedLetter] = deque(maxlen=MOST_LISTED)
        self.letters_count = 0
        self.undecided: deque[UndecidedQuestion] = deque(maxlen=MOST_LISTED)
        self.undecided_count = 0
        self.checkpoints: deque[CheckpointSignedV2] = deque(maxlen=MOST_LISTED)
        self.checkpoints_count = 0
        self.weights: dict[str, Record] = {}
        """The newest entry of each table of weights."""

    def weights_entries(self) -> list[WeightsEntry]:
        """Decode the newest entry of each table of weights; what is none, as anyone may write on Kafka, is left out."""
        found = []
        for _, record in sorted(self.weights.items()):
            with suppress(ValueError):
                found.append(WeightsEntry.decode(record.value))
        return found

    def take_letter(self, offset: int, event: Event) -> None:
        """Note a dead letter."""
        if isinstance(event, RecordRejected):
            self.letters_count += 1
            self.letters.append(NotedLetter(offset, event))

    def take_checkpoint(self, event: Event) -> None:
        """Note a checkpoint of the whole log."""
        if isinstance(event, CheckpointSignedV2):
            self.checkpoints_count += 1
            self.checkpoints.append(event)

    def take_decision(self, decision: Mapping[str, Any]) -> None:
        """Note a decision if it is none."""
        if decision["status"] != "undecided":
            return
        self.undecided_count += 1
        self.undecided.append(
            UndecidedQuestion(
                decision["question_id"],
                decision["occurred_at"],
                decision["reason"],
                len(decision["counted"]),
                tuple((seat["agent"], seat["reason"]) for seat in decision["excluded"]),
                decision["cost_nusd"],
                decision["unpriced_calls"],
            )
        )
