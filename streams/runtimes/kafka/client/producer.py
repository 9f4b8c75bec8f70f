"""The idempotent producer, and the records it writes."""

import asyncio
from collections.abc import Iterable
from types import TracebackType
from typing import Any, NamedTuple, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, KafkaTimeoutError

from schemas.event import Event
from streams.errors import OperatorError
from streams.log import Headers
from streams.runtimes.headers import ce_headers
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.lifecycle import connect, let_go

MAX_BATCH_BYTES = 262_144
"""Bytes of one produce batch. The client's default of 16 KiB holds a handful of events, and a request costs as much as
several records: with it a Faust trial folded 1,230 records a second, with this one 1,700."""

MAX_REQUEST_BYTES = 32 << 20
"""Largest record the client lets through; what a topic takes is the topic's own setting."""

_log = structlog.get_logger("orch.producer")

TRACE = "traceparent"
"""The W3C trace context header; whatever follows from a record carries it on."""


class ProducerRecord(NamedTuple):
    """A record to be written; `topic` is the topology's name for it."""

    topic: str
    key: str
    value: bytes
    headers: Headers = ()
    timestamp_ms: int | None = None
    """None: the time of writing."""


def message_of(event: Event, carried: Headers = ()) -> ProducerRecord:
    """Make the record of an event, with its CloudEvents headers and what is carried on from the record behind it."""
    return ProducerRecord(event.topic, event.key, event.encode(), (*ce_headers(event), *carried))


def carried_on(headers: Headers) -> Headers:
    """Choose the headers that the records derived from this one carry on."""
    return tuple(header for header in headers if header[0] == TRACE)


class RecordProducer:
    """
    An idempotent producer: records of one partition stay in order, and none is doubled by a retry.

    Keys choose partitions by murmur2, as Kafka's own clients do.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._producer: AIOKafkaProducer | None = None

    async def start(self) -> None:
        """
        Connect.

        Raises:
            OperatorError: No broker answers.
        """
        producer = AIOKafkaProducer(
            **self._connection.client(),
            acks="all",
            enable_idempotence=True,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
        )
        await connect(producer, self._connection)
        self._producer = producer

    async def stop(self) -> None:
        """Send what is left and disconnect."""
        if self._producer is not None:
            # Without a broker it would wait for ever, for a batch that may have been sent must not be given up.
            await let_go(self._producer)

    async def send(self, message: ProducerRecord) -> "asyncio.Future[Any]":
        """
        Queue a record; the future gives its place once every replica has it.

        Raises:
            OperatorError: The brokers refuse it.
        """
        return await self._queue(
            self._connection.topic(message.topic),
            message.value,
            key=message.key.encode(),
            headers=list(message.headers),
            timestamp_ms=message.timestamp_ms,
        )

    async def send_to(
        self, topic: str, partition: int, key: bytes, value: bytes | None, headers: Headers = ()
    ) -> "asyncio.Future[Any]":
        """Queue a record for one partition of a topic of the cluster; raises as `send` does."""
        return await self._queue(topic, value, key=key, partition=partition, headers=list(headers))

    async def _queue(self, topic: str, value: bytes | None, **record: Any) -> "asyncio.Future[Any]":
        assert self._producer is not None, "start() comes first"
        while True:
            try:
                queued: asyncio.Future[Any] = await self._producer.send(topic, value, **record)
            except KafkaError as error:
                # It was not queued, so it may be tried again: the client gives up after 40 s without a broker.
                if not error.retriable and not isinstance(error, KafkaTimeoutError):
                    raise _not_taken(topic, error) from error
                _log.warning("send_put_off", topic=topic, why=f"{type(error).__name__}: {error}")
            else:
                return queued

    async def publish(self, messages: Iterable[ProducerRecord]) -> None:
        """
        Write records and wait until all of them are acknowledged.

        Raises:
            OperatorError: The brokers did not take one, and no retry helped.
        """
        futures = [await self.send(message) for message in messages]
        await settled(futures)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


async def settled(futures: "Iterable[asyncio.Future[Any]]") -> list[Any]:
    """
    Wait for acknowledgements, all of them, and give the records' places.

    Raises:
        OperatorError: The brokers did not take one.
    """
    results = await asyncio.gather(*futures, return_exceptions=True)
    for result in results:
        if isinstance(result, KafkaError):
            raise _not_taken("a topic", result) from result
        if isinstance(result, BaseException):
            raise result
    return results


def _not_taken(topic: str, error: KafkaError) -> OperatorError:
    return OperatorError(
        f"{topic}: the brokers did not take a record: {type(error).__name__}: {error}",
        remedy="`orch doctor` checks brokers and topics; what was not committed is done again at the next start",
    )
