"""The fenced changelog of one stage and partition."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import fetch
from streams.runtimes.kafka.client.producer import ProducerRecord, RecordProducer, settled
from streams.runtimes.kafka.stages.changelog_codec import chunks, pack
from streams.runtimes.kafka.stages.changelog_reader import ChangelogFindings, ChangelogReader, Leftovers
from streams.runtimes.kafka.stages.changelog_records import (
    BARRIER,
    EPOCH_HEADER,
    FENCE,
    PROBE,
    BatchId,
    barrier_value,
    commit_key,
    commit_value,
    end_key,
    outbox_key,
    state_key,
)
from streams.runtimes.kafka.stages.state_store import KafkaStateStore, StorePosition

_log = structlog.get_logger("orch.changelog")


class Fenced(Exception):
    """Another process has written to this changelog since: whatever was to follow must not be sent."""


class Recovered(NamedTuple):
    """What the changelog knew."""

    offsets: dict[str, int]
    """Next offset of each input topic."""
    unsent: list[ProducerRecord]
    """Outputs of the last batch, which may not have been written."""


class Rebuilt(NamedTuple):
    """States of one stage and partition, derived from the topics instead of read from the changelog."""

    states: dict[str, bytes]
    """State of each key."""
    offsets: dict[str, int]
    """Next offset of each input topic."""
    outputs: list[ProducerRecord]
    """What follows from the inputs and is not in the topics yet."""


class Changelog:
    """
    A write-ahead log of batches; `README.md` beside this file states its rules and why they hold.

    One owner, step by step, and what may fail between two of them:

    1. It writes a fence, and learns its offset, the epoch. From now on no earlier owner can commit.
    2. It reads up to the fence. Whoever takes over meanwhile writes a fence of its own.
    3. It writes a probe. If that stands right behind the fence, nobody wrote while it read, so what it read is all.
    4. It sends the outputs of the last batch again, for its writer may have died before step 7.
    5. It writes a batch: what is useless now, end markers of earlier epochs, new states, outputs, and last the commit.
    6. Every acknowledged offset follows the one before: the batch counts. If not, somebody else was here (`Fenced`):
       nothing is sent, and the owner begins at step 1.
    7. It sends the outputs, and goes on with step 5.
    """

    def __init__(
        self, connection: Connection, producer: RecordProducer, stage: str, partition: int, store: KafkaStateStore
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._topic = connection.changelog(stage)
        self._partition = partition
        self._store = store
        self._name = b""
        """Of the fence, for owners of format 1."""
        self._batch = BatchId(-1, 0)
        """The last one that was begun."""
        self._next = 0
        """Offset of the next record, if nobody else writes."""
        self._since = 0
        self._useless: list[bytes] = []
        """Keys that the next batch gives up."""
        self._current: list[bytes] = []
        """Keys of the commit and outbox records of the last batch that counts."""
        self._ends: dict[int, int] = {}
        """End markers that the next batch writes."""
        self._barred = True
        """Whether owners of format 1 are told to stay away."""
        self._unsent = 0
        """Outputs of the last batch, as the log has it."""
        self._dropped = False
        self._unsettled = False
        """Whether a batch was begun of which it is not known that it counts."""

    async def open(self, rebuild: Callable[[], Awaitable[Rebuilt]] | None = None) -> Recovered:
        """
        Become the owner: fence off whoever was it before, and bring the store up to the fence.

        Args:
            rebuild: Derives the states again from the topics; they replace whatever the changelog holds.

        Raises:
            OperatorError: The brokers do not answer, or the changelog cannot tell which of its states count.
            Fenced: Somebody else became the owner in the same moment.
        """
        await self._fence()
        if rebuild is not None:
            return await self._rebuild(rebuild)
        if self._store.place.position > self._batch.epoch:
            # The topic was made anew.
            self._store.clear()
        reader = ChangelogReader(self._store)
        async for record in self._records(self._store.place.position):
            reader.take(record.offset, record.key, record.value, dict(record.headers).get(EPOCH_HEADER, b""))
        await self._probe()
        found = reader.finish(self._batch.epoch)
        _log.debug(
            "ledger_opened",
            changelog=self._topic,
            partition=self._partition,
            records=reader.taken,
            unsent=len(found.unsent),
            useless=len(found.useless),
        )
        self._useless, self._current, self._ends = found.useless, found.current, found.ends
        self._barred = found.barrier
        self._since = self._store.place.since
        self._unsent = len(found.unsent)
        if found.legacy is not None:
            return await self._take_over(found)
        if not self._barred:
            await self.commit({}, self._store.place.offsets, found.unsent)
            await self.commit({}, self._store.place.offsets, found.unsent)
        return Recovered(dict(self._store.place.offsets), found.unsent)

    async def commit(
        self, changes: Mapping[str, bytes], offsets: Mapping[str, int], outputs: Sequence[ProducerRecord]
    ) -> None:
        """
        Write a batch and wait until it counts; only then may its outputs be sent.

        Args:
            changes: New state of each key.
            offsets: Next offset of each input topic.
            outputs: What is to be sent.

        Raises:
            Fenced: Another process owns the changelog now; the batch may or may not be in it.
            OperatorError: The brokers do not answer.
        """
        if self._unsettled:
            raise Fenced(f"{self._topic}, partition {self._partition}: nobody knows yet whether the last batch counts")
        self._unsettled = True
        batch = self._batch = BatchId(self._batch.epoch, self._batch.number + 1)
        known = ((key, self._store.version(key)) for key in changes)
        replaced = [state_key(version, key) for key, version in known if version is not None]
        *more, last = chunks(outputs)
        queued = [await self._send(key, None) for key in self._useless]
        queued += [await self._send(end_key(epoch), b"%d" % number) for epoch, number in self._ends.items()]
        queued += [await self._send(state_key(batch, key), value) for key, value in changes.items()]
        queued += [await self._send(outbox_key(batch, place), pack({}, part)) for place, part in enumerate(more)]
        if batch.number > 1 and not self._barred:
            queued.append(await self._send(BARRIER, barrier_value(), self._name))
        queued.append(await self._send(commit_key(batch), commit_value(offsets, self._since, last)))
        first = self._next
        await self._require_contiguous(queued)
        self.require()
        self._unsent = len(outputs)
        self._unsettled = False
        self._barred = self._barred or batch.number > 1
        self._useless = [*self._current, *replaced]
        self._current = [*(outbox_key(batch, place) for place in range(len(more))), commit_key(batch)]
        self._ends = {}
        place = self._store.place
        position, reign = (first, batch.epoch) if batch.number > 1 else (place.position, place.reign)
        self._store.replaced.clear()
        self._store.apply(changes, batch, StorePosition(position, reign, dict(offsets), batch, self._since), replaced)

    async def close(self, *, sent: bool) -> None:
        """
        Let go of the changelog.

        Args:
            sent: Whether all outputs of the last batch are known to be written, so the next owner need not repeat them.
        """
        # Behind a batch that may yet count, this would be the last word, and take its place and outputs back.
        if sent and self._unsent and not self._unsettled:
            await self.commit({}, self._store.place.offsets, ())
        self._store.flush()
        self._store.close()

    def require(self) -> None:
        """
        Make sure that the changelog was not let go of.

        Raises:
            Fenced: It was.
        """
        if self._dropped:
            raise Fenced(f"{self._topic}, partition {self._partition}: it was let go")

    def drop(self) -> None:
        """Let go of the changelog without a word in it."""
        self._dropped = True
        self._store.flush()
        self._store.close()

    async def _fence(self) -> None:
        self._name = uuid.uuid4().hex.encode()
        (fence,) = await settled([await self._send(FENCE + self._name, b"2", self._name)])
        self._batch = BatchId(fence.offset, 0)
        self._next = fence.offset + 1
        self._unsettled = False

    async def _probe(self) -> None:
        """Make sure that nobody has written since the fence: what was read is what there is."""
        await self._require_contiguous([await self._send(PROBE, b"")])

    async def _take_over(self, found: ChangelogFindings) -> Recovered:
        """Write the states of a changelog of format 1 anew."""
        legacy = found.legacy
        assert legacy is not None, "it was looked at"
        if not legacy.certain(found.gap) or self._store.place.batch.epoch >= 0:
            raise OperatorError(
                f"{self._topic}, partition {self._partition}: this changelog of an earlier version was compacted across"
                " owners, so it cannot tell which of its states count",
                remedy="`orch worker STAGE --rebuild` derives the states again from the topics; what was decided stays",
            )
        await self.commit(legacy.states, legacy.offsets, legacy.unsent)
        self._useless += [key for key in legacy.keys if key != BARRIER]
        await self.commit({}, legacy.offsets, legacy.unsent)
        _log.info("changelog_taken_over", changelog=self._topic, partition=self._partition, states=len(legacy.states))
        return Recovered(dict(legacy.offsets), legacy.unsent)

    async def _rebuild(self, rebuild: Callable[[], Awaitable[Rebuilt]]) -> Recovered:
        """Replace what the changelog holds by what the topics say."""
        self._store.clear()
        leftovers = Leftovers()
        async for record in self._records(0):
            leftovers.take(record.key, record.value)
        await self._probe()
        # What the last owner decided has to be in the topics before they are read.
        await self._producer.publish(leftovers.unsent)
        derived = await rebuild()
        self._useless, self._current, self._ends, self._barred = [], [], {}, False
        self._since = self._batch.epoch
        await self.commit(derived.states, derived.offsets, derived.outputs)
        self._useless += leftovers.keys
        await self.commit({}, derived.offsets, derived.outputs)
        _log.info("changelog_replaced", changelog=self._topic, partition=self._partition, states=len(derived.states))
        return Recovered(derived.offsets, derived.outputs)

    def _records(self, start: int) -> AsyncIterator[Any]:
        """Iterate what stands between an offset and this owner's fence, the fence included."""
        return fetch(self._connection, self._topic, self._partition, start, self._batch.epoch + 1)

    async def _require_contiguous(self, queued: "Iterable[asyncio.Future[Any]]") -> None:
        """Wait for acknowledgements, and make sure that nobody else wrote in between."""
        for written in await settled(queued):
            if written.offset != self._next:
                raise Fenced(
                    f"{self._topic}, partition {self._partition}: offset {written.offset}, not {self._next}: another"
                    " process has written to it"
                )
            self._next += 1

    async def _send(self, key: bytes, value: bytes | None, epoch: bytes = b"") -> "asyncio.Future[Any]":
        headers = ((EPOCH_HEADER, epoch),) if epoch else ()
        return await self._producer.send_to(self._topic, self._partition, key, value, headers)
