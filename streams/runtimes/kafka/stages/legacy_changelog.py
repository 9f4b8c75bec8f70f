"""The reader of changelogs of format 1."""

from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog_codec import unpack

LEGACY_FORMAT = 1

LEGACY_STATE, LEGACY_OUTBOX, LEGACY_COMMIT = b"state/", b"outbox/", b"commit"


class LegacyReader:
    """
    Reads records of format 1, for the owner that converts them to format 2.

    In format 1 every epoch used the same keys. So compaction could remove a commit record and keep the states that it
    covers, or remove a state that counts and keep one that does not. `certain` is true where neither can have happened.
    """

    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.offsets: dict[str, int] = {}
        self.unsent: list[ProducerRecord] = []
        self.keys: dict[bytes, None] = {}
        """Every key read; the owner writes tombstones for them once the states are in format 2."""
        self.fence = -1
        """Offset of the fence of the last owner of this format that committed; -1 before the first commit."""
        self._first: int | None = None
        """Offset of the first record of any batch."""
        self._strays: dict[bytes, int] = {}
        """Keys whose newest record does not count, with its offset: that record is the one that compaction keeps."""
        self._pending: dict[bytes, tuple[int, bytes | None]] = {}
        """Records of the batch that is being read, by key, with their offsets."""
        self._outbox: list[ProducerRecord] = []
        self._owner = b""
        self._reign = -1

    def take_fence(self, offset: int, epoch: bytes) -> None:
        """Read the fence of an owner of any format: pending records do not count."""
        self._strays.update({key: at for key, (at, _) in self._pending.items()})
        self._pending.clear()
        self._outbox.clear()
        self._owner, self._reign = epoch, offset

    def take(self, offset: int, key: bytes, value: bytes | None, epoch: bytes) -> None:
        """Read a record that is no fence."""
        if value is None and not epoch:
            # A tombstone by an owner of format 2, which sets no epoch header.
            self.keys.pop(key, None)
            return
        self.keys[key] = None
        if self._first is None:
            self._first = offset
        if epoch != self._owner:
            self._strays[key] = offset
            return
        self._pending[key] = offset, value
        if key.startswith(LEGACY_OUTBOX):
            self._outbox.extend(unpack(value or b"")[1])
        elif key == LEGACY_COMMIT:
            self._commit(value or b"")

    def _commit(self, value: bytes) -> None:
        facts, outputs = unpack(value)
        for key, (_, state) in self._pending.items():
            self._strays.pop(key, None)
            if not key.startswith(LEGACY_STATE):
                continue
            name = key[len(LEGACY_STATE) :].decode()
            if state is None:
                self.states.pop(name, None)
            else:
                self.states[name] = state
        self.offsets = facts["offsets"]
        self.unsent = [*self._outbox, *outputs]
        self.fence = self._reign
        self._pending.clear()
        self._outbox.clear()

    def certain(self, gap: int | None) -> bool:
        """
        Say whether `states` holds every state that counts and no other.

        Args:
            gap: Offset of the first record that compaction removed; None if it removed none.
        """
        if gap is None:
            return True
        if self.fence < 0:
            # Nothing is committed, or every commit record was removed.
            return not self.keys
        if self._first is not None and self._first < self.fence and gap < self.fence:
            return False
        return all(at < gap for at in self._strays.values())
