"""The fenced changelog of one stage and partition."""

import asyncio
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import Any, NamedTuple

import structlog
from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
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
from streams.runtimes.kafka.stages.input_marks import InputMark
from streams.runtimes.kafka.stages.inspection import Inspection
from streams.runtimes.kafka.stages.state_store import KafkaStateStore, StorePosition

_log = structlog.get_logger("orch.changelog")


class Fenced(Exception):
    """This process no longer owns the changelog, so it must not send the outputs of its batch."""


class Recovered(NamedTuple):
    """Input offsets and outputs of the last batch that counts."""

    offsets: dict[str, int]
    """Next offset of each input topic."""
    unsent: list[ProducerRecord]
    """Outputs that the owner of that batch may not have sent."""
    marks: Mapping[str, InputMark] = MappingProxyType({})
    """By input topic, the mark of the last record before its offset; none where an earlier version committed."""


class Rebuilt(NamedTuple):
    """States of one stage and partition, derived from the topics instead of the changelog."""

    states: dict[str, bytes]
    """State of each key."""
    offsets: dict[str, int]
    """Next offset of each input topic."""
    outputs: list[ProducerRecord]
    """Outputs that the inputs cause and the topics lack."""
    marks: Mapping[str, InputMark] = MappingProxyType({})
    """By input topic, the mark of its last record; none of an empty one."""


