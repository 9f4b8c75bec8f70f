"""Derivation of the states of `merge`."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from streams.errors import OperatorError
from streams.log import Record
from streams.processors.fold import Processor, Step, Tables
from streams.processors.merge import Merged
from streams.runtimes.kafka.stages.partition_task import in_order, read_record
from streams.runtimes.kafka.stages.rebuild_derivation import RESTORE, Heard, RebuildPass, StateDerivation
from streams.topology import ASSIGNMENTS, DECISIONS

Said = StageOpened | DecisionMade


@dataclass(slots=True)
class _QuestionRecords:
    """What stands in the topics about one question, in the order of each."""

    panels: list[Heard] = field(default_factory=list)
    stages: dict[str, StageOpened] = field(default_factory=dict)
    """By event id."""
    decision: DecisionMade | None = None
    analyses: list[Heard] = field(default_factory=list)
    deadlines: list[Heard] = field(default_factory=list)

    @property
    def said(self) -> tuple[Said, ...]:
        """What was concluded."""
        return (*self.stages.values(), *(() if self.decision is None else (self.decision,)))

    def put(self, record: Record, event: Event) -> None:
        """Add an event."""
        if isinstance(event, PanelAssigned):
            self.panels.append((record, event))
        elif isinstance(event, StageOpened):
            self.stages.setdefault(event.event_id, event)
        elif isinstance(event, DecisionMade):
            self.decision = self.decision or event
        elif isinstance(event, AnalysisPublished):
            self.analyses.append((record, event))
        elif isinstance(event, DeadlinePassed):
            self.deadlines.append((record, event))

    def panel(self) -> Heard | None:
        """Choose the panel that counts: the one that conclusions rest on, else the first."""
        causes = {cause for said in self.said for cause in said.causes}
        return next((one for one in self.panels if one[1].event_id in causes), next(iter(self.panels), None))


class MergeDerivation(StateDerivation):
    """
    The states of `merge`: closed where there is a decision, else what has come so far.

    Nothing says in which order the topics were read, but what was concluded names what it rests on. So each stage in
    the log is concluded again from exactly that, and only then comes the rest, by time. What follows from the rest, the
    log does not hold.

    Of a letter about an analysis that fits no stage nobody can tell whether it was due: whoever read the analysis
    before the panel wrote none. Of a question without a decision it is written if it is not there, of another never.

    In memory besides: the events about questions without a decision, and the keys of the others.
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        super().__init__(processor, partition, tables)
        self._closed: dict[str, int] = {}
        """Decided questions, with the number of the last stage their decision knows, 0 once it was seen."""
        self._cases: dict[str, _QuestionRecords] = {}
        self._torn: frozenset[str] = frozenset()
        """Decided questions whose decision knows a stage that is not there."""
        self._said: frozenset[str] = frozenset()
        """Ids of what was concluded about the question looked at."""

    def written(self) -> Iterator[RebuildPass]:
        """Iterate what the stage writes; stages stand among what it reads."""
        yield RebuildPass(DECISIONS, self._partition, self._close)

    def inputs(self) -> Iterator[RebuildPass]:
        """Iterate what the stage reads."""
        for one in super().inputs():
            yield one
            if one.topic == ASSIGNMENTS and self._reopen():
                yield RebuildPass(DECISIONS, self._partition, self._take_again)
                yield RebuildPass(ASSIGNMENTS, self._partition, self._take_again)

    def _close(self, record: Record) -> None:
        decision = read_record(record)
        if isinstance(decision, DecisionMade):
            self._closed.setdefault(decision.question_id, decision.trace[-1].stage)

    def _reopen(self) -> bool:
        """
        Look again at decided questions that lack a stage, if there are any.

        A deadline may follow a stage in one batch. Decision and stage go to different topics, so a crash may have left
        the decision alone; the stage can still be derived from what the decision names.
        """
        self._torn = frozenset(key for key, last in self._closed.items() if last)
        for key in self._torn:
            del self._closed[key]
        return bool(self._torn)

    def _take_again(self, record: Record) -> None:
        event = read_record(record)
        if isinstance(event, Event) and event.key in self._torn:
            self._cases.setdefault(event.key, _QuestionRecords()).put(record, event)

    def hear(self, record: Record, event: Event) -> None:
        """Keep an event about a question that has no decision."""
        key = event.key
        if key in self._closed:
            if isinstance(event, StageOpened) and event.stage.number >= self._closed[key]:
                self._closed[key] = 0
            return
        self._cases.setdefault(key, _QuestionRecords()).put(record, event)

    def finish(self) -> Iterator[None]:
        """
        Conclude question by question what follows.

        Raises:
            OperatorError: A stage in the log does not follow from what it names.
        """
        for key in self._closed:
            self.store(key, Merged(closed=True))
        for key in list(self._cases):
            self._conclude(key, self._cases.pop(key))
            yield

    def is_new(self, event: Event) -> bool:
        """Say whether a stage or decision is not there yet."""
        return event.event_id not in self._said

    def _conclude(self, key: str, case: _QuestionRecords) -> None:
        self._said = frozenset(said.event_id for said in case.said)
        state: Merged | None = None
        if (panel := case.panel()) is not None:
            state = self.fold(state, key, *panel).state
        for said in case.said:
            state = self._conclude_again(state, key, case, said)
        # Who wrote a letter about an analysis had read those before it, and no deadline yet, for that would have closed
        # the question. So what they call for was concluded, though the log may lack it.
        told = max((end for end, (record, _) in enumerate(case.analyses, 1) if self.has_letter(record)), default=0)
        for record, event in case.analyses[:told]:
            state = self.fold(state, key, record, event).state
        rest = [*case.panels, *case.analyses[told:], *case.deadlines]
        events = {(record.topic, record.offset): event for record, event in rest}
        for record in in_order(record for record, _ in rest):
            state = self.fold(state, key, record, events[record.topic, record.offset]).state
        self.store(key, state)

    def _conclude_again(self, state: Merged | None, key: str, case: _QuestionRecords, said: Said) -> Merged:
        """
        Fold what a stage or decision names until it follows; stages before it that the log lacks may follow first.

        Analyses that it does not name and that change nothing (a second one of a seat, one that fits no stage) are
        folded in their place, for the letter depends on it. Those that would change something wait.
        """
        waiting: list[Heard] = []
        coming = iter([*case.analyses, *(one for one in case.deadlines if one[1].event_id in said.causes)])
        for record, event in coming:
            if event.event_id not in said.causes and self._changes(state, key, event):
                waiting.append((record, event))
                continue
            step: Step[Merged] = self.fold(state, key, record, event)
            state = step.state
            if any(made.event_id == said.event_id for made in step.events):
                case.analyses = [*waiting, *(one for one in coming if isinstance(one[1], AnalysisPublished))]
                return state
        raise OperatorError(
            f"question {key!r}: {said.topic}, partition {self._partition} holds {said.kind} {said.event_id}, which does"
            " not follow from what it names: a panel or an analysis is not there, or not what it was",
            remedy=RESTORE,
            key=key,
            event_id=said.event_id,
        )

    def _changes(self, state: Merged | None, key: str, event: Event) -> bool:
        return self._processor.fold(state, event, key, self._tables).state is not state
