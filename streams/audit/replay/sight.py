"""
Policies and entries that a panel must have seen.

A log with one order tells exactly which; a log without leaves only that nothing goes backwards.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Protocol

from schemas.panels import PanelAssigned
from schemas.router import router_key
from streams.audit.entry_lookup import sequence_of
from streams.audit.explain.odds import odds_of
from streams.audit.replay.difference import Difference, at
from streams.log import LogReader, Record
from streams.topology import POLICIES, ROUTER, WEIGHTS

REMEMBERED_PLACES = 16_384
"""Newest places kept of each chain of entries, 8 bytes each; older ones are counted in the log."""

ChainName = tuple[str, str]
"""Topic and key of a chain of entries."""


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
    """Within a partition, neither policies nor the sequence numbers of a chain of entries go backwards."""

    def __init__(self) -> None:
        self._adoptions: dict[str, list[int]] = {}
        self._seen: dict[tuple[int, ChainName], int] = {}

    def adopted(self, record: Record, event_id: str) -> None:
        self._adoptions.setdefault(event_id, []).append(record.seq)

    def check(self, record: Record, asked: int, panel: PanelAssigned) -> Iterator[Difference]:
        named = panel.causes[1]
        adopted = self._adoptions.get(named, ())
        if adopted:
            # A policy that is adopted again is in force again.
            policies = record.partition, (POLICIES, "")
            seen = self._seen.get(policies, 0)
            order = next((place for place in adopted if place >= seen), None)
            if order is None:
                yield at(record, "causes.1", "a policy that no other had replaced before", named)
            else:
                self._seen[policies] = order
        for chain, sequence in _consulted(panel):
            place = (record.partition, chain)
            if sequence < self._seen.get(place, 0):
                yield at(record, _field(chain), self._seen[place], sequence)
            self._seen[place] = sequence


class ExactSight:
    """
    The tables at the place of a question: the newest entries before it, and the last policy before it.

    A question before all policies sees the first one behind it. Memory does not grow with the log.
    """

    def __init__(self, reader: LogReader) -> None:
        self._reader = reader
        self._policies: list[tuple[int, str]] = []
        self._places: dict[ChainName, array[int]] = {}
        self._forgotten: dict[ChainName, int] = {}
        self._begun: dict[ChainName, int] = {}
        """Sequence number before the first entry: not 0 where the line goes on from an earlier log."""

    def adopted(self, record: Record, event_id: str) -> None:
        self._policies.append((record.seq, event_id))

    def entered(self, record: Record) -> None:
        """Note the place of an entry."""
        chain = record.topic, record.key
        places = self._places.get(chain)
        if places is None:
            places = self._places[chain] = array("q")
            self._begun[chain] = max(sequence_of(record.value) - 1, 0)
        places.append(record.seq)
        if len(places) > 2 * REMEMBERED_PLACES:
            del places[:REMEMBERED_PLACES]
            self._forgotten[chain] = self._forgotten.get(chain, 0) + REMEMBERED_PLACES

    def check(self, record: Record, asked: int, panel: PanelAssigned) -> Iterator[Difference]:
        before = [event_id for place, event_id in self._policies if place < asked]
        in_force = before[-1] if before else self._policies[0][1]
        if panel.causes[1] != in_force:
            yield at(record, "causes.1", in_force, panel.causes[1])
        for chain, sequence in _consulted(panel):
            newest = self._sequence(chain, asked)
            if sequence != newest:
                yield at(record, _field(chain), newest, sequence)

    def _sequence(self, chain: ChainName, asked: int) -> int:
        """Count the entries of a chain before a place: their sequence numbers go up by one."""
        places = self._places.get(chain)
        if places is None or (places[0] >= asked and chain not in self._forgotten):
            return 0
        begun, forgotten = self._begun[chain], self._forgotten.get(chain, 0)
        if places[-1] < asked:
            return begun + forgotten + len(places)
        if forgotten and places[0] > asked:
            topic, key = chain
            records = self._reader.records((topic,))
            before = sum(1 for record in records if record.key == key and record.seq < asked)
            return begun + before if before else 0
        return begun + forgotten + bisect_left(places, asked)


def _consulted(panel: PanelAssigned) -> Iterator[tuple[ChainName, int]]:
    """Iterate the chains a panel looked at, with the sequence numbers it saw."""
    for candidate in panel.candidates:
        for scope, sequence in zip(panel.scopes, candidate.sequences, strict=True):
            yield (ROUTER, router_key(scope, candidate.agent)), sequence
    odds = odds_of(panel)
    if odds is not None:
        yield (WEIGHTS, odds.scope), odds.sequence


def _field(chain: ChainName) -> str:
    """Name the field of a panel that holds the sequence number."""
    topic, key = chain
    return f"odds.sequence of {key}" if topic == WEIGHTS else f"sequences of {key}"
