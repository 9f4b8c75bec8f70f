"""Panels derived again from the events that they name."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson

from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.registry import decode_canonical
from schemas.router import RouterEntry, router_key
from schemas.weights import WeightsEntry
from streams.audit.replay.difference import Findings, at, compare, unreadable
from streams.audit.replay.sight import Sight
from streams.log import Record
from streams.processors.fold import Tables
from streams.processors.route import assign
from streams.topology import ASSIGNMENTS, POLICIES, QUESTIONS

TOPICS = (POLICIES, QUESTIONS, ASSIGNMENTS)

REMEMBERED_QUESTIONS = 20_000
"""Questions kept in memory until their panel comes; an older one is searched in the log."""

FindQuestion = Callable[[str], Record | None]
"""Finds the first question of an id that is no longer in memory."""


class FindEntries(NamedTuple):
    """Find entries of the tables by their id, their key and their place in the chain of that key."""

    router: Callable[[str, str, int], RouterEntry | None]
    weights: Callable[[str, str, int], WeightsEntry | None]


class Asked(NamedTuple):
    """A question and its record."""

    record: Record
    event: QuestionAsked


class PanelCheck:
    """
    Checks panels against the events they name, and that these are the ones they must have seen.

    Args:
        findings: Where differences go.
        sight: Knows what a panel must have seen.
        find_question, find_entries: As above.
        compacted: Whether older policies may have been removed from the log.
    """

    def __init__(
        self,
        findings: Findings,
        sight: Sight,
        find_question: FindQuestion,
        find_entries: FindEntries,
        *,
        compacted: bool = False,
    ) -> None:
        self.unproved = 0
        """Panels that cannot be derived: compaction removed their policy, because a later one has the same key."""
        self._findings = findings
        self._sight = sight
        self._find_question = find_question
        self._find_entries = find_entries
        self._compacted = compacted
        self._questions: OrderedDict[str, Asked] = OrderedDict()
        self._policies: dict[str, PolicyAdopted] = {}
        self._policy_ids: set[str] = set()

    def take(self, record: Record) -> Record | None:
        """Check one record of `TOPICS`, and keep what later records rest on; of a panel, give its question's record."""
        if record.topic == ASSIGNMENTS:
            if b'"kind":"panel.assigned.v' in record.value or b'"kind":"stage.opened.v' not in record.value:
                return self._panel(record)
            return None
        try:
            event = decode_canonical(record.topic, record.value)
        except ValueError as problem:
            # The pass over questions reports unreadable records of the other topics; only this pass reads policies.
            if record.topic == POLICIES:
                self._findings.note(unreadable(record, problem))
            return None
        if isinstance(event, QuestionAsked):
            self._questions.setdefault(event.question_id, Asked(record._replace(value=b""), event))
            if len(self._questions) > REMEMBERED_QUESTIONS:
                self._questions.popitem(last=False)
        elif isinstance(event, PolicyAdopted):
            if record.key != event.key:
                self._findings.note(at(record, "key", event.key, record.key))
            self._policies.setdefault(event.event_id, event)
            self._policy_ids.add(event.policy_id)
            self._sight.adopted(record, event.event_id)
        return None

    def _panel(self, record: Record) -> Record | None:
        self._findings.derived += 1
        asked = None
        try:
            named = orjson.loads(record.value)
            asked = self._question(named["question_id"])
            derived = self._derive(record, asked.event, named)
        except (ValueError, LookupError, TypeError) as problem:
            self._findings.note(at(record, "causes", "a question, a policy and entries of this log", str(problem)))
            return asked and asked.record
        difference = compare(record, derived.encode(), derived.key)
        if difference is not None:
            self._findings.note(difference)
            return asked.record
        for difference in self._sight.check(record, asked.record.seq, derived):
            self._findings.note(difference)
        return asked.record

    def _derive(self, record: Record, question: QuestionAsked, named: Any) -> PanelAssigned:
        """Derive a panel again from its question, and from the policy and the entries that it names."""
        entries = {}
        for candidate in named["candidates"]:
            agent = candidate["agent"]
            looked = zip(named["scopes"], candidate["entry_ids"], candidate["sequences"], strict=True)
            for scope, entry_id, sequence in looked:
                if entry_id is not None:
                    entries[scope, agent] = self._entry(entry_id, router_key(scope, agent), sequence)
        if self._is_removed(named["causes"][1], named["policy_id"]):
            self.unproved += 1
            recorded = decode_canonical(record.topic, record.value)
            assert isinstance(recorded, PanelAssigned), "only panels come here"
            return recorded
        policy = self._policies[named["causes"][1]]
        tables = Tables(policy, entries, self._weights(named.get("odds")))
        return assign(question, policy, tables, crowded=named.get("crowded") is True)

    def _is_removed(self, event_id: str, policy_id: str) -> bool:
        """Whether compaction may have removed a policy: it keeps a later one of the same key."""
        return self._compacted and event_id not in self._policies and policy_id in self._policy_ids

    def _question(self, question_id: str) -> Asked:
        if question_id in self._questions:
            return self._questions.pop(question_id)
        record = self._find_question(question_id)
        event = None if record is None else decode_canonical(QUESTIONS, record.value)
        if record is None or not isinstance(event, QuestionAsked):
            raise LookupError(f"question {question_id!r} is not in the log")
        return Asked(record, event)

    def _entry(self, entry_id: str, key: str, sequence: int) -> RouterEntry:
        entry = self._find_entries.router(entry_id, key, sequence)
        if entry is None or entry.key != key:
            raise LookupError(f"there is no router entry {entry_id} of {key}")
        return entry

    def _weights(self, named: Any) -> dict[str, WeightsEntry]:
        """Give the table of weights whose share a panel carries."""
        if named is None or named["entry_id"] is None:
            return {}
        entry_id, key = named["entry_id"], named["scope"]
        entry = self._find_entries.weights(entry_id, key, named["sequence"])
        if entry is None or entry.key != key:
            raise LookupError(f"there is no weights entry {entry_id} of {key}")
        return {key: entry}
