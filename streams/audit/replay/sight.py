"""
Policies and router entries that a panel must have seen.

A log with one order tells exactly which; a log without leaves only that nothing goes backwards.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

from schemas.panels import PanelAssigned
from schemas.router import router_key
from streams.audit.replay.difference import Difference, at
from streams.log import LogReader, Record
from streams.topology import POLICIES, ROUTER

REMEMBERED_PLACES = 16_384
"""Newest places kept of each router line, 8 bytes each; older ones are counted in the log."""


class Sight(Protocol):
    """Knows what panels must have seen."""

    def adopted(self, record: Record, event_id: str) -> None:
        """Note the adoption of a policy."""

    def check(self, record: Record, asked: int, panel: PanelAssigned) -> Iterator[Difference]:
        """
        Compare what a panel names with what it must have seen.

        Args:
            record: The panel's record.
            asked: Seq of its question.
            panel: The panel.
        """


class MonotoneSight:
    """Within a partition, neither policies nor the sequence numbers of a router line go backwards."""

    def __init__(self) -> None:
        self._adoptions: dict[str, list[int]] = {}
        self._seen: dict[tuple[int, str], int] = {}

    def adopted(self, record: Record, event_id: str) -> None:
        self._adoptions.setdefault(event_id, []).append(record.seq)

    def check(self, record: Record, asked: int, panel: PanelAssigned) -> Iterator[Difference]:
        named = panel.causes[1]
        adopted = self._adoptions.get(named, ())
        if adopted:
            # A policy that is adopted again is in force again.
            seen = self._seen.get((record.partition, POLICIES), 0)
            order = next((place for place in adopted if place >= seen), None)
            if order is None:
                yield at(record, "causes.1", "a policy that no other had replaced before", named)
            else:
                self._seen[record.partition, POLICIES] = order
        for key, sequence in _consulted(panel):
            place = (record.partition, key)
            if sequence < self._seen.get(place, 0):
                yield at(record, f"sequences of {key}", self._seen[place], sequence)
            self._seen[place] = sequence


class ExactSight:
    """
    The tables at the place of a question: the newest router entries before it, and the last policy before it.

    A question before all policies sees the first one behind it. Memory does not grow with the log.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._policies: list[tuple[int, str]] = []
        self._places: dict[str, array[int]] = {}
        self._forgotten: dict[str, int] = {}

    def adopted(self, record: Record, event_id: str) -> None:
        self._policies.append((record.seq, event_id))

    def entered(self, record: Record) -> None:
        """Note the place of a router entry."""
        places = self._places.get(record.key)
        if places is None:
            places = self._places[record.key] = array("q")
        places.append(record.seq)
        if len(places) > 2 * REMEMBERED_PLACES:
            del places[:REMEMBERED_PLACES]
            self._forgotten[record.key] = self._forgotten.get(record.key, 0) + REMEMBERED_PLACES

    def check(self, record: Record, asked: int, panel: PanelAssigned) -> Iterator[Difference]:
        before = [event_id for place, event_id in self._policies if place < asked]
        in_force = before[-1] if before else self._policies[0][1]
        if panel.causes[1] != in_force:
            yield at(record, "causes.1", in_force, panel.causes[1])
        for key, sequence in _consulted(panel):
            newest = self._sequence(key, asked)
            if sequence != newest:
                yield at(record, f"sequences of {key}", newest, sequence)

    def _sequence(self, key: str, asked: int) -> int:
        """Count the entries of a line before a place: their sequence numbers go up by one."""
        places = self._places.get(key)
        if places is None:
            return 0
        forgotten = self._forgotten.get(key, 0)
        if places[-1] < asked:
            return forgotten + len(places)
        if forgotten and places[0] > asked:
            records = self._reader.records((ROUTER,))
            return sum(1 for record in records if record.key == key and record.seq < asked)
        return forgotten + bisect_left(places, asked)


def _consulted(panel: PanelAssigned) -> Iterator[tuple[str, int]]:
    """Iterate the router lines a panel looked at, with the sequence numbers it saw."""
    for candidate in panel.candidates:
        for scope, sequence in zip(panel.scopes, candidate.sequences, strict=True):
            yield router_key(scope, candidate.agent), sequence
