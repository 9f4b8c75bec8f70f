"""Clients of both event streams; what each got."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

from infra.bench.serve.http_client import EventReader, open_stream

_ROW = re.compile(rb'<li id="([^"]+)" class="decision">(.*?)</li>', re.DOTALL)
_DECIDED = re.compile(rb'class="answer chosen"|class="state undecided"')
_UNSEEN = re.compile(rb"([\d,]+) questions? came faster")
_QUESTION = re.compile(rb'"question_id":"([^"]+)"')


@dataclass(slots=True)
class StreamClient:
    """
    One client that reads until it is told to stop.

    Args:
        port: Port of the server.
        path: `/live`, the stream of the page of decisions, or `/v1/events`.
    """

    port: int
    path: str
    decided: set[bytes] = field(default_factory=set)
    """Questions whose decision it was shown."""
    unseen: int = 0
    """Decisions that it was told it did not see."""
    messages: int = 0
    heartbeats: int = 0
    taken_bytes: int = 0
    longest_gap_s: float = 0.0
    """Longest time without a byte."""
    failure: str = ""
    _reader: EventReader | None = None
    _heard: float = 0.0

    async def open(self) -> None:
        """Connect."""
        self._reader = await open_stream(self.port, self.path)
        self._heard = asyncio.get_running_loop().time()

    async def follow(self) -> None:
        """Read what comes."""
        assert self._reader is not None
        loop = asyncio.get_running_loop()
        try:
            while True:
                chunk = await self._reader.chunk()
                now = loop.time()
                self.longest_gap_s = max(self.longest_gap_s, now - self._heard)
                self._heard = now
                self._take(chunk)
        except (OSError, EOFError) as error:
            self.failure = repr(error)
        finally:
            self._reader.close()

    def _take(self, chunk: bytes) -> None:
        self.taken_bytes += len(chunk)
        if b"data: " not in chunk:
            self.heartbeats += 1
            return
        self.messages += 1
        if self.path == "/v1/events":
            self.decided.update(_QUESTION.findall(chunk))
            return
        self.decided.update(name for name, row in _ROW.findall(chunk) if _DECIDED.search(row))
        told = _UNSEEN.search(chunk)
        self.unseen = int(told[1].replace(b",", b"")) if told else 0

    def neither(self, total: int) -> int:
        """Count the decisions, of so many, that it was neither shown nor told of."""
        return total - len(self.decided) - self.unseen

    def told(self, total: int, seconds: float) -> dict[str, Any]:
        """Say what it got, of so many decisions in so many seconds."""
        return {
            "path": self.path,
            "decisions": len(self.decided),
            "told_unseen": self.unseen,
            "neither": self.neither(total),
            "messages_per_s": round(self.messages / seconds, 2),
            "mib": round(self.taken_bytes / 2**20, 1),
            "heartbeats": self.heartbeats,
            "longest_gap_s": round(self.longest_gap_s, 2),
            "failure": self.failure,
        }
