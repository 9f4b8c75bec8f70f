"""An on-disk table of names, each with a number."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from streams.errors import OperatorError

_CACHE_KIB = 16_384
"""SQLite's page cache. Digests arrive in random order, so each touches another page; the system caches the rest."""


class KnownNames:
    """
    A set of strings, kept as digests of 32 bytes: about 50 bytes of disk each, and 16 MiB of memory for all.

    A number goes with each, an offset say.

    Raises:
        OperatorError: The disk for temporary files is full.
    """

    def __init__(self) -> None:
        with _mapped():
            # The empty name is a private temporary file, which SQLite deletes on close.
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("CREATE TABLE names (digest BLOB PRIMARY KEY, number INTEGER) WITHOUT ROWID")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            # Never committed: only this connection reads it, and a commit would flush pages that may stay in memory.
            self._connection.execute("BEGIN")

    def add(self, name: str, number: int = 0) -> bool:
        """Add a name; say whether it is new. A known one keeps its number."""
        with _mapped():
            cursor = self._connection.execute("INSERT OR IGNORE INTO names VALUES (?, ?)", (_digest(name), number))
        return cursor.rowcount == 1

    def at(self, name: str) -> int | None:
        """Give the number of a name; None for an unknown one."""
        with _mapped():
            row = self._connection.execute("SELECT number FROM names WHERE digest = ?", (_digest(name),)).fetchone()
        return None if row is None else row[0]

    def __contains__(self, name: str) -> bool:
        return self.at(name) is not None

    def close(self) -> None:
        """Delete the temporary file."""
        self._connection.close()


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogatepass")).digest()


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OperatorError(
            f"the temporary file of event ids cannot be written ({error})",
            remedy="Free some disk space, or set TMPDIR to a directory that has more",
        ) from error
