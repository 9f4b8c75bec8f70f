"""Derivation of one question's events without a common topic order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.questions import QuestionAsked
from streams.audit.replay.certainty import Certainty
from streams.audit.replay.expected import ExpectedFolds
from streams.log import Record
from streams.processors import LEARN, MERGE, ROUTE
from streams.processors.fold import Processor
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS, FEEDBACK, QUESTIONS

Heard = tuple[Record, Event]


@dataclass(frozen=True, slots=True)
class DueEvent:
    """An event that follows from the inputs."""

    event: Event
    cause: Record
    """The last record that it follows from."""
    certain: bool
    """Whether it must be in the log; if not, it may be."""


class UnorderedDerivation:
    """
    Derives stages, decision, observations and dead letters of one question; `due` holds them.

    Within a topic every stage reads the records of a question in the order of their partition. Between topics there is
    no order, but it hardly matters: what `merge` and `learn` conclude depends on the set of events, not on their order.
    The exception is the deadline: analyses behind it are too late. The decision in the log tells where it fell.

    Args:
        came: Questions, the first panel, analyses, deadlines and feedback, each in the order of its partition.
        said: The decisions and stages in the log.
        reach: The records that the stages have certainly folded.
        merge: The processor, with the merge rules that the log's policies name.
    """

    def __init__(
        self,
        came: Mapping[str, Sequence[Heard]],
        said: Sequence[Record],
        reach: Certainty,
        merge: Processor = MERGE,
    ) -> None:
        self._rules = merge
        self._came = came
        self._said = said
        self._reach = reach
        self._records: dict[str, Record | None] = {}
        """Records of the folded events, by event id; None for a decision that the log does not hold."""
        merged = self._merge()
        self.due = [*self._route(), *merged, *self._learn(_decision_of(merged))]

    def _route(self) -> list[DueEvent]:
        folds = ExpectedFolds()
        first, *others = self._came.get(QUESTIONS, ()) or (None,)
        if first is not None and isinstance(first[1], QuestionAsked):
            folds.begin(first[1])
        return self._fold(folds, ROUTE, others)

    def _merge(self) -> list[DueEvent]:
        """
        Derive stages and decision with the panel first, or with the panel last if only that gives the decision in the
        log.

        With the panel first, a deadline decides only if analyses are missing. A deadline that `merge` read before the
        panel decides although all analyses are there.
        """
        due = self._merge_with(panel_last=False)
        if not self._is_said(due):
            other = self._merge_with(panel_last=True)
            if self._is_said(other):
                return other
        return due

    def _merge_with(self, *, panel_last: bool) -> list[DueEvent]:
        """Fold all inputs: a deadline that counted right after the last analysis that counted, any other at the end."""
        folds = ExpectedFolds()
        panels, analyses, deadlines = (self._came.get(topic, ()) for topic in (ASSIGNMENTS, ANALYSES, DEADLINES))
        due = [] if panel_last else self._fold(folds, self._rules, panels)
        if panels and not panel_last:
            # A deadline of another panel may have been read before the question was closed, and rejected.
            foreign = [deadline for deadline in deadlines if not folds.changes(self._rules, *deadline)]
            due += self._fold(folds, self._rules, foreign)
        passed = any(self._is_counted(*deadline) for deadline in deadlines)
        last = max((place for place, analysis in enumerate(analyses) if self._is_counted(*analysis)), default=-1)
        place = 0
        # An analysis that changes nothing may also have been read before the deadline, and rejected with a dead letter.
        while place < len(analyses) and not (passed and place > last and folds.changes(self._rules, *analyses[place])):
            due += self._fold(folds, self._rules, analyses[place : place + 1])
            place += 1
        return due + self._fold(folds, self._rules, [*deadlines, *(panels if panel_last else ()), *analyses[place:]])

    def _is_counted(self, record: Record, event: Event) -> bool:
        """
        Say whether `merge` had read an analysis or a deadline when it decided: a stage or decision in the log names it.

        Without a decision in the log, committed offsets tell: folded records were read before all others.
        """
        if any(said.topic == DECISIONS for said in self._said):
            named = event.event_id.encode()
            return any(named in said.value for said in self._said)
        return self._reach.folded(MERGE.name, record)

    def _is_said(self, due: Sequence[DueEvent]) -> bool:
        """Say whether the decision is in the log."""
        decision = _decision_of(due)
        return decision is not None and any(said.value == decision.event.encode() for said in self._said)

    def _learn(self, decision: DueEvent | None) -> list[DueEvent]:
        """Derive observations from the derived decision, not from the one in the log."""
        folds = ExpectedFolds()
        due = []
        if decision is not None:
            value = decision.event.encode()
            stored = next((said for said in self._said if said.value == value), None)
            self._records[decision.event.event_id] = stored
            due = self._fold(folds, LEARN, [(stored or decision.cause, decision.event)])
        return due + self._fold(folds, LEARN, self._came.get(FEEDBACK, ()))

    def _fold(self, folds: ExpectedFolds, processor: Processor, heard: Sequence[Heard]) -> list[DueEvent]:
        due = []
        for record, event in heard:
            self._records.setdefault(event.event_id, record)
            for made in folds.fold(processor, record, event):
                due.append(DueEvent(made, record, self._is_certain(processor, record, made)))
        return due

    def _is_certain(self, processor: Processor, record: Record, made: Event) -> bool:
        """Say whether the stage has folded all that an event follows from, so that the log must hold it."""
        if isinstance(made, RecordRejected):
            # Whether an analysis fits no stage, `merge` can tell only once it knows the panel; and `learn` only once it
            # knows the decision, whether feedback is a possible answer.
            knows = processor is not self._rules and not (processor is LEARN and made.reason == "invalid")
            return knows and self._reach.folded(processor.name, record)
        causes = [self._records[cause] for cause in made.causes if cause in self._records]
        return all(cause is not None and self._reach.folded(processor.name, cause) for cause in causes)


def _decision_of(due: Sequence[DueEvent]) -> DueEvent | None:
    return next((one for one in due if isinstance(one.event, DecisionMade)), None)
