"""Run of a question file on Kafka, in one process."""

import asyncio
import time
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
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

TELL_S = 5.0
"""Time between two remarks while the stages still fold after the last decision."""


@dataclass(frozen=True, slots=True)
class Asking:
    """How the questions of a run are asked, and who hears of it."""

    window: int
    """Questions open at a time."""
    listener: Listener
    """Receives decisions and dead letters; the events it returns are published."""
    ids: Container[str] = ()
    """Ids of the questions of the run; others may ask one of them first."""
    tell: Callable[[str], None] = lambda text: None
    """Receives remarks for people."""


def answer_on_kafka(given: WorkerSpec, view: LogReader, questions: Iterable[QuestionAsked], asking: Asking) -> None:
    """
    Ask *questions*, with all stages in this process, until every question in the log is decided and learned from.

    Other workers of the log may do any part of the work.

    Args:
        given: Configuration of the worker, with all stages; its log holds a policy.
        view: Reader of the log as it was before the run.
        questions: Questions to ask.
        asking: How to ask them.
    """
    waiting, ends = dict(_open_questions(view)), view.ends()
    connection = given.connection

    async def work() -> None:
        async with at_work(given) as worker:
            consumer = await plain_consumer(connection)
            try:
                _begin_at(ends, connection, consumer)
                open_questions = _QuestionWindow(connection, worker, consumer, waiting, asking)
                await worker.until(open_questions.run(iter(questions)))
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


def _begin_at(ends: Mapping[tuple[str, int], int], connection: Connection, consumer: AIOKafkaConsumer) -> None:
    """Assign the topics of decisions and dead letters to the consumer, from the ends of the view."""
    # From later ends on, a decision that another worker made since the view would be missed, and waited for for ever.
    places = [(name, number) for name in (DECISIONS, DEAD_LETTERS) for number in range(TOPICS[name].partitions)]
    at = {TopicPartition(connection.topic(name), number): ends[name, number] for name, number in places}
    consumer.assign(list(at))
    for place, end in at.items():
        consumer.seek(place, end)


class _QuestionWindow:
    """Keeps a window of questions open until none are left."""

    def __init__(
        self,
        connection: Connection,
        worker: KafkaWorker,
        consumer: AIOKafkaConsumer,
        waiting: dict[str, str],
        asking: Asking,
    ) -> None:
        self._connection = connection
        self._worker = worker
        self._consumer = consumer
        self._open = waiting
        self._asking = asking
        self._window = asking.window
        self._listener = asking.listener
        self._early: dict[str, DecisionMade] = {}
        """Decisions on questions of the run that somebody else asked before it did."""
        self._told_at = time.monotonic()

    async def run(self, questions: Iterator[QuestionAsked]) -> None:
        more = True
        while more or self._open:
            batch = list(islice(questions, max(0, self._window - len(self._open)))) if more else []
            more = more and (bool(batch) or len(self._open) >= self._window)
            # The first question of an id waits for its decision; another one with this id is refused without one.
            early = [made for question in batch if (made := self._early.pop(question.question_id, None)) is not None]
            for question in batch:
                self._open.setdefault(question.question_id, question.event_id)
            await self._worker.producer.publish(message_of(question) for question in batch)
            for decision in early:
                await self._answer(decision)
            await self._hear(0 if batch and len(self._open) < self._window else _WAIT_MS)
        self._told_at = time.monotonic()
        await self._worker.stages.settled(self._tell)

    def _tell(self, stage: str, records: int) -> None:
        if time.monotonic() - self._told_at >= TELL_S:
            self._told_at = time.monotonic()
            self._asking.tell(f"All questions are decided; {stage} has {records:,} records to fold before the end.")

    async def _hear(self, wait_ms: int) -> None:
        for place, records in (await self._consumer.getmany(timeout_ms=wait_ms)).items():
            for record in records:
                try:
                    event = decode(self._connection.logical(place.topic), record.value or b"", record.timestamp)
                except InvalidRecord:
                    continue
                await self._answer(event)

    async def _answer(self, event: Event) -> None:
        answers = self._settle(event)
        await self._worker.producer.publish(message_of(answer) for answer in answers)

    def _settle(self, event: Event) -> Iterable[Event]:
        """Close a question with its outcome; a repeated decision is ignored."""
        if isinstance(event, DecisionMade):
            if self._open.pop(event.question_id, None) is not None:
                return self._listener(event)
            if event.question_id in self._asking.ids:
                self._early.setdefault(event.question_id, event)
            return ()
        if isinstance(event, RecordRejected):
            if event.record_key is not None and self._open.get(event.record_key) in event.causes:
                del self._open[event.record_key]
            return self._listener(event)
        return ()
