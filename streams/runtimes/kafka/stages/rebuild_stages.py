"""Derivation of the states of `route`, `learn` and `rank`."""

from collections.abc import Iterator

import orjson

from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.questions import QuestionAsked
from schemas.router import RouterEntry
from streams.errors import OperatorError
from streams.log import Record
from streams.processors.fold import Processor, Tables
from streams.processors.route import Routed
from streams.runtimes.kafka.raw_record import event_id_in
from streams.runtimes.kafka.stages.partition_task import read_record
from streams.runtimes.kafka.stages.rebuild_derivation import RESTORE, Heard, RebuildPass, StateDerivation
from streams.topology import ASSIGNMENTS, OBSERVATIONS, QUESTIONS, ROUTER, TOPICS, partition_of


class RouteDerivation(StateDerivation):
    """
    Derives the states of `route`: for each question id the question that has the panel, else the first.

    A panel in the log is never chosen again, and its question gets no other. A missing panel is chosen by the tables as
    they are now. Memory also holds the event id of each panel's question, and earlier questions under the same id that
    have no panel (they exist only where states were lost once).
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        super().__init__(processor, partition, tables)
        self._asked: dict[str, str] = {}
        self._early: dict[str, list[Heard]] = {}

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the panels."""
        yield RebuildPass(ASSIGNMENTS, self._partition, self._recall)

    def _recall(self, record: Record) -> None:
        panel = read_record(record)
        if isinstance(panel, PanelAssigned):
            self._asked.setdefault(panel.question_id, next(iter(panel.causes), ""))

    def hear(self, record: Record, event: Event) -> None:
        """
        Fold a question.

        Raises:
            OperatorError: The question needs a panel, and there is no policy.
        """
        key = event.key
        if key in self.states or not isinstance(event, QuestionAsked):
            self.fold_stored(key, record, event)
        elif key not in self._asked:
            if self._tables.policy is None:
                raise OperatorError(
                    f"question {key!r} has no panel, and no policy was ever adopted",
                    remedy="`orch policy adopt` writes the configured one; then start again",
                    key=key,
                )
            self.fold_stored(key, record, event)
        elif event.event_id != self._asked[key]:
            self._early.setdefault(key, []).append((record, event))
        else:
            self.store(key, Routed(event.statement_id, event.event_id))
            for early in self._early.pop(key, ()):
                self.fold_stored(key, *early)

    def finish(self) -> Iterator[None]:
        """
        Check that every panel has its question.

        Raises:
            OperatorError: A question is missing.
        """
        for key, event_id in self._asked.items():
            if key not in self.states:
                raise OperatorError(
                    f"question {key!r} has a panel, but partition {self._partition} of {QUESTIONS} does not hold the"
                    f" question it names (event {event_id})",
                    remedy=RESTORE,
                    key=key,
                    event_id=event_id,
                )
        yield from ()


class LearnDerivation(StateDerivation):
    """
    Derives the states of `learn`. Whether decisions or feedback are read first changes neither states nor observations.

    The temporary file holds the ids of all observations in the log.
    """

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the observations."""
        for partition in range(TOPICS[OBSERVATIONS].partitions):
            yield RebuildPass(OBSERVATIONS, partition, self._recall)

    def _recall(self, record: Record) -> None:
        # Observations of all questions, not only of this partition's: there may be millions, so none is decoded.
        event_id = event_id_in(record.value)
        if event_id is not None:
            self.known.add(event_id)


class RankDerivation(StateDerivation):
    """
    Derives the states of `rank`: each scope's and agent's chain of entries, from its first observation on.

    Each observation counts once, even if its repeat comes much later. An entry is new if its sequence number exceeds
    that of the newest entry of its key in the router's topic; compaction may have removed any earlier entry. Memory
    also holds sequence number and id of each key's newest entry; the temporary file holds the ids of the observations.
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        super().__init__(processor, partition, tables)
        self._newest: dict[str, tuple[int, str]] = {}
        self._agents: dict[str, str] = {}

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the router entries."""
        yield RebuildPass(ROUTER, 0, self._recall)

    def _recall(self, record: Record) -> None:
        entry = read_record(record)
        if isinstance(entry, RouterEntry) and entry.sequence > self._newest.get(entry.key, (0, ""))[0]:
            self._newest[entry.key] = entry.sequence, entry.event_id
            self._agents[entry.key] = entry.agent

    def hear(self, record: Record, event: Event) -> None:
        """Fold an observation that was not folded yet; raises as `is_new` does."""
        if self.known.add(event.event_id):
            super().hear(record, event)

    def is_new(self, event: Event) -> bool:
        """
        Say whether an entry's sequence number exceeds that of the newest entry of its key in the log.

        Raises:
            OperatorError: The log holds another entry under the same sequence number.
        """
        assert isinstance(event, RouterEntry), "rank makes no other events"
        sequence, event_id = self._newest.get(event.key, (0, ""))
        if event.sequence == sequence and event.event_id != event_id:
            raise OperatorError(
                f"{ROUTER} holds entry {sequence} of {event.key} as event {event_id}, but the observations give event"
                f" {event.event_id}",
                remedy=RESTORE,
                key=event.key,
                event_id=event_id,
            )
        return event.sequence > sequence

    def finish(self) -> Iterator[None]:
        """
        Check that no key of this partition's agents has more entries than observations.

        Raises:
            OperatorError: One has more.
        """
        for key, (sequence, event_id) in self._newest.items():
            if partition_of(self._agents[key].encode(), TOPICS[OBSERVATIONS].partitions) != self._partition:
                continue
            stored = self.states.get(key)
            line = None if stored is None else self._processor.load(orjson.loads(stored)).entry
            if line is None or line.sequence < sequence:
                raise OperatorError(
                    f"{ROUTER} holds entry {sequence} of {key} (event {event_id}), but there are only"
                    f" {0 if line is None else line.sequence} observations of it",
                    remedy=RESTORE,
                    key=key,
                    event_id=event_id,
                )
        yield from ()
