"""The changelog of one stage and partition: states, place and outputs of a batch as one, with one owner at a time."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog

from streams.errors import OperatorError
from streams.runtimes.kafka.connection import Connection
from streams.runtimes.kafka.fetch import fetch
from streams.runtimes.kafka.outbox import chunks, pack, unpack
from streams.runtimes.kafka.publisher import Message, Publisher, settled
from streams.runtimes.kafka.store import LocalStore, Place

_STATE, _FENCE, _OUTBOX, _COMMIT = b"state/", b"fence/", b"outbox/", b"commit"
_EPOCH = "epoch"

FORMAT = 1
"""Of states and commit records; a version that writes others cannot take over from one that does not."""

_log = structlog.get_logger("orch.ledger")


class Fenced(Exception):
    """Another process has written to this changelog since: whatever was to follow must not be sent."""


class Recovered(NamedTuple):
    """What the changelog knew."""

    offsets: dict[str, int]
    """Next offset of each input topic."""
    unsent: list[Message]
    """Outputs of the last batch, which may not have been written."""


class Ledger:
    """
    A write-ahead log of batches.

    A batch is its changed states, then what does not fit of its outputs, then a commit record with input offsets and
    outputs. It counts if the commit is there; its outputs are sent after that, and once more by the next owner, who
    cannot know how far that had come. So state, place and output are one, as in a transaction.

    An owner begins with a fence, a record that names its epoch, and reads up to it. Of what stands behind a fence only
    records of its epoch count. The offset of each acknowledged record tells whether anybody else wrote in between: if
    so, this process may have been replaced while it was stopped, and sends nothing (`Fenced`). A process that was
    replaced can so leave records, but nothing that counts. They are written over by the next owner, for compaction must
    not take them for the last word.
    """

    def __init__(
        self, connection: Connection, publisher: Publisher, stage: str, partition: int, store: LocalStore
    ) -> None:
        self._connection = connection
        self._publisher = publisher
        self._topic = connection.changelog(stage)
        self._partition = partition
        self._store = store
        self._epoch = b""
        self._next = 0
        self._unsent = 0
        """Outputs of the last batch, as the log has it."""
        self._dropped = False
        self._unsettled = False
        """Whether a batch was begun of which it is not known that it counts."""

    async def open(self) -> Recovered:
        """
        Become the owner: fence off whoever was it before, and bring the store up to the fence.

        Raises:
            OperatorError: The brokers do not answer.
            Fenced: Somebody else became the owner in the same moment.
        """
        self._epoch = uuid.uuid4().hex.encode()
        (fence,) = await settled([await self._send(_FENCE + self._epoch, self._epoch)])
        self._next = fence.offset + 1
        place = self._store.place
        if place.position > fence.offset:
            # The topic was made anew.
            self._store.clear()
            place = self._store.place
        reading = _Reading(self._store, place)
        async for record in fetch(self._connection, self._topic, self._partition, place.position, fence.offset + 1):
            reading.take(record.offset, record.key, record.value, dict(record.headers).get(_EPOCH, b""))
        unsent = reading.unsent
        self._unsent = len(unsent)
        place = reading.place
        _log.debug(
            "ledger_opened",
            changelog=self._topic,
            partition=self._partition,
            records=reading.taken,
            unsent=len(unsent),
            mended=len(reading.strays),
        )
        if reading.strays:
            await self.commit({key: self._store.get(key) for key in reading.strays}, place.offsets, unsent)
        return Recovered(dict(place.offsets), unsent)

    async def commit(
        self, changes: Mapping[str, bytes | None], offsets: Mapping[str, int], outputs: Sequence[Message]
    ) -> None:
        """
        Write a batch and wait until it counts; only then may its outputs be sent.

        Args:
            changes: New state of each key; None for one that is to be forgotten.
            offsets: Next offset of each input topic.
            outputs: What is to be sent.

        Raises:
            Fenced: Another process owns the changelog now; the batch may or may not be in it.
            OperatorError: The brokers do not answer.
        """
        self._unsettled = True
        queued = [await self._send(_STATE + key.encode(), value) for key, value in changes.items()]
        *more, last = chunks(outputs)
        for number, chunk in enumerate(more):
            queued.append(await self._send(b"%b%d" % (_OUTBOX, number), pack({}, chunk)))
        queued.append(await self._send(_COMMIT, pack({"format": FORMAT, "offsets": dict(offsets)}, last)))
        first = offset = self._next
        for written in await settled(queued):
            if written.offset != offset:
                raise Fenced(f"{self._topic}, partition {self._partition}: offset {written.offset}, not {offset}")
            offset += 1
        self.require()
        self._next = offset
        self._unsent = len(outputs)
        self._unsettled = False
        self._store.apply(changes, Place(first, dict(offsets), self._epoch.decode()))

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

    async def _send(self, key: bytes, value: bytes | None) -> "asyncio.Future[Any]":
        return await self._publisher.send_to(self._topic, self._partition, key, value, ((_EPOCH, self._epoch),))


class _Reading:
    """Takes up a changelog, record by record, and tells what counts from what was left there."""

    def __init__(self, store: LocalStore, place: Place) -> None:
        self.place = place
        self.unsent: list[Message] = []
        self.strays: dict[str, None] = {}
        """Keys whose last record in the changelog does not count."""
        self.taken = 0
        self._store = store
        self._owner = place.epoch.encode()
        self._states: dict[str, bytes | None] = {}
        self._outbox: list[Message] = []
        self._first: int | None = None

    def take(self, offset: int, key: bytes, value: bytes | None, epoch: bytes) -> None:
        self.taken += 1
        if key.startswith(_FENCE):
            self.strays.update(dict.fromkeys(self._states))
            self._states.clear()
            self._outbox.clear()
            self._owner, self._first = epoch, None
            return
        if epoch != self._owner:
            if key.startswith(_STATE):
                self.strays[key[len(_STATE) :].decode()] = None
            return
        if self._first is None:
            self._first = offset
        if key.startswith(_STATE):
            self._states[key[len(_STATE) :].decode()] = value
        elif key.startswith(_OUTBOX):
            self._outbox.extend(unpack(value or b"")[1])
        elif key == _COMMIT:
            self._commit(self._first, value or b"", epoch)
            self._first = None

    def _commit(self, first: int, value: bytes, epoch: bytes) -> None:
        facts, outputs = unpack(value)
        if facts.get("format") != FORMAT:
            raise OperatorError(
                f"a changelog holds states of format {facts.get('format')}, and this version reads format {FORMAT}",
                remedy="Run the version that wrote it, or make the log anew under another name on the cluster",
            )
        self.place = Place(first, facts["offsets"], epoch.decode())
        self.unsent = [*self._outbox, *outputs]
        for key in self._states:
            self.strays.pop(key, None)
        self._store.apply(self._states, self.place)
        self._states.clear()
        self._outbox.clear()
