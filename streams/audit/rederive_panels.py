"""First pass of a replay, in log order: router entries from observations, and panels from what the router had seen."""

from collections import OrderedDict, deque
from collections.abc import Callable
from typing import Any

import orjson

from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.registry import decode_canonical
from schemas.router import AgentObserved, RouterEntry, router_key
from streams.audit.difference import Findings, at, compare, unreadable
from streams.processors.fold import Tables
from streams.processors.rank import next_entry
from streams.processors.route import assign
from streams.runtimes.contract import Record
from streams.topology import ASSIGNMENTS, OBSERVATIONS, POLICIES, QUESTIONS, ROUTER

TOPICS = (POLICIES, QUESTIONS, ASSIGNMENTS, OBSERVATIONS, ROUTER)

REMEMBERED_ENTRIES = 20_000
"""Superseded router entries kept, for panels that saw them; one further back is looked for in the log."""
REMEMBERED_QUESTIONS = 20_000
"""Questions kept until their panel comes; one further back is looked for in the log."""

Find = Callable[[str, str], Record | None]
"""Finds a question by its id, or a router entry by its event id, when it is no longer remembered."""


class PanelPass:
    """
    Re-derives `rank` and `route` over the records of `TOPICS` in log order.

    A panel names the policy and the router entries it rests on, so it is derived again from exactly these; what a
    partition saw must never go backwards. Memory does not grow with the log.
    """

    def __init__(self, find: Find) -> None:
        self.findings = Findings()
        self._find = find
        self._lines: dict[str, RouterEntry] = {}
        self._superseded: OrderedDict[str, RouterEntry] = OrderedDict()
        self._due: dict[str, deque[tuple[Record, RouterEntry]]] = {}
        self._questions: OrderedDict[str, QuestionAsked] = OrderedDict()
        self._policies: dict[str, tuple[int, PolicyAdopted]] = {}
        self._seen: dict[tuple[int, str], int] = {}

    def take(self, record: Record) -> None:
        """Check one record, and remember of it what later ones rest on."""
        if record.topic == ROUTER:
            self._router(record)
            return
        if record.topic == ASSIGNMENTS:
            if b'"kind":"panel.assigned.v1"' in record.value or b'"kind":"stage.opened.v1"' not in record.value:
                self._panel(record)
            return
        try:
            event = decode_canonical(record.topic, record.value)
        except ValueError as problem:
            # The pass over questions reports what lies in their topics; policies are looked at here alone.
            if record.topic == POLICIES:
                self.findings.note(unreadable(record, problem))
            return
        if isinstance(event, AgentObserved):
            self._observation(record, event)
        elif isinstance(event, QuestionAsked):
            self._questions.setdefault(event.question_id, event)
            if len(self._questions) > REMEMBERED_QUESTIONS:
                self._questions.popitem(last=False)
        elif isinstance(event, PolicyAdopted):
            if record.key != event.key:
                self.findings.note(at(record, "key", event.key, record.key))
            self._policies.setdefault(event.event_id, (record.seq, event))

    def finish(self, folded: int) -> None:
        """Report the router entries that observations up to *folded* call for and the log does not hold."""
        for due in self._due.values():
            for cause, entry in due:
                if cause.seq > folded:
                    continue
                self.findings.note(at(cause, "record", f"router entry {entry.event_id} of {entry.key}", None))

    def _observation(self, record: Record, event: AgentObserved) -> None:
        for scope in event.scopes:
            key = router_key(scope, event.agent)
            previous = self._lines.get(key)
            self._lines[key] = entry = next_entry(previous, event, scope)
            if previous is not None:
                self._supersede(previous)
            self._due.setdefault(key, deque()).append((record, entry))

    def _router(self, record: Record) -> None:
        due = self._due.get(record.key)
        self.findings.derived += 1
        if not due:
            self.findings.note(at(record, "record", None, "a router entry that follows from no observation"))
            self._resume_at(record)
            return
        _, entry = due.popleft()
        difference = compare(record, entry.encode(), record.key)
        if difference is not None:
            self.findings.note(difference)
            self._resume_at(record)

    def _resume_at(self, record: Record) -> None:
        """Go on from what the log says, so that one wrong entry is one difference and not all that follow it."""
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

    def _panel(self, record: Record) -> None:
        self.findings.derived += 1
        try:
            named = orjson.loads(record.value)
            derived = self._derive(record, named)
        except (ValueError, LookupError, TypeError) as problem:
            self.findings.note(
                at(record, "causes", "a question, a policy and router entries of this log", str(problem))
            )
            return
        difference = compare(record, derived.encode(), derived.key)
        if difference is not None:
            self.findings.note(difference)
            return
        for key, sequence in _consulted(derived):
            place = (record.partition, key)
            if sequence < self._seen.get(place, 0):
                self.findings.note(at(record, f"sequences of {key}", self._seen[place], sequence))
            self._seen[place] = sequence

    def _derive(self, record: Record, named: Any) -> PanelAssigned:
        """Derive a panel again from the question, the policy and the router entries that it names."""
        question = self._question(named["question_id"])
        order, policy = self._policies[named["causes"][1]]
        seen = self._seen.setdefault((record.partition, POLICIES), order)
        if order < seen:
            raise LookupError(f"policy {policy.event_id} had been replaced before")
        self._seen[record.partition, POLICIES] = order
        entries = {}
        for candidate in named["candidates"]:
            for scope, entry_id in zip(named["scopes"], candidate["entry_ids"], strict=True):
                if entry_id is not None:
                    entries[scope, candidate["agent"]] = self._entry(entry_id, scope, candidate["agent"])
        return assign(question, policy, Tables(policy, entries))

    def _question(self, question_id: str) -> QuestionAsked:
        if question_id in self._questions:
            return self._questions.pop(question_id)
        record = self._find(QUESTIONS, question_id)
        event = None if record is None else decode_canonical(QUESTIONS, record.value)
        if not isinstance(event, QuestionAsked):
            raise LookupError(f"question {question_id!r} is not in the log")
        return event

    def _entry(self, entry_id: str, scope: str, agent: str) -> RouterEntry:
        key = router_key(scope, agent)
        entry = self._lines.get(key)
        if entry is None or entry.event_id != entry_id:
            entry = self._superseded.get(entry_id)
        if entry is None and (record := self._find(ROUTER, entry_id)) is not None:
            entry = RouterEntry.decode(record.value)
        if entry is None or entry.key != key:
            raise LookupError(f"there is no router entry {entry_id} of {key}")
        return entry


def _consulted(panel: PanelAssigned) -> list[tuple[str, int]]:
    """List the router lines a panel looked at, with the sequence numbers it saw."""
    return [
        (router_key(scope, candidate.agent), sequence)
        for candidate in panel.candidates
        for scope, sequence in zip(panel.scopes, candidate.sequences, strict=True)
    ]
