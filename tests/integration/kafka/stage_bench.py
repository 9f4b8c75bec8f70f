"""Stages without an engine, on topics of a real broker."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from schemas.event import Event
from schemas.registry import decode
from streams.log import Record
from streams.processors.fold import Processor
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.runtimes.kafka.client.topics import create_topics
from streams.runtimes.kafka.stages import stage as stage_module
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.kafka.stages.stage import KafkaStage
from streams.topology import (
    TOPICS,
    partition_of,
)

from ...worlds import question


class Bench:
    """Topics of one test, and stages without an engine."""

    def __init__(self, connection: Connection, producer: RecordProducer, folder: Path) -> None:
        self.connection = connection
        self.producer = producer
        self.folder = folder
        self.tables: list[KafkaGlobalTables] = []
        self.stages: list[KafkaStage] = []

    async def stage(self, processor: Processor, *partitions: int, producer: RecordProducer | None = None) -> KafkaStage:
        """Start a stage that owns some partitions."""
        tables = None
        if processor.sees_tables:
            tables = KafkaGlobalTables(self.connection)
            self.tables.append(tables)
            await tables.start()
        sends = producer or self.producer
        folder = self.folder / uuid.uuid4().hex
        made = KafkaStage(processor, self.connection, sends, tables, folder)
        made.hold(partitions)
        self.stages.append(made)
        return made

    async def crash(self, stage: KafkaStage) -> None:
        """Let a stage vanish as if its process had been killed."""
        stage._partition_tasks.clear()
        # Its changelogs get no last word; only its clients disconnect.
        await stage.close()

    async def records(self, topic: str) -> list[Record]:
        """Read a whole topic."""
        consumer = await plain_consumer(self.connection)
        name, found = self.connection.topic(topic), []
        from aiokafka import TopicPartition

        places = [TopicPartition(name, number) for number in range(TOPICS[topic].partitions)]
        try:
            ends = await consumer.end_offsets(places)
        finally:
            await consumer.stop()
        for place, end in ends.items():
            async for got in fetch(self.connection, name, place.partition, 0, end):
                key, headers = (got.key or b"").decode(), tuple(got.headers)
                found.append(Record(topic, got.partition, got.offset, got.timestamp, key, got.value or b"", headers))
        return found

    async def events(self, topic: str) -> list[Event]:
        """Read the events of a topic."""
        return [decode(topic, record.value, record.timestamp_ms) for record in await self.records(topic)]


Run = Callable[[Callable[[Bench], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def run(broker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a test on topics of its own; the records it gives to a stage need not be in them."""
    monkeypatch.setattr(stage_module, "FENCED_WAIT_S", 0.05)
    monkeypatch.setattr(stage_module, "require_inputs", AsyncMock())

    def runner(test: Callable[[Bench], Coroutine[Any, Any, None]]) -> None:
        async def body() -> None:
            connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
            await create_topics(connection)
            async with RecordProducer(connection) as producer:
                bench = Bench(connection, producer, tmp_path)
                try:
                    await test(bench)
                finally:
                    for stage in bench.stages:
                        await stage.close()
                    for tables in bench.tables:
                        await tables.stop()

        asyncio.run(asyncio.wait_for(body(), 300))

    return runner


def at(event: Event, offset: int = 0, **fields: Any) -> Record:
    """Make the record of an event in its key's partition."""
    partition = partition_of(event.key.encode(), TOPICS[event.topic].partitions)
    placed = Record(event.topic, partition, offset, 1_000, event.key, event.encode())
    return placed._replace(**fields)


PLACE = at(question()).partition
