"""The idempotent producer, and the records it writes."""

import asyncio
from collections.abc import Iterable
from itertools import islice
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
"""Most bytes of one produce batch. The client's default of 16 KiB holds a handful of events, and a request costs as
much as several records: a Faust trial folded 1,230 records a second with the default, 1,700 with this value."""

TRACE_BYTES = 512
"""Longest trace header that is carried on; `traceparent` has 55 bytes (W3C Trace Context)."""

MAX_REQUEST_BYTES = 32 << 20
"""Largest record that the client sends; each topic has a limit of its own (`max.message.bytes`)."""

_log = structlog.get_logger("orch.producer")

TRACE = "traceparent"
"""Name of the W3C trace context header; records derived from a record carry it on."""


class ProducerRecord(NamedTuple):
    """A record to send; `topic` is its name in the topology."""

    topic: str
    key: str
    value: bytes
    headers: Headers = ()
    timestamp_ms: int | None = None
    """None for the time of sending."""


def message_of(event: Event, carried: Headers = ()) -> ProducerRecord:
    """Make the record of an event, with its CloudEvents headers and the headers carried on from its cause."""
    return ProducerRecord(event.topic, event.key, event.encode(), (*ce_headers(event), *carried))


def carried_on(headers: Headers) -> Headers:
    """Choose the headers that records derived from this one carry on: its trace, if it has one, of a trace's length."""
    traces = ((name, value) for name, value in headers if name == TRACE and value is not None)
    return tuple(islice((trace for trace in traces if len(trace[1]) <= TRACE_BYTES), 1))


class RecordProducer:
    """
    An idempotent producer: records of one partition stay in order, and retries cause no duplicates.

    Every record is acknowledged by all in-sync replicas. Keys choose partitions by murmur2, as in Kafka's own clients.
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
        """Send queued records and disconnect."""
        if self._producer is not None:
            # aiokafka's own stop would wait forever without a broker: it never drops a batch that may have been sent.
            await let_go(self._producer)

    async def send(self, message: ProducerRecord) -> "asyncio.Future[Any]":
        """
        Queue a record; the future gives its place once all in-sync replicas have it.

        Raises:
            OperatorError: The brokers refused the record.
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
        """
        Queue a record for one partition of a topic, by its name on the cluster.

        Raises:
            OperatorError: The brokers refused the record.
        """
        return await self._queue(topic, value, key=key, partition=partition, headers=list(headers))

    async def _queue(self, topic: str, value: bytes | None, **record: Any) -> "asyncio.Future[Any]":
        assert self._producer is not None, "start() comes first"
        while True:
            try:
                queued: asyncio.Future[Any] = await self._producer.send(topic, value, **record)
            except KafkaError as error:
                # The record was not queued, so a retry cannot duplicate it: the client times out after 40 s without a
                # broker.
                if not error.retriable and not isinstance(error, KafkaTimeoutError):
                    raise _not_taken(topic, error) from error
                _log.warning("send_put_off", topic=topic, why=f"{type(error).__name__}: {error}")
            else:
                return queued

    async def publish(self, messages: Iterable[ProducerRecord], *, again: bool = False) -> None:
        """
        Send records and wait until all of them are acknowledged.

        Args:
            again: Whether these are outputs of an earlier owner, who may have sent them.

        Raises:
            OperatorError: The brokers refused one, or no retry succeeded.
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
    Wait for all acknowledgements, and give the records' places.

    Raises:
        OperatorError: The brokers refused a record, or no retry succeeded.
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
        remedy="`orch doctor` checks brokers and topics; the next start repeats everything that was not committed",
    )
