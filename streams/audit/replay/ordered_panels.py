"""First replay pass in log order: entries and panels."""

from streams.audit.replay.chains import RouterChains, WeightsChains
from streams.audit.replay.difference import Findings, at
from streams.audit.replay.ordered_entries import OrderedEntries
from streams.audit.replay.origin_check import OriginCheck
from streams.audit.replay.panel_check import FindEntries, FindQuestion, PanelCheck
from streams.audit.replay.sight import ExactSight
from streams.log import LogReader, Record
from streams.topology import ASSIGNMENTS, LESSONS, OBSERVATIONS, POLICIES, QUESTIONS, ROUTER, WEIGHTS

TOPICS = (POLICIES, QUESTIONS, ASSIGNMENTS, OBSERVATIONS, ROUTER, LESSONS, WEIGHTS)

REMEMBERED_ENTRIES = 20_000
"""Superseded router entries kept in memory for panels that saw them; an older one is searched in the log."""
REMEMBERED_TABLES = 1_000
"""The same for tables of weights, each of which has some thousand bytes."""


def panel_pass(reader: LogReader, end: int) -> Findings:
    """Derive the tables' entries and the panels again, over the records up to *end*."""
    checked = OrderedPanelPass(reader)
    for record in reader.records(TOPICS):
        if record.seq > end:
            break
        checked.take(record)
    checked.finish(min(end, reader.folded))
    return checked.findings


def question_finder(reader: LogReader) -> FindQuestion:
    """Find the first question of an id in a log."""

    def find(question_id: str) -> Record | None:
        return next((record for record in reader.about(question_id) if record.topic == QUESTIONS), None)

    return find


class OrderedPanelPass:
    """
    Re-derives `rank`, `tune` and `route` over the records of `TOPICS` in log order.

    A panel names the policy and the entries it rests on, so it is derived again from exactly these. They must be those
    in force at its question's place, since one cursor folds the log in order. For the same reason panels and entries
    stand in the order of the records that they follow from. Memory does not grow with the log.
    """

    def __init__(self, reader: LogReader) -> None:
        self.findings = Findings()
        self._sight = ExactSight(reader)
        self._router = OrderedEntries(reader, self.findings, RouterChains(), self._follows, REMEMBERED_ENTRIES)
        self._weights = OrderedEntries(reader, self.findings, WeightsChains(), self._follows, REMEMBERED_TABLES)
        find = FindEntries(self._router.find, self._weights.find)
        self._origin = OriginCheck(self.findings, ordered=True)
        self._panels = PanelCheck(self.findings, self._sight, question_finder(reader), find)
        self._reached = 0

    def take(self, record: Record) -> None:
        """Check one record, and keep what later records rest on."""
        topic = record.topic
        if topic in (POLICIES, OBSERVATIONS, LESSONS):
            self._origin.take(record)
        if topic in (ROUTER, WEIGHTS):
            self._sight.entered(record)
            (self._router if topic == ROUTER else self._weights).take(record)
        elif topic in (OBSERVATIONS, LESSONS):
            (self._router if topic == OBSERVATIONS else self._weights).learn(record)
        else:
            question = self._panels.take(record)
            if question is not None:
                self._follows(record, question)

    def _follows(self, record: Record, cause: Record) -> None:
        """Check that a derived record stands where the fold of its cause put it, and has the headers of its cause."""
        self.findings.follow(record, cause)
        if cause.seq < self._reached:
            self.findings.note(at(record, "seq", "before what follows from later records", record.seq))
        self._reached = max(self._reached, cause.seq)

    def finish(self, folded: int) -> None:
        """Report the entries that follow from records up to *folded* and are missing from the log."""
        self._router.finish(folded)
        self._weights.finish(folded)
        self._origin.finish()
