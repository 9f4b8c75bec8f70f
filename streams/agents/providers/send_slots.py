"""
Limit on requests that one process writes concurrently.

Time for which a call waits because this process is busy must not count as the provider's latency.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar

AT_ONCE = 16
"""
Requests written concurrently, 0.5 to 2 ms each.

If a thousand calls start at once, the first response is read only after the last request is written, and responses then
come in bursts too. Throughput fell from 200 litellm calls a second to 135; with this limit it is 185.
"""

_end_mine: ContextVar[Callable[[], None] | None] = ContextVar("end_mine", default=None)


class SendSlots:
    """Send slots of one process, shared by all its agents (`SEND_SLOTS`)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._room = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Hold a slot, acquired before the call is timed, until `end_mine` or the end of the block."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Calls of another loop have ended, but may not have released their slots.
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
        """Release the slot of the current call, if it holds one: its request is about to be written."""
        end = _end_mine.get()
        if end is not None:
            end()


SEND_SLOTS = SendSlots()
