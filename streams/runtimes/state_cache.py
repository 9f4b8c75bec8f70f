"""Loaded states of a process, bounded by bytes."""

from collections import OrderedDict
from itertools import count
from typing import Any

MIB = 1 << 20

DEFAULT_MIB = 256
"""Default bound of a process. Beside it a Kafka worker with all stages takes some 250 MiB for its own code, clients and
records in flight, and the manifests in `infra/` allow 1 GiB."""

_ENTRY_BYTES = 250
_FIELD_BYTES = 120
_ASTRAL = tuple(bytes([lead]) for lead in range(0xF0, 0xF5))
"""First bytes of characters that UTF-8 writes in four."""


def loaded_bytes(stored: bytes) -> int:
    """
    Estimate the memory of a state from its JSON, in microseconds and without a look at its objects.

    Counted are the entry in the cache, an object for each field (each colon), and each text twice: as a `str` and as
    the bytes that an event keeps of itself. If any character is not ASCII, a `str` also keeps its UTF-8; one outside
    the basic plane makes every character of its `str` four bytes wide (PEP 393). What states share is counted in each.
    The constants were measured with tracemalloc on states of all folds; a test holds the estimate within a third of
    what a state takes (`tests/integration/kafka/test_state_cache.py`).
    """
    width = 2 if stored.isascii() else 6 if any(lead in stored for lead in _ASTRAL) else 3
    return _ENTRY_BYTES + _FIELD_BYTES * stored.count(b":") + width * len(stored)


class StateCache:
    """
    The states used last, of all partitions and stages of a process.

    Args:
        most_bytes: Bound of all states, by `loaded_bytes`. States that a batch has changed are its own until they are
            committed, and come on top.
    """

    def __init__(self, most_bytes: int = DEFAULT_MIB * MIB) -> None:
        self.used_bytes = 0
        """Estimated memory of the states."""
        self._most = most_bytes
        self._entries: OrderedDict[tuple[int, str], tuple[Any, int]] = OrderedDict()
        self._shares = count()

    def __len__(self) -> int:
        """Count the states."""
        return len(self._entries)

    def share(self) -> "CacheShare":
        """Give the cache to one more user, with keys of its own."""
        return CacheShare(self, next(self._shares))

    def get(self, key: tuple[int, str]) -> tuple[Any, int] | None:
        """Give a state and its bytes, and count it as used; None if it is not here."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: tuple[int, str], state: Any, size: int) -> None:
        """Keep a state, and drop those that were not used for longest beyond the bound."""
        self.drop(key)
        self._entries[key] = state, size
        self.used_bytes += size
        while self.used_bytes > self._most:
            _, (_, dropped) = self._entries.popitem(last=False)
            self.used_bytes -= dropped

    def drop(self, key: tuple[int, str]) -> None:
        """Drop a state, if it is here."""
        _, size = self._entries.pop(key, (None, 0))
        self.used_bytes -= size

    def drop_share(self, share: int) -> None:
        """Drop all states of one user."""
        for key in [key for key in self._entries if key[0] == share]:
            self.drop(key)


class CacheShare:
    """The part of a `StateCache` that belongs to one user."""

    def __init__(self, cache: StateCache, number: int) -> None:
        self._cache = cache
        self._number = number

    def get(self, key: str) -> tuple[Any] | None:
        """Give a state, which may be None, in a tuple; None if it is not here."""
        entry = self._cache.get((self._number, key))
        return None if entry is None else entry[:1]

    def put(self, key: str, state: Any, stored: bytes) -> None:
        """Keep a state, given the JSON that it is stored as."""
        self._cache.put((self._number, key), state, loaded_bytes(stored))

    def clear(self) -> None:
        """Drop all states of this user."""
        self._cache.drop_share(self._number)
