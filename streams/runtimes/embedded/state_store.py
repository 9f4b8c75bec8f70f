"""The state store of one processor, with an LRU cache."""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from schemas.canonical import canonical_json
from streams.processors.fold import Processor

_OPEN_AT_ONCE = 500
"""Open keys read in one query, with their states in memory together."""

_LOAD = "SELECT value FROM states WHERE processor = ? AND key = ?"
_STORE = (
    "INSERT INTO states VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (processor, key) DO UPDATE SET open = excluded.open, value = excluded.value"
)
_OPEN = (
    "SELECT since, key, value FROM states INDEXED BY states_open"
    " WHERE processor = ? AND open AND (since, key) > (?, ?) ORDER BY since, key LIMIT ?"
)


class EmbeddedStateStore:
    """
    States by key. Memory holds changed states until `write_back`, and recently loaded or written unchanged ones.

    Args:
        connection: `write_back` writes into its open transaction.
        processor: Owner of the states.
        most: Most unchanged states in memory.
    """

    def __init__(self, connection: sqlite3.Connection, processor: Processor, most: int) -> None:
        self.processor = processor
        self._connection = connection
        self._most = most
        self._changed: dict[str, tuple[Any, int]] = {}
        self._unchanged: OrderedDict[str, Any] = OrderedDict()

    @property
    def changed(self) -> bool:
        """Say whether there is anything to write back."""
        return bool(self._changed)

    def get(self, key: str) -> Any:
        """Give the state of a key; None if it has none yet."""
        changed = self._changed.get(key)
        if changed is not None:
            return changed[0]
        if key in self._unchanged:
            self._unchanged.move_to_end(key)
            return self._unchanged[key]
        row = self._connection.execute(_LOAD, (self.processor.name, key)).fetchone()
        if row is None:
            return None
        state = self.processor.load(orjson.loads(row[0]))
        self._keep(key, state)
        return state

    def put(self, key: str, state: Any, seq: int) -> None:
        """Replace the state of a key after the fold of record *seq*; the first seq stays the key's `since`."""
        self._unchanged.pop(key, None)
        changed = self._changed.get(key)
        self._changed[key] = (state, seq if changed is None else changed[1])

    def write_back(self) -> int:
        """Write the changed states, and count them."""
        processor = self.processor
        rows = [
            (processor.name, key, seq, processor.open(state), canonical_json(processor.dump(state)))
            for key, (state, seq) in self._changed.items()
        ]
        self._connection.executemany(_STORE, rows)
        for key, (state, _) in self._changed.items():
            self._keep(key, state)
        self._changed.clear()
        return len(rows)

    def open(self) -> Iterator[tuple[str, Any]]:
        """Iterate the open keys and their states in the order of their first records; call `write_back` before."""
        at = (0, "")
        while rows := self._connection.execute(_OPEN, (self.processor.name, *at, _OPEN_AT_ONCE)).fetchall():
            for since, key, value in rows:
                at = (since, key)
                yield key, self.processor.load(orjson.loads(value))

    def _keep(self, key: str, state: Any) -> None:
        self._unchanged[key] = state
        if len(self._unchanged) > self._most:
            self._unchanged.popitem(last=False)


def readers_of(stores: Iterable[EmbeddedStateStore]) -> dict[str, list[EmbeddedStateStore]]:
    """Give the stores of the processors that read a topic, for each topic, in their order."""
    readers: dict[str, list[EmbeddedStateStore]] = {}
    for store in stores:
        for topic in store.processor.reads:
            readers.setdefault(topic, []).append(store)
    return readers
