"""Owners of changelogs in format 1: their writes and reads."""

from typing import Any

from streams.runtimes.kafka.client.producer import ProducerRecord
from streams.runtimes.kafka.stages.changelog_codec import pack, unpack

from .simulated_changelog import Expected, SimulatedLog

FORMAT = 1


class Refused(Exception):
    """An owner of format 1 found a commit record of a format that it does not know."""


class LegacyOwner:
    """
    A process of the version before, which keeps its states in memory.

    It writes the changed states, then a commit record, all with its name in a header; the key of a commit record is the
    same for all owners.
    """

    def __init__(self, log: SimulatedLog, name: str) -> None:
        self.log = log
        self.name = name.encode()
        self.states: dict[str, bytes] = {}
        self.offsets: dict[str, int] = {}
        self.strays: set[str] = set()
        self.alive = False
        self._queue: list[tuple[bytes, bytes | None]] = []
        self._next = 0

    def write(self, key: bytes, value: bytes | None) -> int:
        return self.log.append(key, value, (("epoch", self.name),))

    def open(self) -> None:
        """Take over from what compaction has left; raises Refused."""
        fence = self.write(b"fence/" + self.name, self.name)
        read = _LegacyReading()
        for offset in sorted(self.log.left):
            if offset <= fence:
                read.take(self.log.left[offset])
        self.states, self.offsets = dict(read.states), dict(read.offsets)
        self._next, self.alive = fence + 1, True
        if read.strays:
            self.begin({key: self.states.get(key) for key in read.strays}, self.offsets, read.unsent)
            self.land(len(self._queue))

    def begin(self, changes: dict[str, bytes | None], offsets: dict[str, int], outputs: list[ProducerRecord]) -> None:
        """Queue a batch; its records are written later, or never."""
        for key, value in changes.items():
            self._queue.append((b"state/" + key.encode(), value))
            if value is None:
                self.states.pop(key, None)
            else:
                self.states[key] = value
        self.offsets = offsets
        self._queue.append((b"commit", pack({"format": FORMAT, "offsets": offsets}, outputs)))

    def land(self, records: int) -> None:
        """Write so many queued records; an owner that sees another owner's record in between ends."""
        for _ in range(min(records, len(self._queue))):
            offset = self.write(*self._queue.pop(0))
            self.alive = self.alive and offset == self._next
            self._next = offset + 1

    @property
    def idle(self) -> bool:
        """Whether its last batch is written."""
        return not self._queue


class _LegacyReading:
    def __init__(self) -> None:
        self.states: dict[str, bytes] = {}
        self.offsets: dict[str, int] = {}
        self.unsent: list[ProducerRecord] = []
        self.strays: dict[str, None] = {}
        self._pending: dict[str, bytes | None] = {}
        self._owner = b""

    def take(self, record: Any) -> None:
        epoch = dict(record.headers).get("epoch", b"")
        if record.key.startswith(b"fence/"):
            self.strays.update(dict.fromkeys(self._pending))
            self._pending.clear()
            self._owner = epoch
        elif epoch != self._owner:
            if record.key.startswith(b"state/"):
                self.strays[record.key[6:].decode()] = None
        elif record.key.startswith(b"state/"):
            self._pending[record.key[6:].decode()] = record.value
        elif record.key == b"commit":
            facts, self.unsent = unpack(record.value)
            if facts.get("format") != FORMAT:
                raise Refused
            self.offsets = facts["offsets"]
            for key, value in self._pending.items():
                self.strays.pop(key, None)
                if value is None:
                    self.states.pop(key, None)
                else:
                    self.states[key] = value
            self._pending.clear()


def legacy_expected(log: SimulatedLog) -> Expected:
    """Fold all that owners of format 1 ever wrote, as if nothing had been compacted."""
    read = _LegacyReading()
    for record in log.history:
        read.take(record)
    return Expected(read.states, read.offsets, read.unsent)
