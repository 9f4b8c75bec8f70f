"""First replay pass in log order: router entries and panels."""

from collections import OrderedDict, deque

from schemas.registry import decode_canonical
from schemas.router import AgentObserved, RouterEntry, router_key
from streams.audit.replay.difference import Findings, at, compare
from streams.audit.replay.panel_check import FindQuestion, PanelCheck
from streams.audit.replay.sight import ExactSight
from streams.log import LogReader, Record
from streams.processors.rank import next_entry
from streams.topology import ASSIGNMENTS, OBSERVATIONS, POLICIES, QUESTIONS, ROUTER

TOPICS = (POLICIES, QUESTIONS, ASSIGNMENTS, OBSERVATIONS, ROUTER)

REMEMBERED_ENTRIES = 20_000
"""Superseded router entries kept in memory for panels that saw them; an older one is searched in the log."""


def panel_pass(reader: LogReader, end: int) -> Findings:
    """Derive router entries and panels again, over the records up to *end*."""
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
    Re-derives `rank` and `route` over the records of `TOPICS` in log order.

    A panel names the policy and the router entries it rests on, so it is derived again from exactly these. They must be
    those in force at its question's place, since one cursor folds the log in order. For the same reason panels and
    router entries stand in the order of the records that they follow from. Memory does not grow with the log.
    """

    def __init__(self, reader: LogReader) -> None:
        self.findings = Findings()
        self._reader = reader
        self._sight = ExactSight(reader)
        self._panels = PanelCheck(self.findings, self._sight, question_finder(reader), self._find_entry)
        self._reached = 0
        self._lines: dict[str, RouterEntry] = {}
        self._superseded: OrderedDict[str, RouterEntry] = OrderedDict()
        self._due: dict[str, deque[tuple[Record, RouterEntry]]] = {}

    def take(self, record: Record) -> None:
        """Check one record, and keep what later records rest on."""
        if record.topic == ROUTER:
            self._router(record)
        elif record.topic == OBSERVATIONS:
            self._observation(record)
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
        """Report the router entries that follow from observations up to *folded* and are missing from the log."""
        for due in self._due.values():
            for cause, entry in due:
                if cause.seq > folded:
                    continue
                self.findings.note(at(cause, "record", f"router entry {entry.event_id} of {entry.key}", None))

    def _observation(self, record: Record) -> None:
        try:
            event = decode_canonical(OBSERVATIONS, record.value)
        except ValueError:
            # The pass over questions reports it.
            return
        assert isinstance(event, AgentObserved), "the topic holds no other kind"
        for scope in event.scopes:
            key = router_key(scope, event.agent)
            previous = self._lines.get(key)
            self._lines[key] = entry = next_entry(previous, event, scope)
            if previous is not None:
                self._supersede(previous)
            self._due.setdefault(key, deque()).append((record, entry))

    def _router(self, record: Record) -> None:
        self._sight.entered(record)
        due = self._due.get(record.key)
        self.findings.derived += 1
        if not due:
            self.findings.note(at(record, "record", None, "a router entry that follows from no observation"))
            self._resume_at(record)
            return
        cause, entry = due.popleft()
        self._follows(record, cause)
        difference = compare(record, entry.encode(), record.key)
        if difference is not None:
            self.findings.note(difference)
            self._resume_at(record)

    def _resume_at(self, record: Record) -> None:
        """
        Go on from the entry in the log, so that one wrong entry is one difference, and the entries after it are none.
        """
        try:
            entry = RouterEntry.decode(record.value)
        except ValueError:
            return
        self._supersede(entry)
        if not self._due.get(entry.key):
            self._lines[entry.key] = entry

    def _supersede(self, entry: RouterEntry) -> None:
        self._superseded[entry.event_id] = entry
        if len(self._superseded) > REMEMBERED_ENTRIES:
            self._superseded.popitem(last=False)

    def _find_entry(self, entry_id: str, key: str, sequence: int) -> RouterEntry | None:
        entry = self._lines.get(key)
        if entry is not None and entry.event_id == entry_id:
            return entry
        return self._superseded.get(entry_id) or self._far_back(entry_id)

    def _far_back(self, entry_id: str) -> RouterEntry | None:
        """Search the log, because ids have no index, for an entry that was superseded long before."""
        mark = f'"event_id":"{entry_id}"'.encode()
        found = next((record for record in self._reader.records((ROUTER,)) if mark in record.value), None)
        return None if found is None else RouterEntry.decode(found.value)
