"""
Derived entries of a table, in a temporary file.

A log may call for more of them than memory holds.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Self, TypeVar

from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.errors import OperatorError

_WAITING = 2_000
_REMEMBERED = 20_000
"""Entries kept as objects, because every panel needs the newest ones of each line."""
_LINE_BITS = 32
"""Bits of the sequence in an entry's number; the line stands above them, so the rows of a line lie together."""


E = TypeVar("E", bound=RouterEntry | WeightsEntry)


class DerivedEntries(Generic[E]):
    """
    Entries of one kind by key and sequence, each once.

    Args:
        decode: Reads one from canonical bytes.
        remembered: Most entries kept as objects.

    Raises:
        OperatorError: The disk for temporary files is full.
    """

    def __init__(self, decode: Callable[[bytes], E], remembered: int = _REMEMBERED) -> None:
        self._decode = decode
        self._most = remembered
        self._lines: dict[str, int] = {}
        self._waiting: list[tuple[int, bytes]] = []
        self._remembered: OrderedDict[str, E] = OrderedDict()
        with _mapped():
            # Without a name SQLite makes a temporary file for this connection alone, and deletes it at close.
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, value BLOB NOT NULL)")
            self._connection.execute("PRAGMA synchronous = OFF")

    def add(self, entry: E) -> None:
        """Keep an entry."""
        line = self._lines.setdefault(entry.key, len(self._lines))
        self._waiting.append((line << _LINE_BITS | entry.sequence, entry.encode()))
        if len(self._waiting) >= _WAITING:
            self._write()

    def value(self, key: str, sequence: int) -> bytes | None:
        """Find the canonical bytes of an entry."""
        line = self._lines.get(key)
        if line is None or not 0 < sequence < 1 << _LINE_BITS:
            return None
        if self._waiting:
            self._write()
        with _mapped():
            row = self._connection.execute(
                "SELECT value FROM entries WHERE number = ?", (line << _LINE_BITS | sequence,)
            ).fetchone()
        return None if row is None else bytes(row[0])

    def find(self, entry_id: str, key: str, sequence: int) -> E | None:
        """Find an entry by its id, at the line and sequence where it should stand."""
        known = self._remembered.get(entry_id)
        if known is None:
            value = self.value(key, sequence)
            if value is None:
                return None
            known = self._decode(value)
            if known.event_id != entry_id:
                return None
            self._remembered[entry_id] = known
            if len(self._remembered) > self._most:
                self._remembered.popitem(last=False)
        return known

    def close(self) -> None:
        """Close the connection, which deletes the temporary file."""
        self._connection.close()

    def _write(self) -> None:
        with _mapped():
            self._connection.execute("BEGIN")
            self._connection.executemany("INSERT INTO entries VALUES (?, ?)", self._waiting)
            self._connection.execute("COMMIT")
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OperatorError(
            f"derived entries cannot be kept in a temporary file ({error})",
            remedy="Free some space, or set TMPDIR to a directory that has more",
        ) from error
