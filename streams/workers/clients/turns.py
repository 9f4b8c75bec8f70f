"""Turns to have a request written, where that takes a process so long that calls would wait for each other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

AT_ONCE = 16
"""Requests written at a time, 2 ms each. Where a thousand are begun at once, the first is sent when the last is
written; then all answers come at once too, and so on: of 200 litellm calls a second, 135 were left; like this, 185."""


class Turn:
    """One call's turn, until its request is written."""

    def __init__(self, room: asyncio.Semaphore) -> None:
        self._room: asyncio.Semaphore | None = room

    def end(self) -> None:
        """Let the next call have its turn; further times change nothing."""
        room, self._room = self._room, None
        if room is not None:
            room.release()


_mine: ContextVar[Turn | None] = ContextVar("turn", default=None)


class Turns:
    """The turns of one process."""

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
        await self._room.acquire()
        turn = Turn(self._room)
        before = _mine.set(turn)
        try:
            yield
        finally:
            _mine.reset(before)
            turn.end()


def mine() -> Turn | None:
    """Give the turn that was taken around what runs; None: it did not wait for any."""
    return _mine.get()
