"""Decisions as server-sent events."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import structlog
from starlette.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from streams.api.reading import Placed
from streams.api.subscription import DecisionSubscription
from streams.errors import OrchError
from streams.serve.service import Service

HEARTBEAT_S = 15.0
"""Seconds without a decision after which a sign of life is sent: proxies drop connections that are silent for 30 s."""

GATHER_S = 0.05
"""Shortest time between two messages with decisions to a client; what is decided meanwhile comes in one."""

MOST_TOGETHER = 100
"""Decisions in one message, some 400 kB."""

STALLED_S = 60.0
"""Seconds after which a client that reads nothing is dropped; it goes on after its last place."""

END_S = 1.0
"""Time in which the end of a stream must be taken."""

RETRY_MS = 2_000
"""Time after which a browser connects again."""

HEADERS = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    # nginx would hold the events back in a buffer.
    (b"x-accel-buffering", b"no"),
    (b"x-content-type-options", b"nosniff"),
)

_log: FilteringBoundLogger = structlog.get_logger("orch.serve")


class EventStream:
    """
    One client's stream of decisions, until the client leaves or the server ends; an ASGI application.

    The client's queue is the subscription's: a few decisions in memory, the newest ones of all clients in one buffer,
    and behind that the log. A client that falls behind the buffer is counted, told, and reads on from the log, so it
    misses nothing and costs no memory.

    Args:
        service: Ends the stream when it stops.
        subscription: Gives the decisions.
    """

    def __init__(self, service: Service, subscription: DecisionSubscription) -> None:
        self._service = service
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until somebody ends the stream."""
        self._service.streams.open += 1
        try:
            await self._stream(scope, receive, send)
        finally:
            self._service.streams.open -= 1

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(HEADERS)})
        if scope["method"] != "HEAD":
            tasks = [
                asyncio.ensure_future(work)
                for work in (self._pump(send), self._service.stopping.wait(), _left(receive))
            ]
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            if tasks[0] in done and tasks[0].exception() is not None:
                _log.warning("event_stream_ended", why=str(tasks[0].exception()))
            if tasks[2] in done:
                return
        # A client that reads nothing does not take the end either; its connection ends with it.
        with suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _pump(self, send: Send) -> None:
        try:
            async for text in self._texts():
                async with asyncio.timeout(STALLED_S):
                    await send({"type": "http.response.body", "body": text, "more_body": True})
        except TimeoutError:
            self._service.streams.stalled += 1
            _log.warning("event_stream_stalled", seconds=STALLED_S, place=self._subscription.place)

    async def _texts(self) -> AsyncIterator[bytes]:
        """Write what the client gets, one text after the other."""
        told_behind = 0
        # An event without data only sets the place, so a client that sees no decision yet loses none either.
        yield f"retry: {RETRY_MS}\nid: {self._subscription.place}\n\n".encode()
        while True:
            try:
                placed = await self._subscription.next(HEARTBEAT_S)
            except OrchError as error:
                yield f": {' '.join(str(error).split())}\n\n".encode()
                raise
            if self._subscription.behind > told_behind:
                told_behind = self._subscription.behind
                self._service.streams.behind += 1
                _log.warning("event_stream_behind", times=told_behind, place=self._subscription.place)
                yield b": you read too slowly for the server's memory; the events that follow come from the log\n\n"
            if placed is None:
                yield f": heartbeat\nid: {self._subscription.place}\n\n".encode()
            else:
                together = [placed, *self._subscription.ready(MOST_TOGETHER - 1)]
                yield b"".join(map(event_text, together))
                await asyncio.sleep(GATHER_S)


def event_text(placed: Placed) -> bytes:
    """Write one decision as an event; its id is the place after it."""
    return b"id: %b\nevent: decision\ndata: %b\n\n" % (placed.place.encode(), placed.decision.encode())


async def _left(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
