"""A consumer group member that reads co-partitioned topics."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import (
    AuthenticationFailedError,
    GroupAuthorizationFailedError,
    KafkaError,
    TopicAuthorizationFailedError,
)
from structlog.typing import FilteringBoundLogger

from schemas.event import Event
from streams.errors import OperatorError, TransientError, UnreachableError
from streams.log import Headers, Polled, Record
from streams.runtimes.kafka.client.commit_marks import is_committed_here, marked
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import record_of
from streams.runtimes.kafka.client.lifecycle import connect, let_go
from streams.runtimes.kafka.client.member_version import VersionedAssignor
from streams.runtimes.kafka.client.open_transactions import OpenTransactions
from streams.runtimes.kafka.client.producer import RecordProducer, carried_on, message_of
from streams.runtimes.kafka.client.topics import FIXED_PARTITIONS, require_partition

SESSION_TIMEOUT_MS = 6_000
"""Silence after which the group removes a member; the shortest that brokers accept by default."""
HEARTBEAT_MS = 1_500
POLL_INTERVAL_MS = 600_000
"""Longest time between two polls before the member leaves the group."""

FETCH_WAIT_MS = 100
"""Longest time that a broker holds a fetch without records. There is one fetch at a time, so a partition that was just
assigned or resumed waits for the current one."""
GATHER_BYTES = 1 << 20
"""Bytes at which a broker answers a fetch early, where records may gather (`gather_ms`)."""
PARTITION_BYTES = 1 << 20
"""Most bytes of one partition in one fetch; a broker sends a larger first record batch all the same (KIP-74)."""
LOOK_RECORDS = 500
"""Most records of one poll: some 15 ms of work, during which the event loop does nothing else."""

METADATA_AGE_MS = 10_000
"""Longest age of the topic metadata. If the group leader assigns partitions while a restarted broker does not know its
topics yet, no member gets any until the metadata is refreshed."""

PATIENCE_S = 5.0
"""Time-out of requests to the brokers that the caller can retry."""
POSITIONS_S = 0.2
"""Interval and time-out of position look-ups, which advance over transaction markers; back-off after a failed poll."""

MOST_FAILURES = 50
"""Failed polls in a row, over ten seconds, after which the client counts as broken. aiokafka waits for absent brokers
without an error, and raises any other error once."""

_REFUSALS = (AuthenticationFailedError, GroupAuthorizationFailedError, TopicAuthorizationFailedError)

FindBegin = Callable[[Sequence[str], Collection[int]], Awaitable[Mapping[TopicPartition, int]]]
"""Gives the first offset to read, from the names of topics in the topology and partition numbers."""

_log: FilteringBoundLogger = structlog.get_logger("orch.group_member")


class GroupMember(ConsumerRebalanceListener):  # type: ignore[misc]
    """
    One member of a stage's consumer group; implements `log.Subscription`.

    Every rebalance revokes all partitions of all members and assigns them again; most return to the same member. So a
    partition counts as lost only once the new assignment lacks it. A partition that stays resumes at the reader's
    position, whatever other members committed meanwhile.

    Args:
        connection: The cluster.
        producer: Started; writes published events.
        stage: Name of the stage, which names the group.
        instance: Kafka's `group.instance.id` (static membership): after a restart within the session time-out the
            member resumes without a rebalance. None for a dynamic member.
        gather_ms: Milliseconds for which a broker may gather records before it answers a fetch; with 0 it answers at
            the first record.
        find_begin: Finds where to begin in partitions whose committed offsets are missing or were set by another
            program. None for a stage that has offsets of its own: for it the group's are a hint.
    """

    def __init__(
        self,
        connection: Connection,
        producer: RecordProducer,
        stage: str,
        *,
        instance: str | None = None,
        gather_ms: int = 0,
        find_begin: FindBegin | None = None,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._group = connection.group(stage)
        self._instance = instance
        self._gather_ms = gather_ms
        self._find_begin = find_begin
        self._finding: asyncio.Task[dict[TopicPartition, int]] | None = None
        self._finding_for: frozenset[TopicPartition] = frozenset()
        self._searches: set[asyncio.Task[dict[TopicPartition, int]]] = set()
        """The search that runs, and former ones whose clients still have to disconnect."""
        self._consumer: AIOKafkaConsumer | None = None
        self._topics: tuple[str, ...] = ()
        self._paused: frozenset[str] = frozenset()
        """Topics, by their names on the cluster."""
        self._assigned: frozenset[TopicPartition] = frozenset()
        self._rebalancing = False
        self._next: dict[TopicPartition, int] = {}
        """Next offset of each place that the reader knows to be held."""
        self._fresh: frozenset[TopicPartition] = frozenset()
        """Places that the last poll reported as gained; their records come from the next poll on."""
        self._looking: asyncio.Task[dict[TopicPartition, list[Any]]] | None = None
        self._look_at_positions = 0.0
        self._transactions = OpenTransactions()
        self._failures = 0
        self.rebalances = 0
        """Assignments that this member got."""
        self.polls = 0
        """Polls that began; a member that polls no more leaves the group after `POLL_INTERVAL_MS`."""

    async def start(self, topics: Sequence[str]) -> None:
        """Join the group."""
        self._topics = tuple(self._connection.topic(topic) for topic in topics)
        consumer = self._consumer = AIOKafkaConsumer(
            **self._connection.client(),
            group_id=self._group,
            group_instance_id=self._instance,
            # The range assignor co-partitions topics with equal numbers of partitions.
            partition_assignment_strategy=[VersionedAssignor],
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=SESSION_TIMEOUT_MS,
            heartbeat_interval_ms=HEARTBEAT_MS,
            max_poll_interval_ms=POLL_INTERVAL_MS,
            fetch_max_wait_ms=self._gather_ms or FETCH_WAIT_MS,
            fetch_min_bytes=GATHER_BYTES if self._gather_ms else 1,
            max_partition_fetch_bytes=PARTITION_BYTES,
            metadata_max_age_ms=METADATA_AGE_MS,
            isolation_level="read_committed",
        )
        consumer.subscribe(self._topics, listener=self)
        await connect(consumer, self._connection)

    async def stop(self) -> None:
        """Leave the group; the group keeps the partitions of a static member for the session time-out."""
        ending = [*self._searches, *([] if self._looking is None else [self._looking])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._consumer is not None:
            await let_go(self._consumer)

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Note that a rebalance has begun."""
        self._rebalancing = True

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Seek partitions that stay to the reader's position; pause gained ones until `poll` has reported them."""
        self._rebalancing = False
        self.rebalances += 1
        self._assigned = frozenset(assigned)
        for place in self._assigned:
            if place in self._next:
                self._client.seek(place, self._next[place])
            if place not in self._next or place.topic in self._paused:
                self._client.pause(place)

    async def poll(self, wait_ms: int) -> Polled:
        """Wait for records; see `log.Subscription`."""
        self.polls += 1
        self._forget()
        self._resume(self._fresh)
        self._fresh = await self._begin(wait_ms)
        found = await self._found(wait_ms)
        self._forget()
        records = [record for place, some in found.items() for record in self._new(place, some)]
        await self._skip_marks()
        reached = {self._place(place): offset for place, offset in self._next.items()}
        return Polled(records, frozenset(place.partition for place in self._next), reached)

    async def ends(self, partitions: Iterable[int]) -> Mapping[tuple[str, int], int]:
        """Give the last stable offset of every topic."""
        places = [TopicPartition(topic, partition) for partition in partitions for topic in self._topics]
        try:
            async with asyncio.timeout(PATIENCE_S):
                ends = await self._client.end_offsets(places)
        except (KafkaError, TimeoutError) as error:
            raise TransientError(
                f"{self._group}: the brokers gave no end offsets: {type(error).__name__}: {error}"
            ) from error
        return {self._place(place): end for place, end in ends.items()}

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """Commit the offsets of places that are still held."""
        if self._rebalancing:
            # The coordinator would fence a commit with the old generation, and this member would have to join anew.
            raise TransientError(f"{self._group}: a rebalance is in progress, partitions are being redistributed")
        places = {TopicPartition(self._connection.topic(topic), number): at for (topic, number), at in offsets.items()}
        held = {place: offset for place, offset in places.items() if place in self._next and place in self._assigned}
        if not held:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._client.commit({place: marked(offset) for place, offset in held.items()})
        except (KafkaError, TimeoutError) as error:
            raise TransientError(f"{self._group}: the commit failed: {type(error).__name__}: {error}") from error

    def pause(self, topics: Iterable[str]) -> None:
        """Stop fetching records of these topics."""
        named = frozenset(map(self._connection.topic, topics))
        self._paused |= named
        if not self._rebalancing:
            self._client.pause(*(place for place in self._assigned if place.topic in named))

    def resume(self, topics: Iterable[str]) -> None:
        """Fetch records of these topics again."""
        named = frozenset(map(self._connection.topic, topics))
        self._paused -= named
        self._resume(place for place in self._next if place.topic in named)

    async def publish(self, event: Event, carried: Headers = ()) -> None:
        """Write an event and wait until it is acknowledged."""
        await self._producer.publish([message_of(event, carried_on(carried))])

    @property
    def rebalancing(self) -> bool:
        """Whether this member waits for an assignment: its first one, or that of a rebalance."""
        return self._rebalancing or not self.rebalances

    @property
    def positions(self) -> Mapping[tuple[str, int], int]:
        """Next offset of each place held."""
        return {self._place(place): offset for place, offset in self._next.items()}

    def high_watermarks(self) -> dict[tuple[str, int], int]:
        """Give the high watermark of each place held, as of the last fetch; places not fetched yet are left out."""
        if self._consumer is None:
            return {}
        held = [place for place in self._next if place in self._consumer.assignment()]
        known = {self._place(place): self._consumer.highwater(place) for place in held}
        return {place: end for place, end in known.items() if end is not None}

    @property
    def _client(self) -> AIOKafkaConsumer:
        assert self._consumer is not None, "start() comes first"
        return self._consumer

    def _place(self, place: TopicPartition) -> tuple[str, int]:
        return self._connection.logical(place.topic), place.partition

    def _resume(self, places: Iterable[TopicPartition]) -> None:
        # During a rebalance the client fetches nothing; `on_partitions_assigned` applies the pauses afterwards.
        if not self._rebalancing:
            self._client.resume(*(p for p in places if p in self._assigned and p.topic not in self._paused))

    def _forget(self) -> None:
        """Drop the positions of places that are no longer held."""
        self._next = {place: offset for place, offset in self._next.items() if place in self._assigned}

    async def _begin(self, wait_ms: int) -> frozenset[TopicPartition]:
        """Look up the start positions of gained places, and give these places; none while positions are unknown."""
        assigned = self._assigned
        gained = assigned - self._next.keys()
        for place in gained:
            require_partition(self._connection, self._connection.logical(place.topic), place.partition)
        if any(TopicPartition(topic, place.partition) not in assigned for place in gained for topic in self._topics):
            raise OperatorError(
                f"{self._group}: this member's partitions of {', '.join(self._topics)} are not the same ones",
                remedy=f"`orch topics check` names the topics. {FIXED_PARTITIONS}",
            )
        if not gained:
            return gained
        try:
            async with asyncio.timeout(max(wait_ms / 1000, POSITIONS_S)):
                begin = {place: await self._client.position(place) for place in gained}
                moved = await self._moved(gained)
        except (KafkaError, TimeoutError, UnreachableError):
            # The brokers are not ready, or there is a new assignment: the next poll retries.
            return frozenset()
        if self._assigned is not assigned:
            return frozenset()
        for place, offset in moved.items():
            self._client.seek(place, offset)
        self._next.update(begin | moved)
        return gained

    async def _moved(self, gained: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """Give the begin of gained places that do not begin at their committed offsets; the search may take minutes."""
        if self._finding is None or self._finding_for != gained:
            for former in self._searches:
                former.cancel()
            self._finding, self._finding_for = asyncio.create_task(self._find_moved(gained)), gained
            self._searches.add(self._finding)
            self._finding.add_done_callback(self._searches.discard)
        try:
            moved = await asyncio.shield(self._finding)
        finally:
            if self._finding.done():
                self._finding = None
        return moved

    async def _find_moved(self, gained: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        ends = await self._client.end_offsets(list(gained))
        if self._find_begin is None:
            # The topic was created again, and what a member of the old one committed hides its records.
            beyond = [place for place in gained if await self._client.position(place) > ends[place]]
            return dict(await self._client.beginning_offsets(beyond)) if beyond else {}
        ours = await is_committed_here(self._connection, self._group, gained, ends)
        partitions = sorted({place.partition for place, known in ours.items() if not known})
        if not partitions:
            return {}
        _log.info("committed_offsets_not_used", group=self._group, partitions=partitions)
        topics = tuple(map(self._connection.logical, self._topics))
        found = await self._find_begin(topics, partitions)
        return {place: offset for place, offset in found.items() if place in gained}

    async def _found(self, wait_ms: int) -> dict[TopicPartition, list[Any]]:
        """Fetch records; a rebalance may keep the client longer than *wait_ms*, then a later poll takes the result."""
        if self._looking is None:
            look = self._client.getmany(timeout_ms=wait_ms, max_records=LOOK_RECORDS)
            self._looking = asyncio.create_task(look)
        done, _ = await asyncio.wait({self._looking}, timeout=wait_ms / 1000 + POSITIONS_S)
        if not done:
            return {}
        task, self._looking = self._looking, None
        try:
            found = task.result()
        except KafkaError as error:
            self._failures += 1
            if isinstance(error, _REFUSALS) or self._failures > MOST_FAILURES:
                raise OperatorError(
                    f"{self._connection.url}: {self._group} cannot read: {type(error).__name__}: {error}",
                    remedy="Give the user the rights to read the topics and the group; if it has them, start again",
                ) from error
            _log.warning("records_not_read", group=self._group, error=type(error).__name__, why=str(error))
            await asyncio.sleep(POSITIONS_S)
            return {}
        self._failures = 0
        return found

    def _new(self, place: TopicPartition, found: list[Any]) -> Iterable[Record]:
        """Give the records that no poll gave before, without those of places that are no longer held."""
        begin = self._next.get(place)
        if begin is None or not found:
            return
        topic = self._connection.logical(place.topic)
        for one in found:
            if one.offset >= begin:
                record = record_of(one, topic)
                yield record._replace(headers=carried_on(record.headers))
        self._next[place] = max(begin, found[-1].offset + 1)

    async def _skip_marks(self) -> None:
        """Advance over transaction markers and aborted records, which take offsets; tell of open transactions."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at_positions or self._looking is not None or self._rebalancing:
            return
        self._look_at_positions = now + POSITIONS_S
        self._transactions.look(self._client, self._next.keys() & self._assigned, now)
        with suppress(KafkaError, TimeoutError):
            async with asyncio.timeout(POSITIONS_S):
                for place, known in list(self._next.items()):
                    # Every record that the client returned is before `known`, so no record is in between.
                    self._next[place] = max(known, await self._client.position(place))
