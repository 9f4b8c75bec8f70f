"""The local copy of one changelog partition: states by key, where its owner had come to, and how far it was read."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import orjson

FLUSH_BATCHES, FLUSH_STATES = 50, 1_000
"""Batches, and states, after which what changed goes into the file; a transaction costs as much as folding a record."""

_FORMAT = 1
_SCHEMA = """
CREATE TABLE states (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE place (
    one INTEGER PRIMARY KEY CHECK (one = 1), changelog TEXT, position INTEGER, offsets TEXT, epoch TEXT
);
"""


@dataclass(slots=True)
class Place:
    """How far a changelog partition was read, and the input offsets its states belong to."""

    position: int = 0
    """Offset in the changelog from which to read on: where the last batch begins, since it tells what may be unsent."""
    offsets: dict[str, int] = field(default_factory=dict)
    """Next offset of each input topic."""
    epoch: str = ""
    """Whose commit it was."""


class LocalStore:
    """
    States of one stage and partition in one SQLite file.

    It is a cache: whatever is wrong with the file, the changelog makes it anew. Changes and the place they belong to
    are one transaction, so a process may be killed at any moment.

    Args:
        path: The file; none keeps the states in memory alone.
        changelog: Names the topic and cluster the states came from; a file of another one is emptied.
    """

    def __init__(self, path: Path | None, changelog: str) -> None:
        self._changelog = changelog
        self._path = path
        self._changed: dict[str, bytes | None] = {}
        self._batches = 0
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError:
            if path is None:
                raise
            path.unlink(missing_ok=True)
            self._connection = self._open()
        position, offsets, epoch = self._connection.execute("SELECT position, offsets, epoch FROM place").fetchone()
        self.place = Place(position, orjson.loads(offsets), epoch)
        """Where the states stand."""

    def _open(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self._path or ":memory:", isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            # A lost transaction is read again from the changelog; nothing here needs a flush for each commit.
            connection.execute("PRAGMA synchronous = NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != _FORMAT:
                for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                    connection.execute(f'DROP TABLE "{table}"')
                connection.executescript(f"{_SCHEMA} PRAGMA user_version = {_FORMAT};")
            row = connection.execute("SELECT changelog FROM place").fetchone()
            if row is None or row[0] != self._changelog:
                self._clear(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _clear(self, connection: sqlite3.Connection) -> None:
        connection.execute("BEGIN")
        connection.execute("DELETE FROM states")
        connection.execute("INSERT OR REPLACE INTO place VALUES (1, ?, 0, '{}', '')", (self._changelog,))
        connection.execute("COMMIT")

    def clear(self) -> None:
        """Forget everything: the changelog is not the one the states came from."""
        self._clear(self._connection)
        self._changed.clear()
        self.place = Place()

    def get(self, key: str) -> bytes | None:
        """Find the state of a key."""
        if key in self._changed:
            return self._changed[key]
        row = self._connection.execute("SELECT value FROM states WHERE key = ?", (key,)).fetchone()
        return None if row is None else bytes(row[0])

    def apply(self, changes: Mapping[str, bytes | None], place: Place) -> None:
        """Take over new states (None: forget the key) together with the place they belong to."""
        self._changed.update(changes)
        self.place = place
        self._batches += 1
        if self._batches >= FLUSH_BATCHES or len(self._changed) >= FLUSH_STATES:
            self.flush()

    def flush(self) -> None:
        """Write what was taken over; what is lost with the process before is read from the changelog again."""
        kept = [(key, value) for key, value in self._changed.items() if value is not None]
        gone = [(key,) for key, value in self._changed.items() if value is None]
        place = (self.place.position, orjson.dumps(self.place.offsets).decode(), self.place.epoch)
        self._connection.execute("BEGIN")
        try:
            self._connection.executemany("INSERT OR REPLACE INTO states VALUES (?, ?)", kept)
            self._connection.executemany("DELETE FROM states WHERE key = ?", gone)
            self._connection.execute("UPDATE place SET position = ?, offsets = ?, epoch = ?", place)
            self._connection.execute("COMMIT")
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._changed.clear()
        self._batches = 0

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
