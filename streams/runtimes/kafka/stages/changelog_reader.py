"""The reader of a changelog, which judges what counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from streams.errors import OperatorError
from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog_codec import unpack
from streams.runtimes.kafka.stages.changelog_records import (
    BARRIER,
    FENCE,
    FORMAT,
    BatchId,
    RecordKey,
    RecordKind,
    marks_in,
    outbox_key,
    parse_key,
    state_key,
)
from streams.runtimes.kafka.stages.input_marks import InputMark
from streams.runtimes.kafka.stages.legacy_changelog import LEGACY_FORMAT, LEGACY_OUTBOX, LEGACY_STATE, LegacyReader
from streams.runtimes.kafka.stages.state_store import NO_BATCH, KafkaStateStore, StorePosition


class ChangelogFindings(NamedTuple):
    """Findings of an owner that has read its changelog up to its own fence."""

    unsent: list[ProducerRecord]
    """Outputs of the last batch that counts; its owner may not have sent all of them."""
    ends: dict[int, int]
    """Missing end markers: number of the last batch that counts, by epoch; 0 for none."""
    useless: list[bytes]
    """Keys of records that will never count, and of records that later batches replaced."""
    current: list[bytes]
    """Keys of the commit and outbox records of the last batch that counts."""
    barrier: bool
    """Whether the changelog holds the barrier that makes owners of format 1 refuse."""
    legacy: LegacyReader | None
    """Content of a changelog of format 1 that no owner has converted yet."""
    gap: int | None
    """Offset of the first record that compaction has removed; None if the reader did not start at the beginning."""
    marks: Mapping[str, InputMark]
    """By input topic, the mark of the last record that is folded; none of commits by earlier versions."""


@dataclass(slots=True)
class _OpenBatch:
    """Records of one batch that is not known to count yet."""

    id: BatchId
    first: int
    """Offset of its first record."""
    states: dict[str, bytes] = field(default_factory=dict)
    outbox: dict[int, bytes] = field(default_factory=dict)

    def keys(self) -> list[bytes]:
        """List the keys of its state and outbox records."""
        parts = [outbox_key(self.id, place) for place in self.outbox]
        return [*(state_key(self.id, key) for key in self.states), *parts]


class ChangelogReader:
    """
    Reads a changelog record by record and brings the local state store up to date (README.md has the rules).

    A batch counts if its commit record stands before any later fence, if its owner began another batch, or if an end
    marker says so. Until the reader finds one of these, the batch is open; of each epoch only the newest batch can be
    open.

    Args:
        store: Local state store; reading begins at its position.
    """

    def __init__(self, store: KafkaStateStore) -> None:
        self.taken = 0
        """Records read."""
        self._store = store
        place = store.place
        self._from_start = place.position == 0
        self._expected = place.position
        self._gap: int | None = None
        self._reign = place.reign
        """Offset of the newest fence."""
        self._last = {place.batch.epoch: place.batch.number} if place.batch != NO_BATCH else {}
        """Number of the last batch known to count, by epoch; 0 where no batch is known to count."""
        self._ends: dict[int, int] = {}
        self._open: dict[int, _OpenBatch] = {}
        self._unsent: list[ProducerRecord] = []
        self._marks: dict[str, InputMark] = {}
        self._strays: dict[bytes, None] = {}
        self._commits: dict[bytes, BatchId] = {}
        """Keys of commit and outbox records without a tombstone, with their batches."""
        self._barrier = not self._from_start
        self._legacy = LegacyReader()

    def take(self, offset: int, key: bytes, value: bytes | None, epoch: bytes = b"") -> None:
        """
        Read the next record.

        Args:
            epoch: Its header `epoch`, which records of format 1 carry.

        Raises:
            OperatorError: The changelog has an unknown format, or lost records that are never removed.
        """
        self.taken += 1
        if self._gap is None and offset != self._expected:
            self._gap = self._expected
        self._expected = offset + 1
        if key.startswith(FENCE):
            self._reign = offset
            self._legacy.take_fence(offset, epoch)
            return
        parsed = parse_key(key)
        if parsed is None:
            self._take_foreign(offset, key, value, epoch)
        elif value is None:
            self._give_up(key, parsed)
        elif parsed.kind is RecordKind.END:
            self._end(parsed.batch.epoch, int(value))
        else:
            self._take_part(offset, key, value, parsed)

    def _take_foreign(self, offset: int, key: bytes, value: bytes | None, epoch: bytes) -> None:
        if key == BARRIER and value is not None:
            found = unpack(value)[0].get("format")
            self._barrier = found == FORMAT
            if self._barrier:
                return
            if found != LEGACY_FORMAT:
                raise OperatorError(
                    f"a changelog holds states of format {found}, and this version reads format {FORMAT}",
                    remedy="Run the version that wrote it, or derive the states again: `orch worker STAGE --rebuild`",
                )
        if not key.startswith(b"v2/"):
            self._legacy.take(offset, key, value, epoch)

    def _take_part(self, offset: int, key: bytes, value: bytes, parsed: RecordKey) -> None:
        """Read a record of a batch."""
        batch = parsed.batch
        if batch.epoch > self._reign:
            raise OperatorError(
                f"a changelog holds a record of the owner with the fence at offset {batch.epoch}, and no such fence",
                remedy="Its beginning was lost; `orch worker STAGE --rebuild` derives the states again from the topics",
            )
        if parsed.kind is not RecordKind.STATE:
            self._commits[key] = batch
        # An owner begins a batch only when it knows that the one before counts.
        self._count_up_to(BatchId(batch.epoch, batch.number - 1))
        if batch.epoch < self._reign:
            # The record stands behind a later fence: its batch will never count.
            self._void(batch.epoch)
            self._strays[key] = None
            return
        waiting = self._open.get(batch.epoch)
        if waiting is None:
            waiting = self._open[batch.epoch] = _OpenBatch(batch, offset)
            if batch > self._store.place.batch:
                # An owner begins a batch with the tombstones of what the batch before has replaced.
                self._store.replaced.clear()
        if parsed.kind is RecordKind.STATE:
            waiting.states[parsed.name] = value
        elif parsed.kind is RecordKind.OUTBOX:
            waiting.outbox[int(parsed.name)] = value
        else:
            self._commit(waiting, value)

    def _commit(self, batch: _OpenBatch, value: bytes) -> None:
        """Apply a batch whose commit record stands before any later fence."""
        known = self._store.place
        if batch.id < known.batch:
            # The state store is ahead of this batch already.
            self._open.pop(batch.id.epoch)
            return
        facts, outputs = unpack(value)
        earlier = [message for _, part in sorted(batch.outbox.items()) for message in unpack(part)[1]]
        self._unsent = [*earlier, *outputs]
        self._marks = marks_in(facts)
        # An owner's second batch writes the tombstones of earlier leftovers, so reading must not resume at a first one.
        position, reign = (known.position, known.reign) if batch.id.number == 1 else (batch.first, batch.id.epoch)
        if facts["since"] > known.since:
            self._store.forget_before(facts["since"])
        place = StorePosition(position, reign, facts["offsets"], batch.id, facts["since"])
        self._apply(batch, place, last=True)

    def _apply(self, batch: _OpenBatch, place: StorePosition, *, last: bool) -> None:
        """
        Apply a batch to the state store.

        Args:
            last: Whether no later batch is known, so the states that it replaces still lack tombstones.
        """
        changes, replaced = {}, []
        for key, state in batch.states.items():
            known = self._store.version(key)
            if batch.id.epoch >= place.since and (known is None or known < batch.id):
                changes[key] = state
                if known is not None:
                    replaced.append(state_key(known, key))
        self._store.apply(changes, batch.id, place, replaced if last else ())
        self._last[batch.id.epoch] = max(batch.id.number, self._last.get(batch.id.epoch, 0))
        self._open.pop(batch.id.epoch, None)

    def _count_up_to(self, batch: BatchId) -> None:
        """Count all batches of an epoch up to this one, and apply the open batch if it is among them."""
        waiting = self._open.get(batch.epoch)
        if waiting is not None and waiting.id <= batch:
            self._apply(waiting, self._store.place, last=False)
        self._last[batch.epoch] = max(batch.number, self._last.get(batch.epoch, 0))

    def _end(self, epoch: int, last: int) -> None:
        """Read an end marker: the batches of an epoch up to *last* count, and no others ever will."""
        self._ends[epoch] = last
        self._count_up_to(BatchId(epoch, last))
        self._void(epoch)

    def _void(self, epoch: int) -> None:
        """Discard the open batch of an epoch: it will never count."""
        waiting = self._open.pop(epoch, None)
        if waiting is not None:
            self._strays.update(dict.fromkeys(waiting.keys()))

    def _give_up(self, key: bytes, parsed: RecordKey) -> None:
        """Read a tombstone."""
        for known in (self._strays, self._store.replaced, self._commits):
            known.pop(key, None)
        waiting = self._open.get(parsed.batch.epoch)
        if waiting is None or waiting.id != parsed.batch:
            return
        if parsed.kind is RecordKind.STATE:
            waiting.states.pop(parsed.name, None)
        elif parsed.kind is RecordKind.OUTBOX:
            waiting.outbox.pop(int(parsed.name), None)

    def finish(self, epoch: int) -> ChangelogFindings:
        """
        Conclude: everything before the reader's own fence has been read.

        Args:
            epoch: Offset of that fence.
        """
        for waiting in list(self._open):
            self._void(waiting)
        ends = {known: last for known, last in self._last.items() if known not in self._ends and known != epoch}
        last = self._store.place.batch
        obsolete = [key for key, batch in self._commits.items() if batch != last]
        useless = dict.fromkeys([*self._strays, *self._store.replaced, *obsolete])
        legacy = None
        if self._legacy.keys and (last == NO_BATCH or self._legacy.fence > last.epoch):
            legacy = self._legacy
        else:
            useless.update(dict.fromkeys(key for key in self._legacy.keys if key != BARRIER))
        gap = self._gap if self._from_start else None
        current = [key for key, batch in self._commits.items() if batch == last]
        return ChangelogFindings(self._unsent, ends, list(useless), current, self._barrier, legacy, gap, self._marks)


class Leftovers:
    """Keys and unsent outputs of a changelog of any format, for an owner that replaces all of it."""

    def __init__(self) -> None:
        self.keys: dict[bytes, None] = {}
        """Keys of all records but fences, end markers and the barrier."""
        self.unsent: list[ProducerRecord] = []
        """Outputs of the last batch with a commit record; its owner may not have sent them."""
        self._outbox: list[ProducerRecord] = []

    def take(self, key: bytes, value: bytes | None) -> None:
        """Read the next record."""
        parsed = parse_key(key)
        if value is None:
            self.keys.pop(key, None)
        elif key.startswith(FENCE):
            self._outbox.clear()
        elif parsed is not None and parsed.kind is not RecordKind.END:
            self.keys[key] = None
            if parsed.kind is RecordKind.OUTBOX:
                self._outbox.extend(unpack(value)[1])
            elif parsed.kind is RecordKind.COMMIT:
                self._commit(value)
        elif key == BARRIER:
            if unpack(value)[0].get("format") == LEGACY_FORMAT:
                self._commit(value)
        elif key.startswith((LEGACY_STATE, LEGACY_OUTBOX)):
            self.keys[key] = None
            if key.startswith(LEGACY_OUTBOX):
                self._outbox.extend(unpack(value)[1])

    def _commit(self, value: bytes) -> None:
        self.unsent = [*self._outbox, *unpack(value)[1]]
        self._outbox.clear()
