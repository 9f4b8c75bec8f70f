"""Policy in force and tables of an embedded log."""

import sqlite3
from typing import TypeVar

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.log import Stored, read_event
from streams.processors.fold import Tables
from streams.runtimes.embedded.partitions import PartitionNumbers
from streams.runtimes.embedded.reader import COLUMNS, record_of
from streams.runtimes.embedded.schema import NEWEST_COUNTS
from streams.topology import POLICIES, ROUTER, WEIGHTS

E = TypeVar("E", bound=Event)

_LATEST = f"SELECT {COLUMNS} FROM records WHERE seq IN (SELECT seq FROM latest WHERE stream = ?)"
_LATEST_AT = (
    f"SELECT {COLUMNS} FROM records WHERE seq IN"
    " (SELECT max(seq) FROM records INDEXED BY records_by_place WHERE stream = ? AND seq <= ? GROUP BY key)"
)
_ALL = f"SELECT {COLUMNS} FROM records INDEXED BY records_by_place WHERE stream = ? ORDER BY seq"
_STORE = "INSERT INTO latest VALUES (?, ?, ?) ON CONFLICT (stream, key) DO UPDATE SET seq = excluded.seq"


class EmbeddedGlobalTables:
    """
    The tables at the cursor, so that a fold sees the same tables with or without a restart.

    A record changes the tables when the cursor passes it, not when it is appended. One exception: records before the
    first policy of the log see that first policy, since questions may precede it.

    Args:
        at: Seq of the last record that was passed, to begin in the middle of the log; None: that of the checkpoint.
    """

    def __init__(self, connection: sqlite3.Connection, streams: PartitionNumbers, at: int | None = None) -> None:
        self._connection = connection
        self._streams = streams
        latest, given = (_LATEST, ()) if at is None else (_LATEST_AT, (at,))
        self._entries = {(entry.scope, entry.agent): entry for entry in self._load(latest, ROUTER, RouterEntry, *given)}
        self._weights = {entry.scope: entry for entry in self._load(latest, WEIGHTS, WeightsEntry, *given)}
        passed = self._load(latest, POLICIES, PolicyAdopted, *given)[-1:]
        adopted = self._load(_ALL, POLICIES, PolicyAdopted)
        first = passed or adopted[:1]
        self.tables = Tables(policy=first[0] if first else None, entries=self._entries, weights=self._weights)
        self.adopted: PolicyAdopted | None = adopted[-1] if adopted else None
        """The policy adopted last, whether or not the cursor has passed it."""
        self._passed: dict[tuple[int, str], int] = {}

    def announce(self, event: Event) -> None:
        """Note an event just appended: the first policy of a log is in force at once."""
        if isinstance(event, PolicyAdopted):
            self.adopted = event
            if self.tables.policy is None:
                self.tables.policy = event

    def advance(self, stored: Stored) -> None:
        """Apply one record that the cursor passes."""
        if stored.topic not in NEWEST_COUNTS:
            return
        event = stored.event
        if isinstance(event, RouterEntry):
            self._entries[event.scope, event.agent] = event
        elif isinstance(event, WeightsEntry):
            self._weights[event.scope] = event
        elif isinstance(event, PolicyAdopted):
            self.tables.policy = event
        key = event.key
        self._passed[self._streams.of_key(event.topic, key), key] = stored.seq

    def write_back(self) -> None:
        """Store which records are the newest of their keys."""
        rows = [(stream, key, seq) for (stream, key), seq in self._passed.items()]
        self._connection.executemany(_STORE, rows)
        self._passed.clear()

    def _load(self, query: str, topic: str, model: type[E], *given: int) -> list[E]:
        """Run the query for each partition of a topic, and decode the found records in log order."""
        rows = [
            row for stream in self._streams.of_topic(topic) for row in self._connection.execute(query, (stream, *given))
        ]
        events = (read_event(record_of(row, self._streams)) for row in sorted(rows))
        return [event for event in events if isinstance(event, model)]
