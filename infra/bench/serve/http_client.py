"""Smallest HTTP client of one connection."""

import asyncio
from collections import deque
from typing import Any, NamedTuple

import orjson

LIMIT_S = 120.0
"""Longest wait for a response."""


class HttpReply(NamedTuple):
    """A response."""

    status: int
    body: Any


class HttpConnection:
    """
    Sends requests one after the other; connects when it is not connected.

    Hundreds of them run in one event loop beside the server's process, so a request costs as little as it can.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def send(self, method: str, path: str, value: object = None) -> HttpReply:
        """
        Send a request and read the response.

        Raises:
            OSError, EOFError: The connection failed; the server may have got the request.
        """
        body = b"" if value is None else orjson.dumps(value)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        try:
            async with asyncio.timeout(LIMIT_S):
                reader, writer = await self._connected()
                writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
                return await _response(reader)
        except BaseException:
            self.close()
            raise

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        return self._streams

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def _response(reader: asyncio.StreamReader) -> HttpReply:
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head[1:] if line)
    body = await reader.readexactly(int(fields[b"content-length"]))
    return HttpReply(int(head[0].split()[1]), orjson.loads(body))


async def events(port: int, after: str) -> "EventReader":
    """Follow the decisions after a place."""
    return await open_stream(port, "/v1/events", f"Last-Event-ID: {after}\r\n")


async def open_stream(port: int, path: str, fields: str = "") -> "EventReader":
    """Open a stream of server-sent events."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}\r\n".encode())
    await reader.readuntil(b"\r\n\r\n")
    return EventReader(reader, writer)


class EventReader:
    """Server-sent events of one connection; a chunk has whole ones."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._read: deque[bytes] = deque()

    async def chunk(self) -> bytes:
        """
        Give the text of the next events and comments.

        Raises:
            OSError, EOFError: The connection failed, or the stream ended.
        """
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        chunk = await self._reader.readexactly(size + 2)
        if not size:
            raise EOFError
        return chunk[:-2]

    async def next(self) -> dict[bytes, bytes]:
        """
        Give the fields of the next event.

        Raises:
            OSError, EOFError: The connection failed, or the stream ended.
        """
        while not self._read:
            self._read.extend((await self.chunk()).split(b"\n\n")[:-1])
        lines = self._read.popleft().splitlines()
        return dict(line.split(b": ", 1) for line in lines if not line.startswith(b":"))

    def close(self) -> None:
        """Leave the stream."""
        self._writer.close()
