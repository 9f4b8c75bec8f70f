"""An on-disk set of event ids for a rebuild."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256

from streams.errors import OperatorError

_CACHE_KIB = 16_384
"""The digests come in no order, so each looks at another page; beyond that the system's own cache holds the file."""


class KnownNames:
    """
    A set of strings, kept as digests of 32 bytes: about 45 bytes of disk each, and 16 MiB of memory for all.

    Raises:
        OperatorError: The disk for temporary files is full.
    """

    def __init__(self) -> None:
        with _mapped():
            # Without a name it is a file of this connection alone, which is gone when it is closed.
            self._connection = sqlite3.connect("", isolation_level=None)
            self._connection.execute("CREATE TABLE names (digest BLOB PRIMARY KEY) WITHOUT ROWID")
            self._connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            # Never committed: nobody else reads it, and a commit writes what may stay in memory.
            self._connection.execute("BEGIN")

    def add(self, name: str) -> bool:
        """Remember a name; say whether it is new."""
        with _mapped():
            cursor = self._connection.execute("INSERT OR IGNORE INTO names VALUES (?)", (_digest(name),))
        return cursor.rowcount == 1

    def __contains__(self, name: str) -> bool:
        with _mapped():
            row = self._connection.execute("SELECT 1 FROM names WHERE digest = ?", (_digest(name),)).fetchone()
        return row is not None

    def close(self) -> None:
        """Let go of them all."""
        self._connection.close()


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogatepass")).digest()


@contextmanager
def _mapped() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise OperatorError(
            f"what the log holds cannot be kept in a temporary file ({error})",
            remedy="Free some space, or set TMPDIR to a directory that has more",
        ) from error
