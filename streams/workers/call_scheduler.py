"""Scheduler of calls and deadlines, for embedded and Kafka logs."""

import heapq
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Generic, NamedTuple, Protocol, TypeVar

SWEPT = 1_000
"""Deadlines kept beyond twice the open ones, before those of closed questions are removed."""


class Question(Protocol):
    """Part of a question's state that the scheduler reads."""

    @property
    def question_id(self) -> str: ...

    @property
    def closed(self) -> bool:
        """Whether its calls and its deadline are obsolete."""

    @property
    def due_ms(self) -> int | None:
        """Instant of its deadline; None while its panel is unknown."""


Q = TypeVar("Q", bound=Question)
C = TypeVar("C")


class Queued(NamedTuple, Generic[Q, C]):
    """A queued call."""

    question: Q
    call: C
    takes_room: bool
    """Whether it counts towards the limit of concurrent calls; a virtual call does not."""


class CallScheduler(Generic[Q, C]):
    """
    Decides which calls start next and which questions are overdue; it makes no call and reads no clock.

    Calls start first in, first out, up to the limit of concurrent calls: a call that must wait holds back all calls
    behind it. Calls of closed questions are skipped. Deadlines pass in the order of their instants, at one instant by
    question id.

    Args:
        most: Limit of concurrent calls, of those that take room.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._queue: deque[Queued[Q, C]] = deque()
        self._running = 0
        self._deadlines: list[tuple[int, str, int, Q]] = []
        # Breaks ties in the heap: questions cannot be compared.
        self._numbers = count()
        self._sweep_at = SWEPT

    @property
    def waiting(self) -> int:
        """Count the queued calls."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Count the calls in flight that take room."""
        return self._running

    @property
    def watched(self) -> int:
        """Count the deadlines that are kept, including some of closed questions."""
        return len(self._deadlines)

    @property
    def may_start(self) -> bool:
        """Whether the first queued call may start."""
        return bool(self._queue) and self._finds_room(self._queue[0])

    def put(self, question: Q, call: C, *, takes_room: bool = True) -> None:
        """Queue a call behind all others."""
        self._queue.append(Queued(question, call, takes_room))

    def start(self, at_most: int) -> Iterator[Queued[Q, C]]:
        """
        Remove the calls to start now from the queue; the caller calls `ended` for each finished one that takes room.

        Args:
            at_most: Queued calls to examine, including those of closed questions.
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
        """Release the room of a finished call, whatever its outcome."""
        self._running -= 1

    def clear(self) -> None:
        """Drop all queued calls."""
        self._queue.clear()

    def watch(self, question: Q) -> None:
        """Watch the deadline of a question; a question whose panel is unknown is ignored."""
        if question.due_ms is None:
            return
        heapq.heappush(self._deadlines, (question.due_ms, question.question_id, next(self._numbers), question))
        if len(self._deadlines) >= self._sweep_at:
            self._deadlines = [deadline for deadline in self._deadlines if not deadline[3].closed]
            heapq.heapify(self._deadlines)
            self._sweep_at = 2 * len(self._deadlines) + SWEPT

    def overdue(self, now_ms: int) -> Iterator[tuple[int, Q]]:
        """Yield each overdue open question with its deadline, and stop watching it."""
        while self._deadlines and self._deadlines[0][0] <= now_ms:
            due_ms, _, _, question = heapq.heappop(self._deadlines)
            if not question.closed:
                yield due_ms, question

    def wait_ms(self, now_ms: int, longest_ms: int) -> int:
        """Give the milliseconds until a call may start or a deadline passes, at most *longest_ms*."""
        if self.may_start:
            return 0
        return max(0, min(longest_ms, self._deadlines[0][0] - now_ms)) if self._deadlines else longest_ms

    def _finds_room(self, queued: Queued[Q, C]) -> bool:
        return not queued.takes_room or self._running < self._most


def left_ms(question: Question, now_ms: int) -> int | None:
    """Give the milliseconds until a question's deadline, at least 0; None while its panel is unknown."""
    return None if question.due_ms is None else max(question.due_ms - now_ms, 0)
