"""The -wal that another state of the file left."""

import os
import sqlite3
import struct
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from streams.runtimes.embedded.sqlite_errors import answer

# Source: sqlite.org/fileformat2.html, section 4 (the write-ahead log).
_MAGIC = (0x377F0682, 0x377F0683)
_HEADER_BYTES, _FRAME_BYTES = 32, 24


def check_left_wal(path: Path) -> None:
    """
    Refuse a file whose -wal belongs to another state of it: a backup that was restored under what a killed run left.

    SQLite would take the two for one database, and the next writer would move the pages of the -wal into the backup.
    The -wal holds what changed since the file was last written; so each page that it counts is in it, or in the file.
    Where one is in neither, the whole is read to be sure.

    Raises:
        OperatorError: The two are no database together. Nothing was changed in either.
    """
    wal = path.with_name(path.name + "-wal")
    try:
        if not _page_is_missing(path, wal):
            return
    except OSError:
        return
    # A connection for reading does not move the -wal into the file when it closes.
    with closing(sqlite3.connect(f"file:{quote(os.fspath(path))}?mode=ro", uri=True)) as connection:
        try:
            (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_CORRUPT:
                raise answer(error, path) from error
            return
        if found != "ok":
            failure = sqlite3.DatabaseError(found.splitlines()[-1])
            failure.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
            raise answer(failure, path)


def _page_is_missing(path: Path, wal: Path) -> bool:
    """Say whether a page that the -wal counts is neither in it nor in the file."""
    handle = os.open(wal, os.O_RDONLY)
    try:
        header = os.pread(handle, _HEADER_BYTES, 0)
        if len(header) < _HEADER_BYTES:
            return False
        magic, _, page_bytes, _, *salt = struct.unpack(">6I", header[:24])
        if magic not in _MAGIC:
            return False
        held: set[int] = set()
        uncommitted: set[int] = set()
        count, place = 0, _HEADER_BYTES
        while len(frame := os.pread(handle, _FRAME_BYTES, place)) == _FRAME_BYTES:
            page, count_after, *frame_salt = struct.unpack(">4I", frame[:16])
            if frame_salt != salt:
                # Left of an earlier round of the same file.
                break
            uncommitted.add(page)
            if count_after:
                count = count_after
                held |= uncommitted
                uncommitted.clear()
            place += _FRAME_BYTES + page_bytes
    finally:
        os.close(handle)
    # Asked after the -wal was read: a writer at work moves pages into the file, and the file only grows.
    in_file = path.stat().st_size // page_bytes
    return any(page not in held for page in range(in_file + 1, count + 1))
