"""
First replay pass without common order: entries and panels.

It derives the entries from all events that they follow from, then the panels from the entries.
"""

from typing import NamedTuple

from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.audit.replay.certainty import Certainty, SettledFindings
from streams.audit.replay.chains import RouterChains, WeightsChains
from streams.audit.replay.derived_entries import DerivedEntries
from streams.audit.replay.difference import Findings
from streams.audit.replay.ordered_panels import REMEMBERED_TABLES, question_finder
from streams.audit.replay.origin_check import OriginCheck
from streams.audit.replay.panel_check import FindEntries, PanelCheck
from streams.audit.replay.set_aside import RecordsAside
from streams.audit.replay.sight import MonotoneSight
from streams.audit.replay.unordered_entries import UnorderedEntries
from streams.log import UnorderedReader
from streams.topology import ASSIGNMENTS, LESSONS, OBSERVATIONS, POLICIES, QUESTIONS, ROUTER, WEIGHTS


class PanelFindings(NamedTuple):
    """Result of the pass."""

    findings: Findings
    unproved: int
    """Panels whose policy was removed by compaction."""


def panel_pass(reader: UnorderedReader, aside: RecordsAside | None = None) -> PanelFindings:
    """
    Derive the tables' entries and the panels again, except from records that were set aside.

    Panels may name entries that compaction has removed, and without a common order an entry may lie anywhere in its
    topic. So all entries are derived first.
    """
    findings, aside = SettledFindings(reader.settled()), RecordsAside() if aside is None else aside
    with DerivedEntries(RouterEntry.decode) as lines, DerivedEntries(WeightsEntry.decode, REMEMBERED_TABLES) as weights:
        reach = Certainty(reader)
        router = UnorderedEntries(findings, reach, RouterChains(), lines)
        tuning = UnorderedEntries(findings, reach, WeightsChains(), weights)
        find = FindEntries(lines.find, weights.find)
        panels = PanelCheck(findings, MonotoneSight(), question_finder(reader), find, compacted=True)
        origin = OriginCheck(findings, ordered=False)
        takes = {
            OBSERVATIONS: router.learn,
            LESSONS: tuning.learn,
            ROUTER: router.take,
            WEIGHTS: tuning.take,
        }
        for topics in ((OBSERVATIONS, LESSONS, POLICIES), (ROUTER, WEIGHTS)):
            for record in reader.records(topics):
                if not aside.holds(record):
                    origin.take(record)
                    takes.get(record.topic, panels.take)(record)
        router.finish()
        tuning.finish()
        origin.finish()
        for record in reader.records((QUESTIONS, ASSIGNMENTS)):
            if not aside.holds(record):
                panels.take(record)
    return PanelFindings(findings, panels.unproved)
