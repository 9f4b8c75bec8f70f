"""States of new processors, derived from the log."""

import sqlite3
import time
from collections.abc import Sequence

import structlog

from streams.log import Stored, read_event
from streams.runtimes.embedded import schema
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.global_tables import EmbeddedGlobalTables
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.embedded.reader import COLUMNS, record_of
from streams.runtimes.embedded.state_store import EmbeddedStateStore, readers_of

_BATCH_RECORDS = 4_096
_BATCH_BYTES = 32 << 20
"""Limits of a batch: the states that it changes are in memory together, and a crash loses no more work than one."""

log = structlog.get_logger("orch.embedded")


def derive_states(
    connection: sqlite3.Connection,
    streams: PartitionNumbers,
    stores: Sequence[EmbeddedStateStore],
    cursor: int,
    faults: CrashPoints,
) -> None:
    """
    Fold the log up to the cursor into the states of processors that have not folded it yet.

    They see the records, the policy and the router table as the other processors saw them, in log order. What they
    write and reject is dropped: the log up to the cursor stays as it is. Each batch is committed with the seq that it
    reached, and the next opening goes on from there.

    Args:
        stores: State stores of the new processors.
        cursor: Seq up to which the other processors folded the log.

    Raises:
        DifferenceError: A record in the file was changed after it was written.
    """
    names = [store.processor.name for store in stores]
    started = time.perf_counter()
    first = at = schema.begin_derivation(connection, names)
    tables = EmbeddedGlobalTables(connection, streams, at)
    query = _query(streams, stores)
    if not _anything_to_fold(connection, streams, stores):
        at = cursor
    while at < cursor:
        at = _fold_batch(connection.execute(query, (at, cursor)), streams, stores, tables) or cursor
        connection.execute("BEGIN IMMEDIATE")
        for store in stores:
            store.write_back()
        connection.execute("UPDATE derivation SET seq = ?", (at,))
        faults.reach("derive")
        connection.execute("COMMIT")
        faults.reach("derived")
    duration_ms = round((time.perf_counter() - started) * 1000, 3)
    log.info("states_derived", processors=names, first_seq=first + 1, last_seq=cursor, duration_ms=duration_ms)


def _anything_to_fold(
    connection: sqlite3.Connection, streams: PartitionNumbers, stores: Sequence[EmbeddedStateStore]
) -> bool:
    """Say whether the topics that the processors read hold any record; topics as new as they are hold none."""
    read = {number for store in stores for topic in store.processor.reads for number in streams.of_topic(topic)}
    query = "SELECT 1 FROM records INDEXED BY records_by_place WHERE stream = ? LIMIT 1"
    return any(connection.execute(query, (number,)).fetchone() for number in sorted(read))


def _query(streams: PartitionNumbers, stores: Sequence[EmbeddedStateStore]) -> str:
    """Write the query for the next records of the topics that the processors read, and of those behind the tables."""
    topics = set(schema.NEWEST_COUNTS).union(*(store.processor.reads for store in stores))
    numbers = sorted(number for topic in topics for number in streams.of_topic(topic))
    return (
        f"SELECT {COLUMNS} FROM records NOT INDEXED WHERE seq > ? AND seq <= ?"
        f" AND stream IN ({', '.join(map(str, numbers))}) ORDER BY seq LIMIT {_BATCH_RECORDS}"
    )


def _fold_batch(
    rows: sqlite3.Cursor,
    streams: PartitionNumbers,
    stores: Sequence[EmbeddedStateStore],
    tables: EmbeddedGlobalTables,
) -> int | None:
    """Fold one batch, and give the seq of its last record; None if it had no records."""
    readers = readers_of(stores)
    reached, value_bytes = None, 0
    for row in rows:
        record = record_of(row, streams)
        stored = Stored(record.topic, record.partition, record.offset, read_event(record), record.seq)
        tables.advance(stored)
        for store in readers.get(stored.topic, ()):
            for key in store.processor.keys(stored.event):
                state = store.get(key)
                step = store.processor.fold(state, stored.event, key, tables.tables)
                if step.state is not state:
                    store.put(key, step.state, stored.seq)
        reached = record.seq
        value_bytes += len(record.value)
        if value_bytes >= _BATCH_BYTES:
            break
    rows.close()
    return reached
