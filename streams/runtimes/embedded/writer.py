"""The writer of an embedded log, host of the processors."""

import os
import sqlite3
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, Self

import structlog

from schemas.event import MAX_EVENT_BYTES, Event
from schemas.origins import RouterCarried, WeightsCarried
from schemas.policies import PolicyAdopted
from streams.errors import DifferenceError, InvariantError, OperatorError, UsageError
from streams.log import Clock, Headers, Record, Stored
from streams.processors.dead_letters import dead_letter
from streams.processors.fold import Processor
from streams.processors.own_rules import RuleMissingError
from streams.runtimes.embedded import schema
from streams.runtimes.embedded.appender import RecordAppender
from streams.runtimes.embedded.backlog import Backlog, UnfoldedRecord
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.damage import require_sound_tables
from streams.runtimes.embedded.derivation import derive_states
from streams.runtimes.embedded.global_tables import EmbeddedGlobalTables
from streams.runtimes.embedded.lock import WriterLock
from streams.runtimes.embedded.open_file import check_place, open_to_write
from streams.runtimes.embedded.reader import records_about, records_of
from streams.runtimes.embedded.sqlite_errors import answer, mapped
from streams.runtimes.embedded.state_store import EmbeddedStateStore, readers_of
from streams.runtimes.headers import pack_headers
from streams.topology import CHECKPOINTS, INPUT_TOPICS

APPENDABLE = frozenset((*INPUT_TOPICS, CHECKPOINTS))
"""
Topics with inputs. Only the host of the processors writes the other topics, including dead letters; but the first
records of a log may carry entries of an earlier one.
"""

CACHED_STATES = 4_096
"""Unchanged states cached for each processor: some thousand questions in flight, and those just decided."""

log = structlog.get_logger("orch.embedded")


