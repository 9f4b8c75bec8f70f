"""A log's writer, with counts of what passes through it."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Self

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.policies import PolicyAdopted
from streams.instruments import names
from streams.instruments.meters import Meters
from streams.log import FoldingWriter, Headers, Record, Stored
from streams.topology import ANALYSES, DEAD_LETTERS, DECISIONS

STAGE = "all"
"""Stage of a writer that hosts all processors: a file has one order, and one fold of it."""


class _Tellers(dict[type[Event], Callable[[Any], None] | None]):
    """
    What counts the contents of an event, by its class; None for most, which say no more than that they are there.

    A class is looked up by its topic once: to ask each event for it takes longer than to count it.
    """

    def __init__(self, by_topic: Mapping[str, Callable[[Any], None]]) -> None:
        self._by_topic = by_topic

    def __missing__(self, kind: type[Event]) -> Callable[[Any], None] | None:
        self[kind] = self._by_topic.get(kind.topic)
        return self[kind]


class MeteredLog:
    """
    A `FoldingWriter` that counts what another one writes and how long its folds take.

    It stands before the writer only where metrics are wanted; without them nothing is counted, and nothing asked.

    Args:
        log: Does the work.
        meters: Get the counts.
    """

    def __init__(self, log: FoldingWriter, meters: Meters) -> None:
        self._log = log
        self._meters = meters
        self._fold_s = 0.0
        self._tellers = _Tellers(
            {ANALYSES: self._tell_analysis, DECISIONS: self._tell_decision, DEAD_LETTERS: self._tell_letter}
        )
        meters.expect_decisions()
        meters.expect_letters()
        meters.read(names.FOLD_SECONDS, lambda: [((STAGE,), self._fold_s)])
        meters.read(names.LAG, lambda: [((STAGE, ""), log.lag)])
        meters.add(names.FOLDED, (STAGE,), 0)

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy adopted last."""
        return self._log.policy

    @property
    def lag(self) -> int:
        """Count the records that are appended but not folded."""
        return self._log.lag

    @property
    def ready(self) -> bool:
        """Say whether `fold` can fold a record."""
        return self._log.ready

    def folding(self) -> Self:
        """Give this writer."""
        return self

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """Append an input event, and count it if the log did not hold it."""
        stored = self._log.append(event, headers=headers, again=again)
        if stored is not None:
            self._meters.note_event(event)
            tell = self._tellers[type(event)]
            if tell is not None:
                tell(event)
        return stored

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """Fold the next records, and count the events that the processors wrote."""
        before, started = self._log.lag, time.perf_counter()
        written = self._log.fold(most)
        self._fold_s += time.perf_counter() - started
        # What is written has to be folded too.
        self._meters.add(names.FOLDED, (STAGE,), before + len(written) - self._log.lag)
        events = [stored.event for stored in written]
        self._meters.note_events(events)
        for event, tell in zip(events, map(self._tellers.__getitem__, map(type, events)), strict=True):
            if tell is not None:
                tell(event)
        return written

    def _tell_analysis(self, analysis: AnalysisPublished) -> None:
        self._meters.note_attempts(analysis.agent, analysis.attempts)

    def _tell_decision(self, decision: DecisionMade) -> None:
        self._meters.note_decision(decision.status, decision.reason)

    def _tell_letter(self, letter: RecordRejected) -> None:
        self._meters.note_letter(letter.reason)

    def commit(self) -> None:
        """Make records, states and checkpoint durable."""
        self._log.commit()

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question."""
        return self._log.about(correlation)

    def of_topic(self, topic: str) -> Iterator[Record]:
        """Iterate the records of one topic."""
        return self._log.of_topic(topic)

    def open_states(self, processor: str) -> Iterator[tuple[str, Any]]:
        """Iterate key and state of every open key of one processor."""
        return self._log.open_states(processor)

    def close(self) -> None:
        """Close the log."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()