class Changelog:
    """
    A write-ahead log of batches with one owner at a time; `README.md` beside this file says why its rules hold.

    One batch is one unit: new states, next input offsets, and outputs. An owner goes through these steps. `open` takes
    steps 1 to 3, its caller step 4; for each batch `commit` takes steps 5 and 6, its caller step 7.

    1. **Fence.** The owner writes a fence record; its acknowledged offset is the owner's epoch. From here on no batch
       of an earlier owner can begin to count. If the owner dies here, the fence alone changes nothing.
    2. **Read.** The owner reads the records up to its fence into the state store. If another process writes a fence
       meanwhile, step 3 detects it.
    3. **Probe.** The owner writes a probe record. If it stands right behind the fence, nobody wrote during step 2, and
       the owner has read everything. Otherwise `open` raises `Fenced`, and the caller starts again at step 1.
    4. **Send again.** The caller sends the outputs of the last batch that counts, whose owner may have died before
       step 7. If this owner dies too, the next one sends them again; consumers see byte-identical repeats.
    5. **Batch.** The owner writes tombstones for useless records, missing end markers, new states, outputs, and last
       the commit record. If it dies before the commit record, the batch never counts; the next owner removes it.
    6. **Check.** The owner waits for every acknowledgement. If each offset follows the one before, the batch counts.
       A gap means that another process wrote in between: `commit` raises `Fenced`, nothing is sent, and the caller
       starts again at step 1. If the owner dies or the brokers fail here, only the next `open` tells whether the batch
       counts; until then `commit` refuses another one.
    7. **Send.** The caller sends the outputs and continues with step 5. If it dies here, the next owner's step 4
       sends them.
    """

    def __init__(
        self,
        connection: Connection,
        producer: RecordProducer,
        stage: str,
        partition: int,
        store: KafkaStateStore,
        inspection: Inspection | None = None,
    ) -> None:
        self._connection = connection
        self._producer = producer
        self._inspection = inspection
        self._stage = stage
        self._topic = connection.changelog(stage)
        self._partition = partition
        self._store = store
        self._name = b""
        """Random name of the fence; owners of format 1 compare it."""
        self._batch = BatchId(-1, 0)
        """The batch that was begun last."""
        self._next = 0
        """Offset that the next record gets if no other process writes."""
        self._since = 0
        """First epoch whose states count: that of the last rebuild."""
        self._useless: list[bytes] = []
        """Keys for which the next batch writes tombstones."""
        self._current: list[bytes] = []
        """Keys of the commit and outbox records of the last batch that counts."""
        self._ends: dict[int, int] = {}
        """End markers that the next batch writes: last batch that counts, by epoch."""
        self._barred = True
        """Whether the changelog holds the barrier that makes owners of format 1 refuse."""
        self._unsent = 0
        """Outputs in the last batch that counts; 0 once a later commit recorded them as sent."""
        self._marks: Mapping[str, InputMark] = MappingProxyType({})
        """Marks in the last commit record."""
        self._dropped = False
        self._unsettled = False
        """Whether a batch was begun that is not known to count."""

    @property
    def since(self) -> int:
        """Give the epoch of the last rebuild; 0 if there was none."""
        return self._since

    async def open(self, rebuild: Callable[[], Awaitable[Rebuilt]] | None = None) -> Recovered:
        """
        Become the owner: fence off the previous one, and bring the state store up to the fence.

        Args:
            rebuild: Derives the states again from the topics; they replace the content of the changelog.

        Raises:
            OperatorError: The brokers do not answer, the changelog lost its beginning, or it cannot tell which of its
                states count.
            Fenced: Another process wrote to the changelog meanwhile.
        """
        await self._fence()
        if rebuild is not None:
            return await self._rebuild(rebuild)
        begin = await self._look_at_beginning()
        if self._store.place.position > self._batch.epoch:
            # The topic was deleted and created again, so the local states are stale.
            self._store.clear()
        reader = ChangelogReader(self._store)
        async with aclosing(self._records(self._store.place.position)) as records:
            async for record in records:
                if record.offset == 0:
                    self._note_origin(record.key)
                reader.take(record.offset, record.key, record.value, dict(record.headers).get(EPOCH_HEADER) or b"")
        await self._probe()
        found = reader.finish(self._batch.epoch)
        require_beginning(self._topic, self._stage, self._partition, begin, self._store.place.since)
        _log.debug(
            "changelog_opened",
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
        self._marks = found.marks
        if found.legacy is not None:
            return await self._take_over(found)
        if not self._barred:
            await self.commit({}, self._store.place.offsets, found.unsent)
            await self.commit({}, self._store.place.offsets, found.unsent)
        return Recovered(dict(self._store.place.offsets), found.unsent, found.marks)

    async def commit(
        self,
        changes: Mapping[str, bytes],
        offsets: Mapping[str, int],
        outputs: Sequence[ProducerRecord],
        marks: Mapping[str, InputMark] | None = None,
    ) -> None:
        """
        Write a batch and wait until it counts; only then may its outputs be sent.

        Args:
            changes: New state of each key.
            offsets: Next offset of each input topic.
            outputs: Records that the caller sends afterwards.
            marks: Of each input topic, the mark of its last record before the offset; None keeps those of the last
                commit.

        Raises:
            Fenced: This process no longer owns the changelog; the batch may or may not count.
            OperatorError: The brokers do not answer; the batch may or may not count.
        """
        if self._unsettled:
            raise Fenced(f"{self._topic}, partition {self._partition}: the last batch may or may not count")
        self._unsettled = True
        self._marks = self._marks if marks is None else marks
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
        queued.append(await self._send(commit_key(batch), commit_value(offsets, self._since, last, self._marks)))
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
        Give up ownership and close the state store.

        Args:
            sent: Whether all outputs of the last batch are acknowledged; then an empty batch records it, and the next
                owner does not repeat them.

        Raises:
            Fenced: Another process owns the changelog.
            OperatorError: The brokers do not answer.
        """
        # After a batch that may count, an empty batch with older offsets would take that batch's offsets and outputs
        # back.
        if sent and self._unsent and not self._unsettled:
            await self.commit({}, self._store.place.offsets, ())
        self._store.flush()
        self._store.close()

    def require(self) -> None:
        """
        Check that this process has not dropped the changelog.

        Raises:
            Fenced: It has.
        """
        if self._dropped:
            raise Fenced(f"{self._topic}, partition {self._partition}: this process gave it up")

    def drop(self) -> None:
        """Give up ownership and close the state store, without writing to the changelog."""
        self._dropped = True
        self._store.flush()
        self._store.close()

    async def _fence(self) -> None:
        self._name = uuid.uuid4().hex.encode()
        (fence,) = await settled([await self._send(FENCE + self._name, b"2", self._name)])
        self._batch = BatchId(fence.offset, 0)
        self._next = fence.offset + 1
        self._unsettled = False

    async def _look_at_beginning(self) -> int:
        """Give the log start offset; empty a state store whose states are those of another topic of this name."""
        if self._inspection is None:
            return 0
        place = TopicPartition(self._topic, self._partition)
        try:
            begin, end = (await self._inspection.bounds([place]))[place]
            if begin == 0 < end and self._store.place.position > 0:
                first = (await self._inspection.records_at({place: 0})).get(place)
                self._note_origin(None if first is None else first.key)
        except KafkaError as error:
            raise await why_unreachable(self._connection, error) from error
        return begin

    def _note_origin(self, first: bytes | None) -> None:
        """Tell the state store the key at offset 0: that of a fence with a name of its own, which is never removed."""
        if first is not None and first.startswith(FENCE):
            self._store.require_origin(first.decode())

    async def _probe(self) -> None:
        """Check that no other process has written since the fence, so that everything has been read."""
        await self._require_contiguous([await self._send(PROBE, b"")])

    async def _take_over(self, found: ChangelogFindings) -> Recovered:
        """Convert a changelog of format 1: write its states in format 2, then tombstones for its records."""
        legacy = found.legacy
        assert legacy is not None, "the caller checked"
        if not legacy.certain(found.gap) or self._store.place.batch.epoch >= 0:
            raise OperatorError(
                f"{self._topic}, partition {self._partition}: this changelog of an earlier version was compacted across"
                " owners, so it cannot tell which of its states count",
                remedy="`orch worker STAGE --rebuild` derives the states again from the topics; decisions stay",
            )
        await self.commit(legacy.states, legacy.offsets, legacy.unsent)
        self._useless += [key for key in legacy.keys if key != BARRIER]
        await self.commit({}, legacy.offsets, legacy.unsent)
        _log.info("changelog_taken_over", changelog=self._topic, partition=self._partition, states=len(legacy.states))
        return Recovered(dict(legacy.offsets), legacy.unsent)

    async def _rebuild(self, rebuild: Callable[[], Awaitable[Rebuilt]]) -> Recovered:
        """Replace the content of the changelog by states derived from the topics."""
        self._store.clear()
        leftovers = Leftovers()
        async with aclosing(self._records(0)) as records:
            async for record in records:
                leftovers.take(record.key, record.value)
        await self._probe()
        # The outputs of the last owner must be in the topics before the derivation reads them.
        await self._producer.publish(leftovers.unsent)
        derived = await rebuild()
        self._useless, self._current, self._ends, self._barred = [], [], {}, False
        self._since = self._batch.epoch
        await self.commit(derived.states, derived.offsets, derived.outputs, derived.marks)
        self._useless += leftovers.keys
        await self.commit({}, derived.offsets, derived.outputs)
        _log.info("changelog_replaced", changelog=self._topic, partition=self._partition, states=len(derived.states))
        return Recovered(derived.offsets, derived.outputs, derived.marks)

    def _records(self, start: int) -> AsyncGenerator[Any, None]:
        """Iterate the records from an offset to this owner's fence, the fence included."""
        # Owners write no transactions, so only a stranger's could be open here, and it must not keep an owner waiting.
        end = self._batch.epoch + 1
        return fetch(self._connection, self._topic, self._partition, start, end, committed=False)

    async def _require_contiguous(self, queued: "Iterable[asyncio.Future[Any]]") -> None:
        """Wait for acknowledgements, and check that no other process wrote in between."""
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


def require_beginning(topic: str, stage: str, partition: int, begin: int, since: int) -> None:
    """
    Check that a changelog has all records that may count.

    Compaction leaves the log start offset where it is. Retention and the deletion of records move it.

    Args:
        topic: Its name on the cluster.
        begin: Log start offset of the partition.
        since: Epoch of the last rebuild; records before it do not count.

    Raises:
        OperatorError: Records that may count were deleted.
    """
    if begin > since:
        raise OperatorError(
            f"{topic}, partition {partition} begins at offset {begin}: records before it were deleted, and with them"
            f" states of {stage}",
            remedy="Give the topic cleanup.policy=compact again, for retention deletes states. Then `orch worker"
            f" {stage} --rebuild` derives them from the topics; stop the stage's other workers first",
            topic=topic,
            partition=partition,
        )