class EmbeddedWriter:
    """
    The `FoldingWriter` of one SQLite file.

    The log has one total order, and the processors fold it in that order with one cursor. So the bytes of the log
    depend only on the order of appends and folds, not on commits, restarts or batch sizes.

    The policy in force at a record is the last one before it, or else the first one after it. While the log holds no
    policy, nothing is folded and the cursor does not move. Without processors the writer only appends.

    Args:
        path: The file; created if it does not exist.
        processors: Fold in this order if several read one topic. They are those that folded the file so far, in the
            same order; the states of further ones are derived from the log.
        clock: Source of the records' timestamps, which never go backwards within the file.
        faults: Points at which a test kills the process.
        cached_states: Unchanged states cached for each processor.
        served_at: URL at which this process takes questions; other writers are told.

    Raises:
        OperatorError: The file cannot be used or migrated, or another process writes to it.
        DifferenceError: The end of the log was cut off, or its tables or a record that a new processor folds were
            changed.
    """

    def __init__(
        self,
        path: Path,
        processors: Sequence[Processor] = (),
        *,
        clock: Clock,
        faults: CrashPoints | None = None,
        cached_states: int = CACHED_STATES,
        served_at: str | None = None,
    ) -> None:
        self._path = Path(os.path.realpath(path))
        self._faults = faults or CrashPoints()
        self._failure: str | None = None
        check_place(self._path)
        self._lock = WriterLock(self._path, clock, served_at)
        try:
            self._connection = open_to_write(self._path, self._faults)
        except BaseException:
            self._lock.release()
            raise
        try:
            with mapped(self._path):
                self._load(processors, clock, cached_states)
        except BaseException:
            self.close()
            raise

    def _load(self, processors: Sequence[Processor], clock: Clock, cached_states: int) -> None:
        connection = self._connection
        require_sound_tables(connection, self._path)
        self._streams = streams = schema.load_streams(connection)
        names = [processor.name for processor in processors]
        self._cursor, folders = schema.load_checkpoint(connection, self._path, names)
        self._names = ",".join(names)
        self._appender = RecordAppender(connection, streams, clock, self._faults)
        if self._cursor > self._appender.end:
            # New records would get the numbers of the lost ones, below the cursor, and never be folded.
            raise DifferenceError(
                f"{self._path}: the log ends at record {self._appender.end}, but was folded up to {self._cursor}:"
                " its end was cut off",
                remedy="Restore the log from a backup",
                file=str(self._path),
            )
        self._stores = {p.name: EmbeddedStateStore(connection, p, cached_states) for p in processors}
        new = [store for name, store in self._stores.items() if folders and name not in folders]
        if new:
            derive_states(connection, streams, new, self._cursor, self._faults)
            schema.end_derivation(connection, self._cursor, self._names)
        self._readers = readers_of(self._stores.values())
        self._tables = EmbeddedGlobalTables(connection, streams)
        self._backlog = Backlog(connection, streams, self._appender, self._cursor)
        self._committed = (self._appender.end, self._cursor)

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy adopted last; None while the log holds no policy. Unfolded records may still see another."""
        return self._tables.adopted

    @property
    def lag(self) -> int:
        """Count the records that are appended but not folded."""
        return self._appender.end - self._cursor

    @property
    def ready(self) -> bool:
        """Say whether `fold` can fold a record."""
        return self.lag > 0 and self.policy is not None and bool(self._stores)

    def folding(self) -> Self | None:
        """Give the writer itself; None if it was opened without processors."""
        return self if self._stores else None

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """
        Append an input event; it is durable after `commit`.

        Args:
            event: Event of one of the topics `APPENDABLE`, or an entry carried from an earlier log.
            headers: Foreign headers, such as traceparent; records derived from this one carry them on.
            again: Whether to append an event that the log holds already; folded again, it may count now.

        Returns:
            The event with its place; None if the log holds it already and *again* is false.

        Raises:
            UsageError: The topic takes no inputs, or the event has more than MAX_EVENT_BYTES; the writer stays usable.
            OperatorError: The disk is full or fails; the writer is closed.
        """
        self._require_open()
        if event.topic not in APPENDABLE and not isinstance(event, RouterCarried | WeightsCarried):
            raise UsageError(
                f"{event.topic}: only the processors write to this topic",
                remedy=f"Append to one of {', '.join(sorted(APPENDABLE))}",
                topic=event.topic,
            )
        value = event.encode()
        if len(value) > MAX_EVENT_BYTES:
            raise UsageError(
                f"{event.topic}: the event about {event.correlation!r} has {len(value):,} bytes",
                remedy=f"The limit is {MAX_EVENT_BYTES:,}: shorten its text",
                topic=event.topic,
                key=event.key,
            )
        try:
            if not again and self._appender.holds(event, value):
                return None
            packed = pack_headers(headers)
            stored = self._appender.append_input(event, value, packed)
            self._backlog.offer(stored, packed, len(value))
            self._tables.announce(event)
            return stored
        except BaseException as error:
            self._fail(error)

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """
        Fold the next records in log order, at most *most*.

        To fold a long backlog in bounded memory: `while writer.ready: writer.fold(); writer.commit()`.

        Returns:
            Events the processors wrote, dead letters included, in log order; they are durable after `commit`.

        Raises:
            DifferenceError: A record in the file was changed after it was written.
            OperatorError: The disk is full or fails.
        """
        self._require_open()
        written: list[Stored] = []
        if not self.ready:
            return written
        try:
            for _ in range(most):
                waiting = self._backlog.take()
                if waiting is None:
                    break
                self._fold_one(waiting, written)
                self._cursor = waiting.stored.seq
        except BaseException as error:
            self._fail(error)
        return written

    def _fold_one(self, waiting: UnfoldedRecord, written: list[Stored]) -> None:
        stored, headers, _ = waiting
        event, tables = stored.event, self._tables.tables
        self._tables.advance(stored)
        for store in self._readers.get(stored.topic, ()):
            processor = store.processor
            for key in processor.keys(event):
                state = store.get(key)
                step = processor.fold(state, event, key, tables)
                if step.state is not state:
                    store.put(key, step.state, stored.seq)
                for made in step.events:
                    written.append(self._write(made, headers))
                if step.rejection is not None:
                    letter = dead_letter(event, stored.partition, stored.offset, step.rejection)
                    written.append(self._write(letter, headers))

    def _write(self, event: Event, headers: str | None) -> Stored:
        value = event.encode()
        stored = self._appender.append(event, value, headers)
        self._backlog.offer(stored, headers, len(value))
        return stored

    def commit(self) -> None:
        """
        Make records, states and checkpoint since the last commit durable, in one transaction.

        Raises:
            OperatorError: The disk is full or fails; the file is as of the last commit, and the writer is closed.
        """
        self._require_open()
        end, cursor = self._appender.end, self._cursor
        if (end, cursor) == self._committed:
            return
        started = time.perf_counter()
        try:
            states = self._write_all()
            self._faults.reach("commit")
            self._connection.execute("COMMIT")
            self._faults.reach("committed")
        except BaseException as error:
            self._fail(error)
        value_bytes = self._appender.settle()
        first = self._committed[0] + 1
        folded = cursor - self._committed[1]
        self._committed = (end, cursor)
        log.debug(
            "batch_committed",
            records=end - first + 1,
            first_seq=first,
            last_seq=end,
            folded=folded,
            lag=end - cursor,
            states=states,
            value_bytes=value_bytes,
            duration_ms=round((time.perf_counter() - started) * 1000, 3),
        )

    def _write_all(self) -> int:
        """Write records, states and checkpoint into the open transaction, and count the states."""
        self._appender.begin()
        self._appender.flush()
        states = sum(store.write_back() for store in self._stores.values())
        self._tables.write_back()
        schema.store_cursor(self._connection, self._cursor, self._names)
        return states

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order, including uncommitted ones."""
        self._require_open()
        try:
            self._appender.flush()
            return records_about(self._connection, self._streams, correlation, self._appender.end)
        except sqlite3.Error as error:
            self._fail(error)

    def of_topic(self, topic: str) -> Iterator[Record]:
        """Iterate the records of one topic, including uncommitted ones; the caller must not append meanwhile."""
        self._require_open()
        try:
            self._appender.flush()
            yield from records_of(self._connection, self._streams, topic, self._appender.end)
        except sqlite3.Error as error:
            self._fail(error)

    def open_states(self, processor: str) -> Iterator[tuple[str, Any]]:
        """Iterate key and state of every open key of one processor, in log order of the keys' first records."""
        self._require_open()
        store = self._stores.get(processor)
        if store is None:
            raise InvariantError(f"no processor is called {processor!r}", remedy=f"There are {self._names}")
        return self._open_states(store)

    def _open_states(self, store: EmbeddedStateStore) -> Iterator[tuple[str, Any]]:
        try:
            # An open transaction keeps -wal from shrinking, so begin one only if there is something to write.
            if store.changed:
                self._appender.begin()
                store.write_back()
            yield from store.open()
        except sqlite3.Error as error:
            self._fail(error)

    def close(self) -> None:
        """Close the log; uncommitted records are dropped."""
        self._failure = self._failure or "it was closed"
        try:
            # Closing rolls back an open transaction, and SQLite removes -wal and -shm if no reader is left.
            self._connection.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _require_open(self) -> None:
        if self._failure is not None:
            raise InvariantError(f"{self._path}: the writer cannot go on: {self._failure}", remedy="Open the log again")

    def _fail(self, error: BaseException) -> NoReturn:
        """Roll back to the last commit, close, and raise the error, mapped if it is SQLite's."""
        self._failure = f"it failed earlier ({type(error).__name__}: {error})"
        self.close()
        if isinstance(error, sqlite3.Error):
            raise answer(error, self._path) from error
        if isinstance(error, RuleMissingError):
            raise OperatorError(f"{self._path}: {error}", remedy=error.remedy) from error
        raise error
