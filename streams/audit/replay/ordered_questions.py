"""
Second replay pass in log order: one question after another.

It derives the stages, decision, observations, lessons and dead letters of each question.
"""

from collections import deque
from collections.abc import Iterator

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.questions import QuestionAsked
from schemas.registry import decode_canonical
from streams.audit.replay.call_check import AdoptedPolicies, CallCheck
from streams.audit.replay.cause_order import CauseOrder
from streams.audit.replay.difference import Findings, at, compare, unreadable
from streams.audit.replay.expected import ExpectedFolds
from streams.audit.replay.key_placement import KeyPlacement
from streams.audit.replay.origin_check import check_carried, is_carried
from streams.log import LogReader, Record
from streams.processors import LEARN, MERGE, ROUTE
from streams.processors.fold import Processor
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    LESSONS,
    OBSERVATIONS,
    QUESTIONS,
    SPENDING,
)

TAUGHT = (OBSERVATIONS, LESSONS, DEAD_LETTERS)
"""Topics of what follows from decisions and feedback."""
TOPICS = (QUESTIONS, ASSIGNMENTS, ANALYSES, DEADLINES, DECISIONS, FEEDBACK, *TAUGHT, SPENDING)


def groups(reader: LogReader, end: int) -> Iterator[tuple[str, list[Record]]]:
    """Iterate all records about each question, up to seq *end*."""
    for question_id, records in reader.by_correlation(TOPICS):
        yield question_id, [record for record in records if record.seq <= end]


class OrderedQuestionPass:
    """
    Re-derives `merge` and `learn` for one question at a time, from its records in log order.

    The folds get their own outputs back, never those in the log, so every decision rests on inputs alone. The panel is
    the exception: the other pass proves it.

    Args:
        reader: The log.
        folded: Seq of the last record that the log's writer has folded; whatever follows from records up to it must be
            in the log.
        order: Takes the cause of each derived record.
        merge: The processor, with the merge rules that the log's policies name.
    """

    def __init__(self, reader: LogReader, folded: int, order: CauseOrder, merge: Processor = MERGE) -> None:
        self.findings = Findings()
        self.pending = 0
        """Questions that have no decision yet."""
        self._placement = KeyPlacement(reader)
        self._policies = AdoptedPolicies(reader, ordered=True)
        self._folded = folded
        self._order = order
        self._merge = merge

    def take(self, question_id: str, records: list[Record]) -> None:
        """Check all records about one question."""
        calls = CallCheck(self.findings, self._policies)
        question = _QuestionFolds(question_id, self.findings, calls, self._order, self._merge)
        for record in records:
            self._placement.check(question_id, record, self.findings)
            question.take(record)
        self.pending += question.finish(self._folded)


class _QuestionFolds:
    """The folds of one question, and the events that must follow."""

    def __init__(
        self, question_id: str, findings: Findings, calls: CallCheck, order: CauseOrder, merge: Processor
    ) -> None:
        self._merge = merge
        self._question_id = question_id
        self._findings = findings
        self._calls = calls
        self._order = order
        self._folds = ExpectedFolds()
        self._due: dict[str, deque[tuple[Record, Event]]] = {}
        self._asked: tuple[Record, QuestionAsked] | None = None
        self._assigned = False
        self._decided = False
        self._lost = False
        """Whether an input could not be read, so that what follows from it cannot be known."""

    def take(self, record: Record) -> None:
        """Check one record, and fold its event if it is an input or the panel."""
        topic = record.topic
        if is_carried(record):
            # The pass over entries derives what follows from it.
            check_carried(record, self._findings)
            return
        # Of an assignment whose kind cannot be read, only the first can be the panel.
        is_panel = topic == ASSIGNMENTS and (
            b'"kind":"panel.assigned.v' in record.value
            or not (self._assigned or b'"kind":"stage.opened.v' in record.value)
        )
        if topic in (DECISIONS, *TAUGHT) or (topic == ASSIGNMENTS and not is_panel):
            self._compare(record)
            return
        try:
            event = decode_canonical(topic, record.value)
        except ValueError as problem:
            self._lost = self._lost or topic != SPENDING
            if not is_panel:
                self._findings.note(unreadable(record, problem))
            return
        if event.key != self._question_id:
            self._findings.note(at(record, "key", event.key, self._question_id))
        if isinstance(event, QuestionAsked):
            self._question(record, event)
        elif isinstance(event, PanelAssigned):
            self._panel(record, event)
        elif topic == SPENDING:
            self._calls.spent(record, event)
        else:
            if isinstance(event, AnalysisPublished):
                self._calls.analysed(record, event)
            self._fold(LEARN if topic == FEEDBACK else self._merge, record, event)

    def finish(self, folded: int) -> bool:
        """Report the events missing from the log; say whether the question still waits for its decision."""
        if self._asked is not None and not self._assigned and not self._lost and self._asked[0].seq <= folded:
            self._findings.note(at(self._asked[0], "record", f"a panel for {self._asked[1].question_id!r}", None))
        for due in self._due.values():
            for cause, event in due:
                if cause.seq <= folded:
                    self._findings.note(at(cause, "record", f"{event.kind} {event.event_id}", None))
        return self._asked is not None and not self._decided

    def _question(self, record: Record, event: QuestionAsked) -> None:
        if self._asked is None:
            self._asked = (record, event)
            self._folds.begin(event)
            return
        self._fold(ROUTE, record, event)

    def _panel(self, record: Record, event: PanelAssigned) -> None:
        asked = None if self._asked is None else self._asked[1].event_id
        named = next(iter(event.causes), None)
        if asked != named and not self._lost:
            self._findings.note(at(record, "causes.0", asked, named))
        if self._assigned:
            self._findings.note(at(record, "record", None, "a second panel of the question"))
        self._assigned = True
        if self._asked is not None:
            self._order.note(record, self._asked[0])
        self._calls.opened(event)
        self._fold(self._merge, record, event)

    def _fold(self, processor: Processor, record: Record, event: Event) -> None:
        for output in self._folds.fold(processor, record, event):
            self._due.setdefault(output.topic, deque()).append((record, output))

    def _compare(self, record: Record) -> None:
        """Compare a derived record with the next expected one of its topic; go on with the expected one."""
        self._findings.derived += 1
        self._decided = self._decided or record.topic == DECISIONS
        due = self._due.get(record.topic)
        if not due:
            if not self._lost:
                self._findings.note(at(record, "record", None, "an event that follows from nothing in the log"))
            return
        cause, event = due.popleft()
        self._findings.follow(record, cause)
        self._order.note(record, cause)
        self._calls.opened(event)
        difference = compare(record, event.encode(), event.key)
        if difference is not None:
            self._findings.note(difference)
        if isinstance(event, DecisionMade):
            self._fold(LEARN, record, event)
