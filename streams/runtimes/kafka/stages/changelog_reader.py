"""The reader of a changelog, which judges what counts."""

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
    outbox_key,
    parse_key,
    state_key,
)
from streams.runtimes.kafka.stages.legacy_changelog import LEGACY_FORMAT, LEGACY_OUTBOX, LEGACY_STATE, LegacyReader
from streams.runtimes.kafka.stages.state_store import NO_BATCH, KafkaStateStore, StorePosition


class ChangelogFindings(NamedTuple):
    """What a changelog says to the owner that has read it up to its own fence."""

    unsent: list[ProducerRecord]
    """Outputs of the last batch that counts; nobody knows whether all of them were written."""
    ends: dict[int, int]
    """End markers that are missing: the last batch that counts of each epoch, 0 for none."""
    useless: list[bytes]
    """Keys of records that will never count, and of those that later ones replaced."""
    current: list[bytes]
    """Keys of the commit and outbox records of the last batch that counts."""
    barrier: bool
    """Whether owners of format 1 are told to stay away."""
    legacy: LegacyReader | None
    """A changelog of format 1 that nobody has taken over yet."""
    gap: int | None
    """Offset of the first record that compaction has removed, if the changelog was read from its beginning."""


@dataclass(slots=True)
class _OpenBatch:
    """Records of one batch of which it is not known yet whether it counts."""

    id: BatchId
    first: int
    """Offset of its first record."""
    states: dict[str, bytes] = field(default_factory=dict)
    outbox: dict[int, bytes] = field(default_factory=dict)

    def keys(self) -> list[bytes]:
        """List the keys of its records."""
        parts = [outbox_key(self.id, place) for place in self.outbox]
        return [*(state_key(self.id, key) for key in self.states), *parts]


class ChangelogReader:
    """
    Takes up a changelog, record by record, and brings the local store up to it (README.md has the rules).

    A batch counts if its commit record stands before any later fence, if its owner began another batch, or if an end
    marker says so. Until one of these is read, its records wait; of each epoch only the newest batch can be waiting.

    Args:
        store: The local copy; reading begins at its place.
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
        """Number of the last batch known to count, by epoch; 0 where only records that do not count were read."""
        self._ends: dict[int, int] = {}
        self._open: dict[int, _OpenBatch] = {}
        self._unsent: list[ProducerRecord] = []
        self._strays: dict[bytes, None] = {}
        self._commits: dict[bytes, BatchId] = {}
        """Keys of commit and outbox records that nobody has given up, with their batches."""
        self._barrier = not self._from_start
        self._legacy = LegacyReader()

    def take(self, offset: int, key: bytes, value: bytes | None, epoch: bytes = b"") -> None:
        """
        Take up the next record.

        Args:
            epoch: Its header `epoch`, which records of format 1 carry.

        Raises:
            OperatorError: It cannot stand there: the changelog has lost records that are never removed.
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
        """Take up a record of a batch."""
        batch = parsed.batch
        if batch.epoch > self._reign:
            raise OperatorError(
                f"a changelog holds a record of the owner with the fence at offset {batch.epoch}, and no such fence",
                remedy="Its beginning was lost; `orch worker STAGE --rebuild` derives the states again from the topics",
            )
        if parsed.kind is not RecordKind.STATE:
            self._commits[key] = batch
        # Its owner would not have begun this batch without knowing that the one before it counts.
        self._count_up_to(BatchId(batch.epoch, batch.number - 1))
        if batch.epoch < self._reign:
            # Behind a later fence: neither this record nor the rest of its batch will ever count.
            self._void(batch.epoch)
            self._strays[key] = None
            return
        waiting = self._open.get(batch.epoch)
        if waiting is None:
            waiting = self._open[batch.epoch] = _OpenBatch(batch, offset)
            if batch > self._store.place.batch:
                # Whoever begins a batch gives up first what the batch before it has replaced.
                self._store.replaced.clear()
        if parsed.kind is RecordKind.STATE:
            waiting.states[parsed.name] = value
        elif parsed.kind is RecordKind.OUTBOX:
            waiting.outbox[int(parsed.name)] = value
        else:
            self._commit(waiting, value)

    def _commit(self, batch: _OpenBatch, value: bytes) -> None:
        """Take over a batch whose commit record stands before any later fence."""
        known = self._store.place
        if batch.id < known.batch:
            # Reading began before it, but the store is further on.
            self._open.pop(batch.id.epoch)
            return
        facts, outputs = unpack(value)
        earlier = [message for _, part in sorted(batch.outbox.items()) for message in unpack(part)[1]]
        self._unsent = [*earlier, *outputs]
        # An owner's second batch gives up what was left before it, so a first one is no place to read on from.
        position, reign = (known.position, known.reign) if batch.id.number == 1 else (batch.first, batch.id.epoch)
        if facts["since"] > known.since:
            self._store.forget_before(facts["since"])
        place = StorePosition(position, reign, facts["offsets"], batch.id, facts["since"])
        self._apply(batch, place, last=True)

    def _apply(self, batch: _OpenBatch, place: StorePosition, *, last: bool) -> None:
        """
        Bring the store up to a batch.

        Args:
            last: Whether nothing is known to follow it, so what it replaces has yet to be given up.
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
        """Take over what waits of batches up to this one of an epoch."""
        waiting = self._open.get(batch.epoch)
        if waiting is not None and waiting.id <= batch:
            self._apply(waiting, self._store.place, last=False)
        self._last[batch.epoch] = max(batch.number, self._last.get(batch.epoch, 0))

    def _end(self, epoch: int, last: int) -> None:
        """Take up an end marker: the batches of an epoch up to *last* count, and no others ever will."""
        self._ends[epoch] = last
        self._count_up_to(BatchId(epoch, last))
        self._void(epoch)

    def _void(self, epoch: int) -> None:
        """Give up what waits of an epoch: it will never count."""
        waiting = self._open.pop(epoch, None)
        if waiting is not None:
            self._strays.update(dict.fromkeys(waiting.keys()))

    def _give_up(self, key: bytes, parsed: RecordKey) -> None:
        """Take up a tombstone."""
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
        Judge what is left: everything before the reader's own fence has been read.

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
        return ChangelogFindings(self._unsent, ends, list(useless), current, self._barrier, legacy, gap)


class Leftovers:
    """What a changelog holds of any format and any owner, for an owner that replaces all of it."""

    def __init__(self) -> None:
        self.keys: dict[bytes, None] = {}
        """Keys of all records but fences, end markers and the barrier."""
        self.unsent: list[ProducerRecord] = []
        """Outputs of the last commit record, which its owner may not have written."""
        self._outbox: list[ProducerRecord] = []

    def take(self, key: bytes, value: bytes | None) -> None:
        """Take up the next record."""
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
