"""Scheduler of calls and deadlines, for embedded and Kafka logs."""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Generic, NamedTuple, Protocol, TypeVar

SWEPT = 1_000
"""Deadlines of closed questions kept beside as many as are open, before they are swept out."""


class Question(Protocol):
    """An open question, as far as it decides what is scheduled."""

    @property
    def question_id(self) -> str: ...

    @property
    def closed(self) -> bool:
        """Whether no call and no deadline of it is wanted any more."""

    @property
    def due_ms(self) -> int | None:
        """When it is overdue; None while its panel is not known."""


Q = TypeVar("Q", bound=Question)
C = TypeVar("C")


class Queued(NamedTuple, Generic[Q, C]):
    """A call that waits for its start."""

    question: Q
    call: C
    takes_room: bool
    """Whether it counts among those under way; a call that takes no time does not."""


class CallScheduler(Generic[Q, C]):
    """
    Decides which calls start next and which questions are overdue; it makes no call and reads no clock.

    Calls start in the order in which they came, and never more of them than there is room for: one that finds none
    holds back all behind it. Those of closed questions are passed over. Deadlines pass in the order of their instants,
    at one instant by question.

    Args:
        most: Calls under way at a time, of those that take room.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: deque[Queued[Q, C]] = deque()
        self._running = 0
        self._deadlines: list[tuple[int, str, int, Q]] = []
        # Questions have no order, so a number stands before them.
        self._numbers = count()
        self._sweep_at = SWEPT

    @property
    def waiting(self) -> int:
        """Count the calls that wait for their start."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Count the calls that take room."""
        return self._running

    @property
    def watched(self) -> int:
        """Count the deadlines that are kept, those of some closed questions among them."""
        return len(self._deadlines)

    @property
    def may_start(self) -> bool:
        """Whether the first call that waits finds room."""
        return bool(self._queue) and self._finds_room(self._queue[0])

    def put(self, question: Q, call: C, *, takes_room: bool = True) -> None:
        """Let a call wait for its start, behind all others."""
        self._queue.append(Queued(question, call, takes_room))

    def start(self, at_most: int) -> Iterator[Queued[Q, C]]:
        """
        Take out what is to be started now; whoever starts one that takes room says when it has ended.

        Args:
            at_most: Calls looked at, those of closed questions counted.
        """
        for _ in range(min(len(self._queue), at_most)):
            queued = self._queue[0]
            if not queued.question.closed and not self._finds_room(queued):
                return
            self._queue.popleft()
            if not queued.question.closed:
                self._running += queued.takes_room
                yield queued

    def ended(self) -> None:
        """Give back the room of a call, however it went."""
        self._running -= 1

    def clear(self) -> None:
        """Forget the calls that wait."""
        self._queue.clear()

    def watch(self, question: Q) -> None:
        """Watch the deadline of a question from now on; one whose panel is not known is left out."""
        if question.due_ms is None:
            return
        heapq.heappush(self._deadlines, (question.due_ms, question.question_id, next(self._numbers), question))
        if len(self._deadlines) >= self._sweep_at:
            self._deadlines = [deadline for deadline in self._deadlines if not deadline[3].closed]
            heapq.heapify(self._deadlines)
            self._sweep_at = 2 * len(self._deadlines) + SWEPT

    def overdue(self, now_ms: int) -> Iterator[tuple[int, Q]]:
        """Take out the open questions that are overdue, each with its instant, as they are asked for."""
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            due_ms, _, _, question = heapq.heappop(self._deadlines)
            if not question.closed:
                yield due_ms, question

    def wait_ms(self, now_ms: int, longest_ms: int) -> int:
        """Give the time until a call may start or a question may be overdue, as long as it is a short one."""
        if self.may_start:
            return 0
        return max(0, min(longest_ms, self._deadlines[0][0] - now_ms)) if self._deadlines else longest_ms

    def _finds_room(self, queued: Queued[Q, C]) -> bool:
        return not queued.takes_room or self._running < self._most


def left_ms(question: Question, now_ms: int) -> int | None:
    """Give what is left of a question's time, from 0; None while its panel is not known."""
    return None if question.due_ms is None else max(question.due_ms - now_ms, 0)
