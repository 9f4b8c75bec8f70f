"""Inputs for an embedded session that stays open."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Self

from schemas.event import Event
from schemas.questions import QuestionAsked
from streams.log import Headers


class Inbox:
    """
    Questions and other inputs that reach a session while it runs; used in the session's event loop alone.

    Args:
        durable: Called after each commit with the events taken before it, in their order, and whenever the session
            committed anything.
    """

    def __init__(self, durable: Callable[[Sequence[Event]], None] = lambda events: None) -> None:
        self._durable = durable
        self._questions: deque[tuple[QuestionAsked, Headers]] = deque()
        self._others: deque[tuple[Event, Headers]] = deque()
        self._taken: list[Event] = []
        self.is_open = True
        """Whether more may be put; a session ends once its inbox is closed and empty, and no question is open."""
        self.arrived = asyncio.Event()
        """Set when something was put, or the inbox was closed."""

    @classmethod
    def closed(cls) -> Self:
        """Make an inbox of a session that gets no further inputs."""
        inbox = cls()
        inbox.is_open = False
        return inbox

    @property
    def expecting(self) -> bool:
        """Whether there are inputs, or may be."""
        return self.is_open or bool(self._questions or self._others)

    @property
    def waiting(self) -> int:
        """Questions that wait for room in the window."""
        return len(self._questions)

    def put(self, event: Event, headers: Headers = ()) -> None:
        """
        Hand an input over; it is durable once `durable` was called with it.

        Args:
            headers: Headers of its record, such as `traceparent`; records that are derived from it carry them on.
        """
        if isinstance(event, QuestionAsked):
            self._questions.append((event, headers))
        else:
            self._others.append((event, headers))
        self.arrived.set()

    def close(self) -> None:
        """Accept no more inputs."""
        self.is_open = False
        self.arrived.set()

    def take(self, room: int) -> Iterator[tuple[Event, Headers]]:
        """Take all inputs that are no questions, and at most *room* questions, each in the order of `put`."""
        self.arrived.clear()
        while self._others:
            yield self._note(*self._others.popleft())
        for _ in range(min(room, len(self._questions))):
            yield self._note(*self._questions.popleft())

    def _note(self, event: Event, headers: Headers) -> tuple[Event, Headers]:
        self._taken.append(event)
        return event, headers

    def committed(self) -> None:
        """Say that what was taken is durable."""
        taken, self._taken = self._taken, []
        self._durable(taken)

    async def wait(self, seconds: float) -> None:
        """Wait for an input, at most so long; where none may come, for the whole time."""
        if not self.is_open or seconds <= 0:
            await asyncio.sleep(max(seconds, 0))
            return
        try:
            await asyncio.wait_for(self.arrived.wait(), seconds)
        except TimeoutError:
            return
