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
    """Events of the topics about one question, in the order of each topic."""

    panels: list[Heard] = field(default_factory=list)
    stages: dict[str, StageOpened] = field(default_factory=dict)
    """Stages by the id of their event."""
    decision: DecisionMade | None = None
    analyses: list[Heard] = field(default_factory=list)
    deadlines: list[Heard] = field(default_factory=list)

    @property
    def said(self) -> tuple[Said, ...]:
        """Stages and decision in the log."""
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
        """Choose the panel that counts: the one that a stage or decision names as a cause, else the first."""
        causes = {cause for said in self.said for cause in said.causes}
        return next((one for one in self.panels if one[1].event_id in causes), next(iter(self.panels), None))


class MergeDerivation(StateDerivation):
    """
    Derives the states of `merge`: closed for a decided question, else folded from the events so far.

    The log does not say in which order an owner read its input topics, but each stage and decision names its causes. So
    the derivation first folds exactly the causes of each stage in the log, then the other events by time. The log lacks
    the outputs of the latter.

    An analysis that fits no stage may or may not get a dead letter: an owner that read the analysis before the panel
    wrote none. A missing one is written for a question without a decision, never for a decided question.

    Memory also holds the events about questions without a decision, and the keys of decided questions.
    """

    def __init__(self, processor: Processor, partition: int, tables: Tables) -> None:
        super().__init__(processor, partition, tables)
        self._closed: dict[str, int] = {}
        """Decided questions, with the number of the last stage in the decision's trace; 0 once that stage was read."""
        self._cases: dict[str, _QuestionRecords] = {}
        self._torn: frozenset[str] = frozenset()
        """Decided questions whose decision names a stage that the log lacks."""
        self._said: frozenset[str] = frozenset()
        """Event ids of the stages and decision of the question in work."""

    def written(self) -> Iterator[RebuildPass]:
        """Iterate the decisions; the stages that `merge` writes are in one of its input topics."""
        yield RebuildPass(DECISIONS, self._partition, self._close)

    def inputs(self) -> Iterator[RebuildPass]:
        """Iterate the input topics; decided questions that lack a stage are read again."""
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
        Treat decided questions that lack a stage as open again; say whether there are any.

        One batch may hold the analysis that opens a stage and the deadline that decides. Stage and decision go to
        different topics, so after a crash the log may hold the decision alone. The causes of the decision still tell
        the stage.
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
        """Keep an event about a question without a decision."""
        key = event.key
        if key in self._closed:
            if isinstance(event, StageOpened) and event.stage.number >= self._closed[key]:
                self._closed[key] = 0
            return
        self._cases.setdefault(key, _QuestionRecords()).put(record, event)

    def finish(self) -> Iterator[None]:
        """
        Derive the states and missing outputs, question by question.

        Raises:
            OperatorError: A stage or decision in the log does not follow from its causes.
        """
        for key in self._closed:
            self.store(key, Merged(closed=True))
        for key in list(self._cases):
            self._conclude(key, self._cases.pop(key))
            yield

    def is_new(self, event: Event) -> bool:
        """Say whether the log lacks a stage or decision."""
        return event.event_id not in self._said

    def _conclude(self, key: str, case: _QuestionRecords) -> None:
        self._said = frozenset(said.event_id for said in case.said)
        state: Merged | None = None
        panel = case.panel()
        if panel is None and case.decision is not None:
            # The topic of panels was deleted and created again; the decision stands.
            self.store(key, Merged(closed=True))
            return
        if panel is not None:
            state = self.fold(state, key, *panel).state
        for said in case.said:
            state = self._conclude_again(state, key, case, said)
        # An owner that wrote a dead letter about an analysis had folded all analyses before it, and no deadline, which
        # would have closed the question. So their outputs were decided, though the log may lack them.
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
        Fold the causes of a stage or decision until it follows; earlier stages that the log lacks may follow first.

        Other analyses that change nothing (a second one of a seat, one that fits no stage) are folded in their place,
        because their dead letter depends on it. Other analyses that would change the state wait.
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
            " not follow from its causes: a panel or an analysis is missing or was changed",
            remedy=RESTORE,
            key=key,
            event_id=said.event_id,
        )

    def _changes(self, state: Merged | None, key: str, event: Event) -> bool:
        return self._processor.fold(state, event, key, self._tables).state is not state
