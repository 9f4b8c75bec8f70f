"""Run of a question file on Kafka, in one process."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.questions import QuestionAsked
from schemas.registry import InvalidRecord, decode
from streams.app.kafka_worker import KafkaWorker, WorkerSpec, at_work
from streams.log import LogReader
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.client.producer import message_of
from streams.topology import DEAD_LETTERS, DECISIONS, QUESTIONS, TOPICS
from streams.workers.embedded_session import Listener

_WAIT_MS = 50


def answer_on_kafka(
    given: WorkerSpec, view: LogReader, questions: Iterable[QuestionAsked], *, window: int, listener: Listener
) -> None:
    """
    Ask *questions*, with all stages in this process, until every question in the log is decided.

    Args:
        given: Configuration of the worker, with all stages; its log holds a policy.
        view: Reader of the log as it was before the run.
        questions: Questions to ask.
        window: Questions open at a time.
        listener: Receives decisions and dead letters; the events it returns are published.
    """
    waiting = dict(_open_questions(view))
    connection = given.connection

    async def work() -> None:
        async with at_work(given) as worker:
            consumer = await plain_consumer(connection)
            try:
                await _from_end(connection, consumer)
                asking = _QuestionWindow(connection, worker, consumer, waiting, window, listener)
                await worker.until(asking.run(iter(questions)))
            finally:
                await let_go(consumer)

    asyncio.run(work())


def _open_questions(view: LogReader) -> Iterator[tuple[str, str]]:
    """Find the questions without a decision: id, and id of the event that asked."""
    decided = {record.key for record in view.records((DECISIONS,))}
    asked: set[str] = set()
    for record in view.records((QUESTIONS,)):
        if record.key not in decided and record.key not in asked:
            asked.add(record.key)
            yield record.key, decode(QUESTIONS, record.value, record.timestamp_ms).event_id


async def _from_end(connection: Connection, consumer: AIOKafkaConsumer) -> None:
    """Assign the topics of decisions and dead letters to the consumer, from their current ends."""
    places = [
        TopicPartition(connection.topic(name), number)
        for name in (DECISIONS, DEAD_LETTERS)
        for number in range(TOPICS[name].partitions)
    ]
    consumer.assign(places)
    for place, end in (await consumer.end_offsets(places)).items():
        consumer.seek(place, end)


class _QuestionWindow:
    """Keeps a window of questions open until none are left."""

    def __init__(
        self,
        connection: Connection,
        worker: KafkaWorker,
        consumer: AIOKafkaConsumer,
        waiting: dict[str, str],
        window: int,
        listener: Listener,
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._consumer = consumer
        self._open = waiting
        self._window = window
        self._listener = listener

    async def run(self, questions: Iterator[QuestionAsked]) -> None:
        more = True
        while more or self._open:
            batch = list(islice(questions, max(0, self._window - len(self._open)))) if more else []
            more = more and (bool(batch) or len(self._open) >= self._window)
            # The first question of an id waits for its decision; another one with this id is refused without one.
            for question in batch:
                self._open.setdefault(question.question_id, question.event_id)
            await self._worker.producer.publish(message_of(question) for question in batch)
            await self._hear(0 if batch and len(self._open) < self._window else _WAIT_MS)
        await self._worker.stages.settled()

    async def _hear(self, wait_ms: int) -> None:
        for place, records in (await self._consumer.getmany(timeout_ms=wait_ms)).items():
            for record in records:
                try:
                    event = decode(self._connection.logical(place.topic), record.value or b"", record.timestamp)
                except InvalidRecord:
                    continue
                answers = self._settle(event)
                await self._worker.producer.publish(message_of(answer) for answer in answers)

    def _settle(self, event: Event) -> Iterable[Event]:
        """Close a question with its outcome; a repeated decision is ignored."""
        if isinstance(event, DecisionMade):
            known = self._open.pop(event.question_id, None)
            return () if known is None else self._listener(event)
        if isinstance(event, RecordRejected):
            if event.record_key is not None and self._open.get(event.record_key) in event.causes:
                del self._open[event.record_key]
            return self._listener(event)
        return ()
