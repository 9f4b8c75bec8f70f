"""Limit on requests that one process writes concurrently."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

AT_ONCE = 16
"""
Requests written at a time, 0.5 to 2 ms each.

Where a thousand are begun at once, the first answer is read when the last request is written; then all answers come at
once too, and so on: of 200 litellm calls a second, 135 were left; like this, 185.
"""

_end_mine: ContextVar[Callable[[], None] | None] = ContextVar("turn", default=None)


class SendSlots:
    """Turns of one process, `SEND_SLOTS`, whatever agents it calls."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn, outside of all that is timed; it ends with the block, if not before."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Another loop's calls are over, but may not have said so.
            self._loop, self._room = loop, asyncio.Semaphore(AT_ONCE)
        room = self._room
        await room.acquire()
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                room.release()

        before = _end_mine.set(end)
        try:
            yield
        finally:
            _end_mine.reset(before)
            end()

    def end_mine(self) -> None:
        """End the turn that was taken around what runs, if one was: its request goes out."""
        end = _end_mine.get()
        if end is not None:
            end()


SEND_SLOTS = SendSlots()
