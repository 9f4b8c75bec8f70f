"""Batches that other clients have compressed."""

import asyncio
import uuid
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.fetch import fetch
from streams.runtimes.kafka.client.topics import create_topics
from streams.topology import QUESTIONS


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_every_codec_of_kafka_is_read(broker: Any, codec: str) -> None:
    """Whatever a producer compresses with, its records come out as they went in."""

    async def test() -> None:
        connection = parse_connection(f"{broker.bootstrap}/{uuid.uuid4().hex[:12]}", {})
        await create_topics(connection)
        topic = connection.topic(QUESTIONS)
        async with AIOKafkaProducer(**connection.client(), compression_type=codec) as producer:
            await producer.send_and_wait(topic, b"x" * 10_000, partition=0)
        assert [record.value async for record in fetch(connection, topic, 0, 0, 1)] == [b"x" * 10_000]

    asyncio.run(test())
