"""
A Kafka client application that asks questions and gives feedback.

It writes plain JSON and uses a plain client, as users do.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from infra.bench.kafka.log import Watch
from infra.bench.workload import OPTIONS, questions
from schemas.questions import LETTERS
from streams.agents.simulated import truth
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.topology import DECISIONS, FEEDBACK, QUESTIONS, TOPICS

_WAIT_MS = 100
_FIELDS = ("question_id", "text", "options", "subject")


class Load:
    """
    Asks questions and reads decisions with little CPU time: it shares the machine with the workers it measures.

    Args:
        watch: The log, and the workers that every decision needs.
        producer: Started.
        consumer: Started, positioned at the end of the decisions.
    """

    def __init__(self, watch: Watch, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer) -> None:
        self.decisions: dict[str, bytes] = {}
        """Decisions read in the last run, by question id; each question counts once."""
        self.waited_s: dict[str, float] = {}
        """Time from when a question was due to when its decision was read, in the last run."""
        self._watch = watch
        self._log = watch.log
        self._questions = _as_json()
        self._due: dict[str, float] = {}
        """Time at which each open question was due, by the monotonic clock."""
        self._heard_at = 0.0
        self._producer = producer
        self._consumer = consumer

    async def ask(self, number: int) -> None:
        """Ask so many questions, and wait only until the log has them."""
        for question_id, value in islice(self._questions, number):
            await self._send(QUESTIONS, question_id, value)
        await self._producer.flush()

    async def saturate(self, number: int, open_at_once: int) -> float:
        """
        Keep so many questions open until *number* are decided.

        Returns:
            Seconds from the first question to the last decision read.

        Raises:
            InvariantError: A worker ended, or no decision came for long.
        """
        self._begin()
        waiting = list(islice(self._questions, number))
        waiting.reverse()
        started = time.monotonic()
        while len(self.decisions) < number:
            while waiting and len(self._due) < open_at_once:
                question_id, value = waiting.pop()
                self._due[question_id] = time.monotonic()
                await self._send(QUESTIONS, question_id, value)
            await self._hear()
        seconds = time.monotonic() - started
        await self._producer.flush()
        return seconds

    async def steady(self, number: int, per_s: float) -> None:
        """
        Ask at a fixed rate, whether or not there are decisions, and wait for all of them.

        Raises:
            InvariantError: A worker ended, or no decision came for long.
        """
        self._begin()
        waiting = list(islice(self._questions, number))
        asking = asyncio.create_task(self._ask_at(waiting, time.monotonic(), per_s))
        try:
            while len(self.decisions) < number:
                await self._hear()
            await asking
            await self._producer.flush()
        finally:
            asking.cancel()

    async def _ask_at(self, waiting: list[tuple[str, bytes]], started: float, per_s: float) -> None:
        for place, (question_id, value) in enumerate(waiting):
            due = started + place / per_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            # The time at which the question was due: if this process is late, the question already waits.
            self._due[question_id] = due
            await self._send(QUESTIONS, question_id, value)

    def _begin(self) -> None:
        self.decisions, self.waited_s = {}, {}
        self._due = {}
        self._heard_at = time.monotonic()

    async def _hear(self) -> None:
        found = await self._consumer.getmany(timeout_ms=_WAIT_MS)
        now = time.monotonic()
        for records in found.values():
            for record in records:
                question_id = record.key.decode()
                due = self._due.pop(question_id, None)
                if due is None:
                    continue
                self._heard_at = now
                self.waited_s[question_id] = now - due
                self.decisions[question_id] = record.value
                await self._send(FEEDBACK, question_id, gold_of(question_id))
        self._watch.require(self._heard_at)

    async def _send(self, topic: str, question_id: str, value: bytes) -> None:
        await self._producer.send(self._log.topic(topic), value, key=question_id.encode())


@asynccontextmanager
async def asking(watch: Watch) -> AsyncIterator[Load]:
    """Connect an application to the log that is watched."""
    async with AsyncExitStack() as stack:
        producer = AIOKafkaProducer(**watch.log.client(), acks="all")
        stack.push_async_callback(producer.stop)
        await producer.start()
        consumer = await plain_consumer(watch.log)
        stack.push_async_callback(consumer.stop)
        topic = watch.log.topic(DECISIONS)
        consumer.assign([TopicPartition(topic, number) for number in range(TOPICS[DECISIONS].partitions)])
        await consumer.seek_to_end()
        yield Load(watch, producer, consumer)


def gold_of(question_id: str) -> bytes:
    """Write the right answer to a question as a producer would."""
    answer = LETTERS[truth(0, question_id, len(OPTIONS))]
    return orjson.dumps({"question_id": question_id, "source": "gold", "answer": answer})


def _as_json() -> Iterator[tuple[str, bytes]]:
    for question in questions():
        fields = question.model_dump(mode="json", include=set(_FIELDS))
        yield question.question_id, orjson.dumps(fields)
