"""Session on Kafka: questions published, decisions awaited from workers."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.registry import InvalidRecord, decode
from streams.app.question_session import OnRecord, closed_early, require_same, require_size, unknown_question
from streams.app.reporter import Reporter
from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.errors import ConflictError, UsageError
from streams.log import Headers
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.least_rights import reading, writing
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.client.open_transactions import OpenTransactions
from streams.runtimes.kafka.client.outage import LOOK_S, Outage, outage_of
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import require_topics
from streams.runtimes.kafka.writer import newest_policy
from streams.topology import ASSIGNMENTS, DEAD_LETTERS, DECISIONS, QUESTIONS, TOPICS

WATCHED = (ASSIGNMENTS, DECISIONS, DEAD_LETTERS)

REMEMBERED = 50_000
"""Decided questions that a session remembers, some 200 MB at most; older ones are searched in the log."""

LOOK_BACK_S = 1.0
"""Time after which a question without a panel is searched in the log: a question asked before gets no second panel."""

LOOKS_AT_ONCE = 2
"""Searches of the log at a time; each reads the question's partition."""

PATIENCE_S = 5.0
"""Time without a decision after which people are asked whether workers run."""

_WAIT_MS = 100


@dataclass(slots=True, eq=False)
class _Ticket:
    """A question whose decision is awaited."""

    question: QuestionAsked | None
    """None where only the id is known."""
    ours: bool = False
    """Whether a panel names the question of this session: then the next decision is the question's."""
    known: bool = False
    """Whether the log held it before."""
    decision: DecisionMade | None = None
    refusal: UsageError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    searching: "asyncio.Task[None] | None" = None

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to wait for."""
        return self.refusal is not None or (self.decision is not None and (self.ours or self.known))


class KafkaSession:
    """The `QuestionSession` of a cluster: one producer, and one consumer of panels, decisions and dead letters."""

    def __init__(
        self, work: Workspace, connection: Connection, policy: PolicyAdopted, reporter: Reporter, *, look_first: bool
    ) -> None:
        self.policy = policy
        self._work, self._connection, self._reporter = work, connection, reporter
        self._look_first = look_first
        self._producer = RecordProducer(connection)
        self._consumer: AIOKafkaConsumer | None = None
        self._outage: Outage | None = None
        self._tickets: OrderedDict[str, _Ticket] = OrderedDict()
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._closed = False
        self._told = False

    @property
    def live(self) -> bool:
        """Whether the session makes calls: workers do."""
        return False

    @classmethod
    async def open(cls, work: Workspace, reporter: Reporter, *, look_first: bool = False) -> "KafkaSession":
        """
        Connect.

        Raises:
            UsageError: The log holds no policy.
            OperatorError: No broker can be used, the user lacks a right, or topics are missing.
        """
        connection = connection_of(work, "ask")
        await require_topics(connection, [*writing((QUESTIONS,)), *reading(WATCHED)])
        policy = await newest_policy(connection)
        if policy is None:
            raise UsageError(f"{work.log_url} holds no policy", remedy="`orch policy adopt` writes the configured one")
        session = cls(work, connection, policy, reporter, look_first=look_first)
        try:
            await session.start()
        except BaseException:
            await session.close()
            raise
        return session

    async def start(self) -> None:
        """Connect producer and consumer; the log holds a policy."""
        await self._producer.start()
        self._consumer = consumer = await plain_consumer(self._connection)
        places = [
            TopicPartition(self._connection.topic(topic), number)
            for topic in WATCHED
            for number in range(TOPICS[topic].partitions)
        ]
        consumer.assign(places)
        # Asked for now: a position at the end would be looked up at the first poll, and miss what came before it.
        for place, end in (await consumer.end_offsets(places)).items():
            consumer.seek(place, end)
        self._run(self._listen(consumer))
        self._outage = outage_of(self._connection)
        self._run(self._outage.watch(after_s=LOOK_S))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._end)
        self._tasks.append(task)

    @property
    def usable(self) -> bool:
        """Whether the session goes on."""
        return self._failure is None and not self._closed

    @property
    def trouble(self) -> str | None:
        """Say whether the brokers are lost."""
        return "no broker can be used" if self._outage is not None and self._outage.lost else None

    async def submit(self, question: QuestionAsked, carried: Headers = ()) -> bool:
        """Publish a question."""
        self._require_running()
        require_size(question)
        ticket = self._tickets.get(question.question_id)
        if ticket is not None and ticket.question is not None:
            require_same(question, ticket.question)
        if ticket is None or ticket.question is None:
            ticket = self._ticket(question)
            if self._look_first:
                await self._search(question.question_id, ticket)
                if ticket.refusal is not None:
                    raise ticket.refusal
        await self._producer.publish([message_of(question, carried)])
        return ticket.known

    async def decision(self, question_id: str) -> DecisionMade:
        """Wait for the decision of a question."""
        self._require_running()
        ticket = self._tickets.get(question_id)
        if ticket is None:
            ticket = self._tickets[question_id] = _Ticket(None)
            await self._search(question_id, ticket)
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not ticket.settled:
            ticket.changed.clear()
            waited = loop.time() - began
            if waited >= LOOK_BACK_S and not (ticket.ours or ticket.known):
                self._search_once(question_id, ticket)
            if waited >= PATIENCE_S and not self._told:
                self._told = True
                self._reporter.say("No decision yet. Are workers running? `orch worker all` runs all stages.")
            with suppress(TimeoutError):
                await asyncio.wait_for(ticket.changed.wait(), LOOK_BACK_S)
            self._require_running(question_id)
        if ticket.refusal is not None:
            raise ticket.refusal
        if ticket.decision is None:
            raise closed_early(question_id)
        return ticket.decision

    async def append(self, event: Event) -> None:
        """Publish an input that is no question."""
        self._require_running()
        require_size(event)
        await self._producer.publish([message_of(event)])

    async def close(self, *, finish: bool = False) -> None:
        """Disconnect; questions that are open stay open."""
        self._closed = True
        for ticket in self._tickets.values():
            ticket.changed.set()
            if ticket.searching is not None:
                ticket.searching.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            if self._consumer is not None:
                await let_go(self._consumer)
        finally:
            await self._producer.stop()

    def _ticket(self, question: QuestionAsked) -> _Ticket:
        ticket = self._tickets[question.question_id] = _Ticket(question)
        if len(self._tickets) > REMEMBERED:
            oldest = next(iter(self._tickets))
            if self._tickets[oldest].settled:
                del self._tickets[oldest]
        return ticket

    def _search_once(self, question_id: str, ticket: _Ticket) -> None:
        """Begin a search of the log, unless there was one."""
        if ticket.searching is None:
            ticket.searching = asyncio.create_task(self._search(question_id, ticket))
            ticket.searching.add_done_callback(self._end_search)

    async def _search(self, question_id: str, ticket: _Ticket) -> None:
        """Find what the log holds about an id, which tells a question asked before from a new one."""

        def look() -> OnRecord:
            with self._work.open_reader(about=question_id) as reader:
                return OnRecord.of(reader.about(question_id))

        async with self._looks:
            known = await asyncio.to_thread(look)
        if known.question is None:
            if ticket.question is None:
                del self._tickets[question_id]
                raise unknown_question(question_id)
            return
        if ticket.question is None:
            ticket.question, ticket.known = known.question, True
        elif known.question.event_id != ticket.question.event_id:
            try:
                require_same(ticket.question, known.question)
            except UsageError as error:
                ticket.refusal = error
                del self._tickets[question_id]
        ticket.known = ticket.known or known.question.event_id != ticket.question.event_id or self._look_first
        if known.decision is not None:
            ticket.known, ticket.decision = True, known.decision
        ticket.changed.set()

    async def _listen(self, consumer: AIOKafkaConsumer) -> None:
        transactions, places = OpenTransactions(), list(consumer.assignment())
        while True:
            transactions.look(consumer, places, time.monotonic())
            for place, records in (await consumer.getmany(timeout_ms=_WAIT_MS)).items():
                topic = self._connection.logical(place.topic)
                for record in records:
                    if topic == DEAD_LETTERS or (record.key or b"").decode("utf-8", "replace") in self._tickets:
                        self._hear(topic, record)

    def _hear(self, topic: str, record: Any) -> None:
        """Note what a record says of a question that is awaited."""
        try:
            event = decode(topic, record.value or b"", record.timestamp)
        except InvalidRecord:
            return
        key = event.record_key if isinstance(event, RecordRejected) else event.correlation
        ticket = self._tickets.get(key or "")
        if ticket is None:
            return
        asked = "" if ticket.question is None else ticket.question.event_id
        if isinstance(event, PanelAssigned):
            ticket.ours = ticket.ours or asked in event.causes
        elif isinstance(event, DecisionMade):
            ticket.decision = ticket.decision or event
        elif isinstance(event, RecordRejected) and asked in event.causes:
            refused = ConflictError if event.reason == "conflict" else UsageError
            ticket.refusal = refused(
                f"the log refused question {key!r}: {event.detail}", remedy="Choose another id", key=key
            )
        ticket.changed.set()

    def _end(self, task: "asyncio.Task[None]") -> None:
        """Tell everyone who waits why nothing more comes."""
        if not task.cancelled() and self._failure is None:
            self._failure = task.exception()
        for ticket in self._tickets.values():
            ticket.changed.set()

    def _end_search(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._end(task)

    def _require_running(self, awaited: str | None = None) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed and awaited is not None:
            raise closed_early(awaited)
        if self._closed:
            raise UsageError("the log was closed", remedy="Open it again")
