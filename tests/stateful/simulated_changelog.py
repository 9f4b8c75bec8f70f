"""
A changelog without a broker, with crashes and compaction.

Owners stop anywhere, and compaction removes whatever it may.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog import Changelog, Fenced, Rebuilt, Recovered
from streams.runtimes.kafka.stages.changelog_codec import unpack
from streams.runtimes.kafka.stages.changelog_records import FENCE, BatchId, RecordKind, parse_key
from streams.runtimes.kafka.stages.state_store import KafkaStateStore

_SPINS = 60
"""Turns of the event loop after which a continued owner has reached its next stop."""


class Written(NamedTuple):
    """A record of the simulated partition; also what a client gives for one."""

    offset: int
    key: bytes
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]


class Expected(NamedTuple):
    """The states and outputs that an owner must find."""

    states: dict[str, bytes]
    offsets: dict[str, int]
    outputs: list[ProducerRecord]


class SimulatedLog:
    """One partition: all records ever written, and those that compaction has left."""

    def __init__(self) -> None:
        self.history: list[Written] = []
        self.left: dict[int, Written] = {}
        self.removed = 0

    def append(self, key: bytes, value: bytes | None, headers: Any) -> int:
        """Write a record and give its offset."""
        record = Written(len(self.history), key, value, tuple(headers))
        self.history.append(record)
        self.left[record.offset] = record
        return record.offset

    def removable(self) -> list[int]:
        """List the records Kafka may remove: replaced ones, and tombstones of keys without older records."""
        newest: dict[bytes, int] = {}
        oldest: dict[bytes, int] = {}
        for offset, record in self.left.items():
            newest[record.key] = offset
            oldest.setdefault(record.key, offset)
        # The active segment stays; here it is the last record.
        end = len(self.history) - 1
        return [
            offset
            for offset, record in self.left.items()
            if offset != end
            and (newest[record.key] > offset or (record.value is None and oldest[record.key] == offset))
        ]

    def remove(self, offsets: Sequence[int]) -> None:
        """Remove these records, as compaction does."""
        for offset in offsets:
            del self.left[offset]
        self.removed += len(offsets)

    def compact(self) -> None:
        """Remove all that may be removed."""
        while offsets := self.removable():
            self.remove(offsets)

    def expected(self, before: int) -> Expected:
        """Fold every batch whose commit record stands before the next fence, from all that was ever written."""
        reign, parts = -1, dict[BatchId, tuple[dict[str, bytes], list[ProducerRecord]]]()
        found = Expected({}, {}, [])
        for record in self.history[:before]:
            if record.key.startswith(FENCE):
                reign = record.offset
            key = parse_key(record.key)
            if key is None or record.value is None or key.kind is RecordKind.END or key.batch.epoch != reign:
                continue
            states, outputs = parts.setdefault(key.batch, ({}, []))
            if key.kind is RecordKind.STATE:
                states[key.name] = record.value
                continue
            facts, more = unpack(record.value)
            outputs.extend(more)
            if key.kind is RecordKind.COMMIT:
                found = Expected({**found.states, **states}, facts["offsets"], outputs)
        return found


class _PartitionChangelog(Changelog):
    """The program's changelog, reading the simulated partition."""

    reading: Callable[[int, int], AsyncIterator[Any]]

    def _records(self, start: int) -> AsyncIterator[Any]:
        return self.reading(start, self._batch.epoch + 1)


@dataclass
class SimulatedOwner:
    """An owner of the changelog, or a zombie. It takes a step only when the test says so."""

    log: SimulatedLog
    path: Path | None
    """File of its local copy; none: it keeps it in memory, and a restart has lost it."""
    opened: Recovered | None = None
    task: "asyncio.Task[None] | None" = None
    counted: list[BatchId] = field(default_factory=list)
    """Batches it knows to count."""

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(0)
        self.store = KafkaStateStore(self.path, "simulated")
        self.changelog = _PartitionChangelog(Connection(("nowhere:1",)), self, "merge", 0, self.store)  # type: ignore[arg-type]
        self.changelog.reading = self._read
        self.busy = False

    async def send_to(self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Any = ()) -> Any:
        """Stand in for the producer: a record is written when the test continues the owner."""
        await self._turns.acquire()
        acknowledged: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        acknowledged.set_result(Written(self.log.append(key, value, headers), key, value, ()))
        return acknowledged

    async def _read(self, start: int, end: int) -> AsyncIterator[Any]:
        at = start
        while at < end:
            await self._turns.acquire()
            # A fetch returns the records present now; records removed afterwards have been read.
            for offset in range(at, min(at + 4, end)):
                if offset in self.log.left:
                    yield self.log.left[offset]
            at += 4

    def begin(self, work: Callable[[], Any]) -> None:
        """Start a task of the owner."""

        async def doing() -> None:
            try:
                await work()
            except Fenced:
                self.opened = None
            finally:
                self.busy = False

        self.busy = True
        self.task = asyncio.create_task(doing())

    async def _open(self) -> None:
        self.opened = await self.changelog.open()

    def open(self) -> None:
        """Let it take over."""
        self.opened = None
        self.counted.clear()
        self.begin(self._open)

    def rebuild(self, derived: Rebuilt) -> None:
        """Let it take over with rebuilt states."""

        async def derive() -> Rebuilt:
            return derived

        async def work() -> None:
            self.opened = await self.changelog.open(derive)

        self.begin(work)

    async def publish(self, messages: Sequence[ProducerRecord]) -> None:
        """Stand in for the producer: outputs go nowhere."""

    def commit(
        self, changes: Mapping[str, bytes], offsets: Mapping[str, int], outputs: Sequence[ProducerRecord]
    ) -> None:
        """Let it write a batch."""

        async def work() -> None:
            await self.changelog.commit(changes, offsets, outputs)
            self.counted.append(self.changelog._batch)

        self.begin(work)

    async def step(self, steps: int) -> None:
        """Continue it: so many records are written, or fetches made."""
        for _ in range(steps):
            if not self.busy:
                return
            self._turns.release()
            for _ in range(_SPINS):
                await asyncio.sleep(0)
        # Take back unused turns, so that the next task cannot use them.
        while not self._turns.locked():
            await self._turns.acquire()

    async def finish(self) -> None:
        """Continue it to the end of its task."""
        while self.busy:
            await self.step(1)
        if self.task is not None:
            await self.task

    async def vanish(self) -> None:
        """End as by SIGKILL: unflushed writes of the local copy are lost."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.gather(self.task, return_exceptions=True)
        self.store._connection.close()
