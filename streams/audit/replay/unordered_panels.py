"""
First replay pass without common order: router entries and panels.

It derives the router entries from all observations, then the panels from the entries.
"""

from typing import NamedTuple

from schemas.registry import decode_canonical
from schemas.router import AgentObserved, RouterEntry, router_key
from streams.audit.entry_lookup import sequence_of
from streams.audit.replay.certainty import Certainty, SettledFindings
from streams.audit.replay.derived_entries import DerivedEntries
from streams.audit.replay.difference import Findings, at, compare
from streams.audit.replay.ordered_panels import question_finder
from streams.audit.replay.panel_check import PanelCheck
from streams.audit.replay.set_aside import RecordsAside
from streams.audit.replay.sight import MonotoneSight
from streams.log import Record, UnorderedReader
from streams.processors import RANK
from streams.processors.rank import next_entry
from streams.topology import ASSIGNMENTS, OBSERVATIONS, POLICIES, QUESTIONS, ROUTER


class PanelFindings(NamedTuple):
    """Result of the pass."""

    findings: Findings
    unproved: int
    """Panels whose policy was removed by compaction."""


def panel_pass(reader: UnorderedReader, aside: RecordsAside | None = None) -> PanelFindings:
    """
    Derive router entries and panels again, except from records that were set aside.

    Panels may name entries that compaction has removed, and without a common order an entry may lie anywhere in its
    topic. So all entries are derived first.
    """
    findings, aside = SettledFindings(reader.settled()), RecordsAside() if aside is None else aside
    with DerivedEntries() as entries:
        ranking = RankCheck(findings, Certainty(reader), entries)
        panels = PanelCheck(findings, MonotoneSight(), question_finder(reader), entries.find, compacted=True)
        for record in reader.records((OBSERVATIONS, POLICIES)):
            if aside.holds(record):
                continue
            if record.topic == OBSERVATIONS:
                ranking.observe(record)
            else:
                panels.take(record)
        for record in reader.records((ROUTER,)):
            ranking.check(record)
        ranking.finish()
        for record in reader.records((QUESTIONS, ASSIGNMENTS)):
            if not aside.holds(record):
                panels.take(record)
    return PanelFindings(findings, panels.unproved)


class RankCheck:
    """
    Re-derives `rank` from all observations, and then compares the router's records.

    All observations of an agent lie in one partition, so the chain of each line is known. Compaction may have kept only
    the newest entry of a line, and after a crash an older entry may stand behind a newer one.
    """

    def __init__(self, findings: Findings, reach: Certainty, entries: DerivedEntries) -> None:
        self._findings = findings
        self._reach = reach
        self._entries = entries
        self._lines: dict[str, RouterEntry] = {}
        self._due: dict[str, tuple[int, Record]] = {}
        """By key, the sequence of the newest entry that must be in the log, and the observation it follows from."""
        self._there: dict[str, int] = {}

    def observe(self, record: Record) -> None:
        """Derive the entries of one observation; the pass over questions reports an unreadable one."""
        try:
            event = decode_canonical(OBSERVATIONS, record.value)
        except ValueError:
            return
        assert isinstance(event, AgentObserved), "the topic holds no other kind"
        for scope in event.scopes:
            key = router_key(scope, event.agent)
            self._lines[key] = entry = next_entry(self._lines.get(key), event, scope)
            self._entries.add(entry)
            if self._reach.folded(RANK.name, record):
                self._due[key] = (entry.sequence, record)

    def check(self, record: Record) -> None:
        """Compare a router entry with the derived one of the same sequence."""
        self._findings.derived += 1
        sequence = sequence_of(record.value) or self._there.get(record.key, 0) + 1
        expected = self._entries.value(record.key, sequence)
        if expected is None:
            self._findings.note(at(record, "record", None, "a router entry that follows from no observation"))
            return
        self._there[record.key] = max(sequence, self._there.get(record.key, 0))
        if difference := compare(record, expected, record.key):
            self._findings.note(difference)

    def finish(self) -> None:
        """Report lines whose newest entry is missing from the log."""
        for key, (sequence, cause) in self._due.items():
            if self._there.get(key, 0) < sequence:
                value = self._entries.value(key, sequence)
                assert value is not None, "it was derived"
                event_id = RouterEntry.decode(value).event_id
                self._findings.note(at(cause, "record", f"router entry {event_id} of {key}", None))
