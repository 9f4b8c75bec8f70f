"""
Records decoded without any code of the program.

Ids are recomputed here from the bytes alone.
"""

import hashlib
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

QUESTIONS = "orch.questions"
ASSIGNMENTS = "orch.assignments"
ANALYSES = "orch.analyses"
DEADLINES = "orch.deadlines"
DECISIONS = "orch.decisions"
FEEDBACK = "orch.feedback"
OBSERVATIONS = "orch.observations"
ROUTER = "orch.router"
LESSONS = "orch.lessons"
WEIGHTS = "orch.weights"
POLICIES = "orch.policies"
DEAD_LETTERS = "orch.dead-letters"

TOPICS = (
    POLICIES,
    QUESTIONS,
    ASSIGNMENTS,
    ANALYSES,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    OBSERVATIONS,
    ROUTER,
    LESSONS,
    WEIGHTS,
    DEAD_LETTERS,
)
"""Every topic that is checked."""

TABLES = (ROUTER, WEIGHTS)
"""Topics that are compacted."""

PANELS = ("panel.assigned.v1", "panel.assigned.v2")
"""The kinds of event that seat a question's first agents."""

# Fields that a producer may leave out, by topic; the id is that of the whole event.
_LEFT_OUT: dict[str, dict[str, Any]] = {
    QUESTIONS: {"kind": "question.asked.v1", "causes": [], "options": [], "answer_type": "choice", "subject": None},
    FEEDBACK: {"kind": "feedback.given.v1", "causes": [], "author": None, "answer": None, "verdict": None},
}

_MOVED = "orch_moved_from"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 5


class FoundRecord(NamedTuple):
    """One record as the broker gave it."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def place(self) -> str:
        """Topic, partition and offset, for people."""
        return f"{self.topic}/{self.partition}@{self.offset}"


class Read(NamedTuple):
    """An event and the record it stands in."""

    event_id: str
    fields: dict[str, Any]
    found: FoundRecord


class CheckFindings:
    """Faults found: the count and the first few cases of each kind."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: defaultdict[str, list[str]] = defaultdict(list)

    def add(self, kind: str, case: str) -> None:
        """Note one case."""
        self.counts[kind] += 1
        if len(self.examples[kind]) < _SHOWN:
            self.examples[kind].append(case)

    def compare(self, due: Counter[Any], made: Counter[Any], *, missing: str, surplus: str) -> None:
        """Note what is due and was not made, and what was made and is not due, under a kind each."""
        for one in due - made:
            self.add(missing, str(one))
        for one in made - due:
            self.add(surplus, str(one))


class LogCheckReader:
    """
    Reads records, recomputes ids and counts repeats.

    Two records with one id have equal bytes, since each is the canonical form of what the id is the hash of.
    """

    def __init__(self, findings: CheckFindings) -> None:
        self.records: Counter[str] = Counter()
        self.repeats: Counter[str] = Counter()
        """Repeats of earlier events, by topic; a republished record repeats republished ones only."""
        self.moved = 0
        """Questions and feedback republished to the partition of their id."""
        self.gaps: Counter[str] = Counter()
        """Offsets without a record: what compaction has removed."""
        self._findings = findings
        self._ids: set[str] = set()
        self._copies: set[str] = set()
        self._causes: dict[str, str] = {}
        self._next: dict[tuple[str, int], int] = {}

    def read(self, found: FoundRecord) -> Read | None:
        """
        Read one record; those of a partition come in their order.

        Returns:
            None for a repeat of an earlier event, and for a record that is no event. Repeats of questions and
            feedback are given too, since only those in the partition of their id count; and those of the tables'
            entries, of which compaction keeps the last.
        """
        self.records[found.topic] += 1
        place = found.topic, found.partition
        self.gaps[found.topic] += found.offset - self._next.get(place, 0)
        self._next[place] = found.offset + 1
        event = self._from_stranger(found) if found.topic in _LEFT_OUT else self._derived(found)
        if event is None:
            return None
        is_copy = any(name == _MOVED for name, _ in found.headers)
        seen = self._copies if is_copy else self._ids
        repeated = event.event_id in seen
        seen.add(event.event_id)
        self.repeats[found.topic] += repeated
        self.moved += is_copy and not repeated
        for cause in () if repeated else event.fields["causes"]:
            self._causes.setdefault(cause, found.place)
        return None if repeated and found.topic not in (*_LEFT_OUT, *TABLES) else event

    def unknown_causes(self) -> list[tuple[str, str]]:
        """List the ids of causes that no record has, each with a record that names it."""
        return [(cause, place) for cause, place in self._causes.items() if cause not in self._ids]

    def _from_stranger(self, found: FoundRecord) -> Read | None:
        try:
            given = json.loads(found.value or b"")
        except ValueError:
            given = None
        if not isinstance(given, dict):
            # A dead letter must follow; it is counted there.
            return None
        fields = {**_LEFT_OUT[found.topic], "occurred_at": instant(found.timestamp_ms), **given}
        told = fields.pop("event_id", None)
        event_id = hash_of(fields)
        if told not in (None, event_id):
            self._findings.add("wrong id", f"{found.place}: {told}, not {event_id}")
        return Read(event_id, fields, found)

    def _derived(self, found: FoundRecord) -> Read | None:
        try:
            fields = json.loads(found.value or b"")
        except ValueError:
            fields = None
        if not isinstance(fields, dict) or "event_id" not in fields:
            self._findings.add("no event", found.place)
            return None
        if canonical(fields) != found.value:
            self._findings.add("not canonical", found.place)
        told = fields.pop("event_id")
        event_id = hash_of(fields)
        if told != event_id:
            self._findings.add("wrong id", f"{found.place}: {told}, not {event_id}")
        if dict(found.headers).get("ce_id") != told.encode():
            self._findings.add("wrong header", f"{found.place}: ce_id is not {told}")
        return Read(event_id, fields, found)


def canonical(fields: dict[str, Any]) -> bytes:
    """Write JSON in its one form: keys in order, no spaces, UTF-8."""
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def hash_of(fields: dict[str, Any]) -> str:
    """Give the id of an event from its other fields."""
    return hashlib.sha256(canonical(fields)).hexdigest()


def instant(timestamp_ms: int) -> str:
    """Write a record's time as events do."""
    at = _EPOCH + timedelta(milliseconds=timestamp_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
