"""
All runtimes behind one interface for the conformance suite.

A host takes inputs, lets everything settle, crashes, and reads what the log holds.
"""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, Protocol

from schemas.event import Event
from schemas.registry import decode_canonical
from streams.audit.replay.replay import Replay, replay
from streams.log import Record
from streams.processors import PROCESSORS
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.archive.reader import ArchiveReader
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.runtimes.urls import open_reader
from streams.topology import TOPICS

WAIT_S = 60


class Host(Protocol):
    """A log with its processors."""

    def put(self, *inputs: Event) -> None:
        """Append inputs, and wait until all events that follow are in the log."""

    def crash(self) -> None:
        """Crash as by SIGKILL, and start again."""

    def values(self) -> dict[str, list[bytes]]:
        """List the values of each topic, sorted, each once."""

    def replayed(self) -> Replay:
        """Derive everything again."""


def of(host: Host, topic: str) -> list[Event]:
    """List the events of a topic."""
    return [decode_canonical(topic, value) for value in host.values()[topic]]


class EmbeddedHost:
    """One SQLite file."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "orch.db"
        self._writer = self._open()

    def _open(self) -> EmbeddedWriter:
        return EmbeddedWriter(self._path, PROCESSORS, clock=lambda: 0)

    def put(self, *inputs: Event) -> None:
        for event in inputs:
            self._writer.append(event)
        while self._writer.ready:
            self._writer.fold()
        self._writer.commit()

    def crash(self) -> None:
        self._writer.close()
        self._writer = self._open()

    def values(self) -> dict[str, list[bytes]]:
        with EmbeddedReader(self._path) as reader:
            return _values(reader.records())

    def replayed(self) -> Replay:
        with EmbeddedReader(self._path) as reader:
            return replay(reader)

    def close(self) -> None:
        self._writer.close()


class ArchivedHost(EmbeddedHost):
    """One SQLite file, read through an archive that every reading brings up to date."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._folder = folder / "archive"
        self._seen = 0, _values(iter(()))

    def _archive(self) -> ArchiveReader:
        with EmbeddedReader(self._path) as reader:
            export_log(reader, self._folder, written_by="a test")
        return open_archive(self._folder)

    def values(self) -> dict[str, list[bytes]]:
        with EmbeddedReader(self._path) as reader:
            end = reader.end
        if self._seen[0] != end:
            with self._archive() as archive:
                self._seen = end, _values(archive.records())
        return self._seen[1]

    def replayed(self) -> Replay:
        with self._archive() as reader:
            return replay(reader)


class KafkaHost:
    """Topics of their own on a real broker, with all folding stages in a thread of this process."""

    def __init__(self, bootstrap: str, folder: Path, engine: Literal["aiokafka", "faust"]) -> None:
        from streams.runtimes.kafka.client.connection import parse_connection
        from streams.runtimes.kafka.client.topics import create_topics

        self._folder = folder
        self._engine = engine
        self._connection = parse_connection(f"{bootstrap}/{uuid.uuid4().hex[:12]}", {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._stack = AsyncExitStack()
        self._call(create_topics(self._connection))
        self._call(self._start())

    def _call(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(WAIT_S)

    async def _start(self) -> None:
        from streams.runtimes.kafka.client.producer import RecordProducer
        from streams.runtimes.kafka.stages.runner import FOLDING, HostingOptions, running

        self._stack = AsyncExitStack()
        self._producer = await self._stack.enter_async_context(RecordProducer(self._connection))
        hosting = HostingOptions(self._folder / "state", engine=self._engine)
        stages = running(self._connection, FOLDING, self._producer, hosting)
        self._stages = await self._stack.enter_async_context(stages)

    async def _put(self, events: tuple[Event, ...]) -> None:
        from streams.runtimes.kafka.client.producer import message_of

        await self._producer.publish(message_of(event) for event in events)
        await self._settle()

    async def _settle(self) -> None:
        await self._stages.settled()
        # A panel may rest on older tables than the newest; the embedded log's never does.
        for engine in self._stages._engines:
            if (tables := engine.line.stage._tables) is not None:
                await tables.catch_up()

    def put(self, *inputs: Event) -> None:
        # One at a time: between topics there is no order, and the embedded log has one.
        for event in inputs:
            self._call(self._put((event,)))

    def put_bytes(self, topic: str, value: bytes, *, key: str = "", partition: int | None = None) -> None:
        """Write arbitrary bytes, as any producer may."""
        self._call(self._put_bytes(topic, value, key, partition))

    async def _put_bytes(self, topic: str, value: bytes, key: str, partition: int | None) -> None:
        producer = self._producer._producer
        assert producer is not None
        name = self._connection.topic(topic)
        await producer.send_and_wait(name, value, key=key.encode() or None, partition=partition, timestamp_ms=1_000)
        await self._settle()

    def crash(self) -> None:
        self._call(self._crash())
        self._call(self._start())

    async def _crash(self) -> None:
        # A killed process cannot tell the next owner that no output is unsent, so its tasks must not either.
        for engine in self._stages._engines:
            tasks = engine.line.stage._partition_tasks
            # One that still opens would keep its consumer; a killed process's connections are closed, too.
            opening = [task for task in tasks.values() if not task.done()]
            for task in opening:
                task.cancel()
            await asyncio.gather(*opening, return_exceptions=True)
            tasks.clear()
        await self._stack.aclose()

    def values(self) -> dict[str, list[bytes]]:
        with open_reader(self._connection.url) as reader:
            return _values(reader.records())

    def replayed(self) -> Replay:
        url = self._connection.url
        with open_reader(url) as reader:
            return replay(reader)

    def close(self) -> None:
        from streams.loop_thread import drop_all
        from streams.runtimes.kafka.client.lifecycle import is_client_task

        self._call(self._stack.aclose())
        self._call(drop_all(is_client_task))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _values(records: Iterator[Record]) -> dict[str, list[bytes]]:
    found: dict[str, set[bytes]] = {topic: set() for topic in TOPICS}
    for record in records:
        found[record.topic].add(record.value)
    return {topic: sorted(values) for topic, values in found.items()}


@contextmanager
def hosted(runtime: str, folder: Path, bootstrap: str | None) -> Iterator[Host]:
    """Open a new log on one runtime."""
    host: EmbeddedHost | KafkaHost
    if runtime == "archive":
        host = ArchivedHost(folder)
    elif runtime != "embedded":
        assert bootstrap is not None
        host = KafkaHost(bootstrap, folder, "faust" if runtime == "kafka, faust" else "aiokafka")
    else:
        host = EmbeddedHost(folder)
    try:
        yield host
    finally:
        host.close()
