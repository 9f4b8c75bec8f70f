"""Chains of entries derived from observations and lessons."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol, TypeVar

from schemas.event import Event
from schemas.lessons import LessonGiven
from schemas.origins import RouterCarried, WeightsCarried
from schemas.registry import decode_canonical
from schemas.router import AgentObserved, RouterEntry, router_key
from schemas.weights import WeightsEntry
from streams.audit.replay.difference import Findings, at
from streams.log import Record
from streams.processors import RANK, TUNE
from streams.processors.fold import Tables
from streams.processors.origin import first_entry
from streams.processors.rank import next_entry
from streams.processors.tune import Tuned
from streams.topology import LESSONS, OBSERVATIONS, ROUTER, WEIGHTS

E = TypeVar("E", bound=RouterEntry | WeightsEntry)
"""An entry: it has a key, and a sequence number in the chain of that key."""

_NO_TABLES = Tables(None, {})


def carried_key(event: RouterCarried | WeightsCarried) -> str:
    """Name the line that a carried entry begins."""
    return event.scope if isinstance(event, WeightsCarried) else router_key(event.scope, event.agent)


def entries_after(record: Record, chains: "Chains[E]", findings: Findings) -> Iterator[E]:
    """Derive the entries that follow from a record of the source; the pass over questions reports an unreadable one."""
    try:
        event = decode_canonical(record.topic, record.value)
    except ValueError:
        return
    if isinstance(event, RouterCarried | WeightsCarried) and chains.newest(carried_key(event)) is not None:
        findings.note(at(record, "record", None, "an entry carried into a line that has entries"))
        return
    yield from chains.follow(event)


class Chains(Protocol[E]):
    """
    The newest entry of each key, as it follows from the events so far.

    Attributes:
        stage: Stage that makes the entries.
        source: Topic of the events.
        table: Topic of the entries.
        what: What an entry is called.
    """

    stage: str
    source: str
    table: str
    what: str

    def decode(self, value: bytes) -> E:
        """
        Read an entry.

        Raises:
            ValueError: It is none.
        """

    def follow(self, event: Event) -> Iterator[E]:
        """Derive the entries that follow from the next event."""

    def newest(self, key: str) -> E | None:
        """Give the newest entry of a key."""

    def resume(self, entry: E) -> None:
        """Go on from an entry that differs from the derived one."""


class RouterChains:
    """Entries of the router's table, one chain for each scope and agent."""

    stage, source, table, what = RANK.name, OBSERVATIONS, ROUTER, "router entry"

    def __init__(self) -> None:
        self._lines: dict[str, RouterEntry] = {}

    def decode(self, value: bytes) -> RouterEntry:
        """Read an entry; raises ValueError if it is none."""
        return RouterEntry.decode(value)

    def follow(self, event: Event) -> Iterator[RouterEntry]:
        """Derive one entry for each scope of an observation; of a carried entry the first of its line."""
        if isinstance(event, RouterCarried):
            if self.newest(carried_key(event)) is None:
                self._lines[carried_key(event)] = entry = first_entry(event)
                yield entry
            return
        assert isinstance(event, AgentObserved), "the topic holds no other kind"
        for scope in event.scopes:
            key = router_key(scope, event.agent)
            self._lines[key] = entry = next_entry(self._lines.get(key), event, scope)
            yield entry

    def newest(self, key: str) -> RouterEntry | None:
        """Give the newest entry of a line."""
        return self._lines.get(key)

    def resume(self, entry: RouterEntry) -> None:
        """Go on from an entry that differs from the derived one."""
        self._lines[entry.key] = entry


class WeightsChains:
    """Tables of weights, one chain for each policy."""

    stage, source, table, what = TUNE.name, LESSONS, WEIGHTS, "weights entry"

    def __init__(self) -> None:
        self._states: dict[str, Tuned] = {}

    def decode(self, value: bytes) -> WeightsEntry:
        """Read a table; raises ValueError if it is none."""
        return WeightsEntry.decode(value)

    def follow(self, event: Event) -> Iterator[WeightsEntry]:
        """Derive the table after a lesson, or the first one from the table that was carried."""
        assert isinstance(event, LessonGiven | WeightsCarried), "the topic holds no other kind"
        for key in TUNE.keys(event):
            step = TUNE.fold(self._states.get(key), event, key, _NO_TABLES)
            self._states[key] = step.state
            for made in step.events:
                assert isinstance(made, WeightsEntry), "tune makes no other events"
                yield made

    def newest(self, key: str) -> WeightsEntry | None:
        """Give the newest table of a policy."""
        state = self._states.get(key)
        return None if state is None else state.entry

    def resume(self, entry: WeightsEntry) -> None:
        """Go on from an entry that differs from the derived one."""
        self._states[entry.key] = replace(self._states.get(entry.key) or Tuned(None), entry=entry)
