"""The local state store of one changelog partition."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from streams.runtimes.kafka.stages.changelog_records import BatchId, state_key

FLUSH_BATCHES, FLUSH_STATES, FLUSH_BYTES = 50, 1_000, 2 << 20
"""Batches, changed states, or their bytes, after which `apply` flushes to the file; one transaction costs as much as a
fold. The bytes bound the memory of a process, which has a store for each of up to 28 partitions."""

_FORMAT = 2
_SCHEMA = """
CREATE TABLE states (
    key TEXT PRIMARY KEY, value BLOB NOT NULL, epoch INTEGER NOT NULL, number INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE place (
    one INTEGER PRIMARY KEY CHECK (one = 1), changelog TEXT, position INTEGER, reign INTEGER, offsets TEXT,
    epoch INTEGER, number INTEGER, since INTEGER, replaced TEXT
);
"""

NO_BATCH = BatchId(-1, 0)
"""Id that is smaller than that of any batch."""


@dataclass(frozen=True, slots=True)
class StorePosition:
    """Position of a state store in its changelog, with the input offsets that its states belong to."""

    position: int = 0
    """Offset in the changelog at which to resume: the start of the last batch, since its outputs may be unsent."""
    reign: int = -1
    """Offset of the newest fence before *position*; -1 for none."""
    offsets: Mapping[str, int] = field(default_factory=dict)
    """Next offset of each input topic."""
    batch: BatchId = NO_BATCH
    """The last batch that counts."""
    since: int = 0
    """First epoch whose states count: that of the last rebuild."""


class KafkaStateStore:
    """
    States of one stage and partition, in one SQLite file.

    The file is a cache: a damaged or missing one is filled again from the changelog. States and the position that they
    belong to are written in one transaction, so the process may be killed at any moment.

    Args:
        path: The file; None keeps the states in memory.
        changelog: Name of the cluster and changelog partition behind the states; a file of another one is emptied.
    """

    def __init__(self, path: Path | None, changelog: str) -> None:
        self._changelog = changelog
        self._path = path
        self._changed: dict[str, tuple[BatchId, bytes]] = {}
        self._batches = 0
        self._waiting_bytes = 0
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            if path is None:
                raise
            path.unlink(missing_ok=True)
            self._connection = self._open()
        position, reign, offsets, epoch, number, since, replaced = self._connection.execute(
            "SELECT position, reign, offsets, epoch, number, since, replaced FROM place"
        ).fetchone()
        self.place = StorePosition(position, reign, orjson.loads(offsets), BatchId(epoch, number), since)
        """Position that the states belong to."""
        self.replaced: dict[bytes, None] = {key.encode(): None for key in orjson.loads(replaced)}
        """Keys of state records that the last batch replaced; the next batch writes their tombstones."""

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A lost transaction is read again from the changelog, so no commit needs an fsync.
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _FORMAT:
                for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                    connection.execute(f'DROP TABLE "{table}"')
                connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_FORMAT};")
            row = connection.execute("SELECT changelog FROM place").fetchone()
            if row is None or row[0].partition(" ")[0] != self._changelog:
                self._clear(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _clear(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM states")
        connection.execute(
            "INSERT OR REPLACE INTO place VALUES (1, ?, 0, -1, '{}', ?, ?, 0, '[]')", (self._changelog, *NO_BATCH)
        )
        connection.execute("COMMIT")

    def clear(self) -> None:
        """Delete all states and the position, for states that do not belong to the changelog any more."""
        self._clear(self._connection)
        self._changed.clear()
        self.replaced.clear()
        self.place = StorePosition()

    def require_origin(self, fence: str) -> None:
        """
        Empty the store if its states are of another topic than the one that begins with this fence.

        A topic that was deleted and created again has the same name. A store of an earlier version does not know its
        fence, and takes this one.
        """
        (known,) = self._connection.execute("SELECT changelog FROM place").fetchone()
        if known == (mine := f"{self._changelog} {fence}"):
            return
        if known != self._changelog:
            self.clear()
        self._connection.execute("UPDATE place SET changelog = ?", (mine,))

    def get(self, key: str) -> bytes | None:
        """Give the state of a key; None if it has none."""
        if key in self._changed:
            return self._changed[key][1]
        row = self._connection.execute("SELECT value FROM states WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def version(self, key: str) -> BatchId | None:
        """Give the batch that wrote the state of a key; None if the key has no state."""
        if key in self._changed:
            return self._changed[key][0]
        row = self._connection.execute("SELECT epoch, number FROM states WHERE key = ?", (key,)).fetchone()
        return None if row is None else BatchId(*row)

    def records(self) -> Iterator[bytes]:
        """Iterate the keys of all states' changelog records."""
        self.flush()
        for key, epoch, number in self._connection.execute("SELECT key, epoch, number FROM states"):
            yield state_key(BatchId(epoch, number), key)

    def apply(
        self, changes: Mapping[str, bytes], batch: BatchId, place: StorePosition, replaced: Iterable[bytes] = ()
    ) -> None:
        """
        Apply the new states of a batch, with the position that they belong to.

        Args:
            replaced: Keys of the state records that the batch replaces; they are added to `self.replaced`.
        """
        self._changed.update((key, (batch, value)) for key, value in changes.items())
        self.place = place
        self.replaced.update(dict.fromkeys(replaced))
        self._batches += 1
        self._waiting_bytes += sum(map(len, changes.values()))
        full = len(self._changed) >= FLUSH_STATES or self._waiting_bytes >= FLUSH_BYTES
        if full or self._batches >= FLUSH_BATCHES:
            self.flush()

    def forget_before(self, epoch: int) -> None:
        """Delete the states of earlier epochs: a rebuild in *epoch* derived all states again."""
        self.flush()
        self._connection.execute("DELETE FROM states WHERE epoch < ?", (epoch,))

    def flush(self) -> None:
        """Write applied states to the file; if the process dies before, the next one reads them from the changelog."""
        changed = [(key, value, *batch) for key, (batch, value) in self._changed.items()]
        place = self.place
        offsets = orjson.dumps(dict(place.offsets)).decode()
        replaced = orjson.dumps([key.decode() for key in self.replaced]).decode()
        row = (place.position, place.reign, offsets, *place.batch, place.since, replaced)
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)", changed)
            self._connection.execute(
                "UPDATE place SET position = ?, reign = ?, offsets = ?, epoch = ?, number = ?, since = ?, replaced = ?",
                row,
            )
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._changed.clear()
        self._batches = self._waiting_bytes = 0

    def close(self) -> None:
        """Close the file, without a flush."""
        self._connection.close()
