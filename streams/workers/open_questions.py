"""Open questions of one partition, and their committable offsets."""

from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import StageOpened
from streams.log import Record
from streams.topology import ASSIGNMENTS, DECISIONS, QUESTION_PARTITIONS, QUESTIONS, partition_of
from streams.workers.question_state import QuestionState

REMEMBERED = 10_000
"""Recently closed questions that are remembered although no commit needs them, about two megabytes a partition: a
producer's retry of a question causes no calls."""


@dataclass(slots=True)
class _ClosedQuestion:
    """A closed question that is still remembered."""

    held_at: int
    """Offset of its decision."""
    ends: Mapping[str, int] | None = None
    """End offsets of the topics at some time after it was closed; None while unknown."""
    later: dict[str, int] = field(default_factory=dict)
    """By topic: the offset after its last record, for records that came after it was closed."""


@dataclass(slots=True)
class _MarkedEnds:
    """Closed and doubtful questions that wait for the topics' end offsets."""

    closed: list[_ClosedQuestion] = field(default_factory=list)
    doubts: dict[QuestionState, None] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.closed or self.doubts)


class OpenQuestions:
    """
    The open questions of one partition number in all topics, rebuilt from their records alone.

    The topics have no common order: a decision may be read before its question. So committed offsets keep this
    invariant: a consumer that starts at them and reads any record of a question also reads

    - all its records, if it is open;
    - its decision, if it was known to be decided.

    An open question holds back the commit of each topic at its first record there. A decided question holds back the
    decisions at its decision, until the commits pass the ends that the topics had after the decision, and so each of
    its records. A record that comes even later is recognised because the question is still remembered, or by what is
    missing:

    - A panel without a question, an analysis with neither, although everything before them has been read: the question
      was decided and forgotten long ago.
    - A question without a panel, although `route`, which goes through a partition in order, has assigned a later one:
      it was asked before, or was refused.

    Args:
        partition: A question counts only in the partition of its id; `route` republishes misplaced ones there.
        begin: First offset to read, by topic: any of questions, assignments, analyses and decisions, and no other
            topic. A topic that is not given is not waited for.
    """

    def __init__(self, partition: int, begin: Mapping[str, int]) -> None:
        self.partition = partition
        self.position = dict(begin)
        """Next offset of each topic."""
        self.caught_up = False
        """Whether everything is read that was in the log when the partition was assigned to this member."""
        self._open: dict[str, QuestionState] = {}
        self._closed: OrderedDict[str, _ClosedQuestion] = OrderedDict()
        self._remembered: OrderedDict[str, None] = OrderedDict()
        self._since: dict[str, deque[tuple[int, QuestionState]]] = {
            topic: deque() for topic in begin if topic != DECISIONS
        }
        """Offset of each question's first record by topic, in order; those of closed questions are dropped later."""
        self._unmarked, self._asked = _MarkedEnds(), _MarkedEnds()
        self._doubts: list[tuple[QuestionState, Mapping[str, int]]] = []
        self._goal: Mapping[str, int] | None = None
        self._routed = self._routed_before = -1
        """Highest offset of a question that has its panel: now, and at the previous look-up of end offsets."""

    def __len__(self) -> int:
        """Count the open questions."""
        return len(self._open)

    @property
    def oldest_ms(self) -> int | None:
        """Timestamp of the record of the question that opened first; None if none is open."""
        return next((case.asked_ms for case in self._open.values() if case.asked_ms is not None), None)

    @property
    def remembered(self) -> int:
        """Count the closed questions that commits still need."""
        return len(self._closed)

    def cases(self) -> Iterator[QuestionState]:
        """Iterate the open questions."""
        return iter(self._open.values())

    def take(self, record: Record, event: Event) -> QuestionState | None:
        """
        Apply a record at or after the position of its topic.

        Returns:
            The question that changed; None if none did.
        """
        self.reach(record.topic, record.offset + 1)
        question_id = event.correlation
        closed = self._closed.get(question_id)
        if closed is not None:
            closed.later[record.topic] = record.offset + 1
            return None
        case = self._open.get(question_id)
        if case is None:
            # A stage follows its panel in the same partition, so this stage is of a question closed long ago.
            if isinstance(event, StageOpened) or question_id in self._remembered or not self._belongs(question_id):
                return None
            case = self._open[question_id] = QuestionState(question_id, self.partition)
        changed = case.hear(record, event)
        if isinstance(event, DecisionMade):
            self._close(case, record.offset)
        else:
            self._note(case, record)
        return case if changed else None

    def reach(self, topic: str, offset: int) -> None:
        """Advance a topic's position: each offset below it is read, or holds no record."""
        self.position[topic] = max(self.position[topic], offset)
        if not self.caught_up:
            self._catch_up()

    def close(self, case: QuestionState) -> None:
        """Close a question that needs no more work here, although its decision is not known yet."""
        if not case.closed:
            case.close()
            self._close(case, self.position[DECISIONS])

    def lose(self) -> list[QuestionState]:
        """Close all questions, because the partition was revoked; return those that were open."""
        lost = list(self._open.values())
        self._open.clear()
        for case in lost:
            case.close()
        return lost

    @property
    def waits(self) -> bool:
        """Whether the end offsets of the topics are needed."""
        return self._goal is None or bool(self._unmarked or self._asked)

    def ask(self) -> None:
        """Begin a look-up of end offsets: everything read so far lies below them."""
        self._asked.closed += self._unmarked.closed
        self._asked.doubts.update(self._unmarked.doubts)
        self._unmarked = _MarkedEnds()

    def mark(self, ends: Mapping[str, int]) -> None:
        """Take the end offsets that were looked up after the last `ask`."""
        if self._goal is None:
            self._goal = dict(ends)
        for closed in self._asked.closed:
            closed.ends = ends
        self._doubts += [(case, ends) for case in self._asked.doubts]
        self._asked = _MarkedEnds()
        self._pass_over()
        self._catch_up()

    def commits(self) -> dict[str, int]:
        """Give the offset to commit of each topic, and forget the closed questions that it passes."""
        self._settle_doubts()
        offsets = {topic: self._first_needed(topic) for topic in self._since}
        while self._closed:
            question_id, closed = next(iter(self._closed.items()))
            if closed.ends is None or any(
                offset < max(closed.ends[topic], closed.later.get(topic, 0)) for topic, offset in offsets.items()
            ):
                return {**offsets, DECISIONS: closed.held_at}
            del self._closed[question_id]
            self._remember(question_id)
        return {**offsets, DECISIONS: self.position[DECISIONS]}

    def _catch_up(self) -> None:
        goal = self._goal
        self.caught_up = goal is not None and all(offset >= goal[topic] for topic, offset in self.position.items())

    def _belongs(self, question_id: str) -> bool:
        return partition_of(question_id.encode(), QUESTION_PARTITIONS) == self.partition

    def _note(self, case: QuestionState, record: Record) -> None:
        """Record the first offset of an open question in a topic, and what it still lacks."""
        if record.topic not in case.since:
            case.since[record.topic] = record.offset
            self._since[record.topic].append((record.offset, case))
        if QUESTIONS not in self.position:
            return
        if case.question is None:
            self._unmarked.doubts[case] = None
        elif case.opened:
            self._routed = max(self._routed, case.since[QUESTIONS])

    def _close(self, case: QuestionState, held_at: int) -> None:
        del self._open[case.question_id]
        closed = self._closed[case.question_id] = _ClosedQuestion(held_at)
        self._unmarked.closed.append(closed)

    def _drop(self, case: QuestionState) -> None:
        del self._open[case.question_id]
        case.close()

    def _remember(self, question_id: str) -> None:
        self._remembered[question_id] = None
        if len(self._remembered) > REMEMBERED:
            self._remembered.popitem(last=False)

    def _first_needed(self, topic: str) -> int:
        """Find the offset of the first record of an open question; without one, the position."""
        since = self._since[topic]
        while since and since[0][1].closed:
            since.popleft()
        return since[0][0] if since else self.position[topic]

    def _pass_over(self) -> None:
        """Drop the oldest questions if `route` has skipped them."""
        since = self._since.get(QUESTIONS)
        while since:
            offset, case = since[0]
            if not case.closed:
                if case.opened or offset >= self._routed_before:
                    break
                self._drop(case)
            since.popleft()
        self._routed_before = self._routed

    def _settle_doubts(self) -> None:
        """Drop questions that lack a record which must precede those that were read."""
        left = []
        for case, ends in self._doubts:
            if case.closed or case.question is not None:
                continue
            lacking = QUESTIONS if case.opened else ASSIGNMENTS
            if self.position[lacking] >= ends[lacking]:
                self._drop(case)
            else:
                left.append((case, ends))
        self._doubts = left
