"""Derivation of the states of `route` and `learn`."""

from collections.abc import Iterator

import structlog

from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.questions import QuestionAsked
from streams.errors import OperatorError
from streams.log import Record
from streams.processors.fold import Processor, Tables
from streams.processors.route import Routed
from streams.runtimes.kafka.raw_record import event_id_in
from streams.runtimes.kafka.stages.partition_task import read_record
from streams.runtimes.kafka.stages.rebuild_derivation import Heard, RebuildPass, StateDerivation
from streams.topology import ASSIGNMENTS, LESSONS, OBSERVATIONS, QUESTIONS, TOPICS

NO_STATEMENT = ""
"""Stands for the hash of a question that the log does not hold; no question has it."""

_log = structlog.get_logger("orch.rebuild")


class RouteDerivation(StateDerivation):
    """
    Derives the states of `route`: for each question id the question that has the panel, else the first.

    A panel in the log is never chosen again, and its question gets no other. A missing panel is chosen by the tables as
    they are now. Where the topic of questions was deleted and created again, panels lack their questions: the ids stay
    taken, and any question under one of them is a conflict, for nothing tells whether it is the same. Memory also holds
    the event id of each panel's question, and earlier questions under the same id that have no panel (they exist only
    where states were lost once).
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
        """Reserve the ids of panels without a question."""
        missing = [key for key in self._asked if key not in self.states]
        for key in missing:
            self.store(key, Routed(NO_STATEMENT, self._asked[key]))
            for early in self._early.pop(key, ()):
                self.fold_stored(key, *early)
        if missing:
            _log.warning("questions_missing", topic=QUESTIONS, partition=self._partition, questions=len(missing))
        yield from ()


class LearnDerivation(StateDerivation):
    """
    Derives the states of `learn`. Whether decisions or feedback are read first changes neither states nor what follows.

    The temporary file holds the ids of all observations and lessons in the log.
    """

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the observations and the lessons."""
        for topic in (OBSERVATIONS, LESSONS):
            for partition in range(TOPICS[topic].partitions):
                yield RebuildPass(topic, partition, self._recall)

    def _recall(self, record: Record) -> None:
        # Those of all questions, not only of this partition's: there may be millions, so none is decoded.
        event_id = event_id_in(record.value)
        if event_id is not None:
            self.known.add(event_id)
