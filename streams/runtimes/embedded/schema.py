"""Tables, format marks and checkpoint of the SQLite file."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError
from streams.runtimes.embedded.partitions import PartitionNumbers, missing
from streams.topology import POLICIES, ROUTER, WEIGHTS

APPLICATION_ID = 0x4F524348
"""The letters ORCH, at byte 68 of the file; `file(1)` shows them."""
LAYOUT = 3
"""
`user_version`: layout of the tables below, and of the events in them. Layout 2 added budgets and providers; layout 3
kinds of v2 and the table `derivation`.
"""
OLDEST_LAYOUT = 2
"""Oldest layout that `migration` takes to the newest one."""
READABLE_LAYOUT = 2
"""Oldest layout in which readers find all that they need."""
STATES = 1
"""Format of the states that the processors dump."""

NEWEST_COUNTS = (POLICIES, ROUTER, WEIGHTS)
"""Topics that give the folds the newest record of each key; the table `latest` keeps it."""

_PAGE_BYTES = 8_192
"""A page holds several records, or most states whole. With 4 KiB the file was 30 % larger, commits a third slower."""

_TABLES = """
CREATE TABLE streams (
    stream INTEGER PRIMARY KEY,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    UNIQUE (topic, partition)
);
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    "offset" INTEGER NOT NULL,
    timestamp_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    correlation TEXT NOT NULL,
    value BLOB NOT NULL,
    headers TEXT
);
CREATE UNIQUE INDEX records_by_place ON records (stream, "offset");
CREATE INDEX records_by_correlation ON records (correlation);
CREATE TABLE latest (
    stream INTEGER NOT NULL,
    key TEXT NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (stream, key)
) WITHOUT ROWID;
CREATE TABLE states (
    processor TEXT NOT NULL,
    key TEXT NOT NULL,
    since INTEGER NOT NULL,
    open INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (processor, key)
);
CREATE INDEX states_open ON states (processor, since, key) WHERE open;
CREATE TABLE checkpoint (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    states INTEGER NOT NULL,
    processors TEXT NOT NULL
);
CREATE TABLE derivation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    processors TEXT NOT NULL
);
CREATE VIEW log AS
    SELECT seq, topic, partition, "offset", timestamp_ms, key, correlation, CAST(value AS TEXT) AS value
    FROM records JOIN streams USING (stream);
"""


def layout_of(connection: sqlite3.Connection, path: Path, *, oldest: int) -> int | None:
    """
    Give the layout of a log; None for an empty database, which is a log to be.

    Args:
        oldest: Oldest layout that the caller can use.

    Raises:
        OperatorError: The database belongs to another program, or the log has a newer layout, or one older than
            *oldest*.
    """
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    layout = layout_now(connection)
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID:
        if not tables and not application:
            return None
        raise OperatorError(
            f"{path}: this database belongs to another program (application id {application:#x})",
            remedy="Name another file with --log sqlite:///PATH; nothing was changed in this one",
            file=str(path),
        )
    if layout > LAYOUT:
        raise OperatorError(
            f"{path}: the log has layout {layout}, this version of orch knows layout {LAYOUT} and older ones",
            remedy="Use the version of orch that wrote it, or a newer one; nothing was changed in it",
            file=str(path),
        )
    if layout < OLDEST_LAYOUT:
        raise OperatorError(
            f"{path}: the log has layout {layout}, this version of orch migrates layout {OLDEST_LAYOUT} and newer ones",
            remedy="Use the version of orch that wrote it; nothing was changed in it",
            file=str(path),
        )
    if layout < oldest:
        raise OperatorError(
            f"{path}: the log has layout {layout}, which lacks what a reader of this version needs",
            remedy="Migrate it: any command that writes to it does, such as `orch run`; nothing was changed in it",
            file=str(path),
        )
    return layout


def layout_now(connection: sqlite3.Connection) -> int:
    """Read the layout mark."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def create(connection: sqlite3.Connection, path: Path) -> None:
    """
    Create the tables in an empty file.

    Raises:
        OperatorError: The file system does not allow a write-ahead log.
    """
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise OperatorError(
            f"{path}: this file system allows no write-ahead log (journal mode is {mode})",
            remedy="Put the log on a local disk",
            file=str(path),
        )
    # executescript commits before it starts; with the BEGIN inside, the layout appears completely or not at all.
    connection.executescript(
        f"BEGIN IMMEDIATE;{_TABLES}"
        f"INSERT INTO checkpoint VALUES (1, 0, {STATES}, '');"
        f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {LAYOUT}; COMMIT;"
    )


def add_topics(connection: sqlite3.Connection) -> None:
    """Add the partitions of topics that the file does not have: all topics in a new file, few after an upgrade."""
    new = missing(load_streams(connection).numbers)
    if new:
        rows = [(number, topic, partition) for (topic, partition), number in new.items()]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO streams VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")


def load_streams(connection: sqlite3.Connection) -> PartitionNumbers:
    """Read the stream number of each partition."""
    rows = connection.execute("SELECT topic, partition, stream FROM streams")
    return PartitionNumbers({(topic, partition): stream for topic, partition, stream in rows})


class FileCheckpoint(NamedTuple):
    """The seq up to which the log was folded, and the names of the processors that folded it."""

    seq: int
    processors: tuple[str, ...]


def load_checkpoint(connection: sqlite3.Connection, path: Path, processors: Sequence[str]) -> FileCheckpoint:
    """
    Read the checkpoint, and check that *processors* can go on from it; none always can, because they fold nothing.

    Raises:
        OperatorError: A processor that folded the log is not among *processors*, or they are in another order; or the
            states have another format.
    """
    seq, states, joined = connection.execute("SELECT seq, states, processors FROM checkpoint").fetchone()
    names = tuple(joined.split(",")) if joined else ()
    if states != STATES:
        raise OperatorError(
            f"{path}: its states have format {states}, this version of orch knows format {STATES}",
            remedy="Use the version of orch that wrote it; nothing was changed in it",
            file=str(path),
        )
    if processors and names != tuple(name for name in processors if name in names):
        raise OperatorError(
            f"{path}: it was folded by {joined}, not by {','.join(processors)}",
            remedy="Use the version of orch that wrote it; nothing was changed in it",
            file=str(path),
        )
    return FileCheckpoint(seq, names)


def store_cursor(connection: sqlite3.Connection, seq: int, processors: str) -> None:
    """Store the seq up to which the log was folded, and the processors' names; do nothing without processors."""
    if processors:
        connection.execute("UPDATE checkpoint SET seq = ?, processors = ?", (seq, processors))


def begin_derivation(connection: sqlite3.Connection, processors: Sequence[str]) -> int:
    """
    Begin the derivation of new processors' states, or go on with it: give the seq up to which they are derived.

    A derivation of other processors, which was given up, is begun anew with these.
    """
    names = ",".join(processors)
    begun = connection.execute("SELECT seq, processors FROM derivation").fetchone()
    if begun and begun[1] == names:
        return int(begun[0])
    left_over = begun[1].split(",") if begun else ()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("DELETE FROM states WHERE processor = ?", [(name,) for name in (*left_over, *processors)])
    connection.execute("INSERT OR REPLACE INTO derivation VALUES (1, 0, ?)", (names,))
    connection.execute("COMMIT")
    return 0


def end_derivation(connection: sqlite3.Connection, seq: int, processors: str) -> None:
    """Store the processors' names, now that the states of all of them are those of the checkpoint."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM derivation")
    store_cursor(connection, seq, processors)
    connection.execute("COMMIT")
