"""
Second replay pass without common order: one question after another.

It compares the events that follow with the events in the log, as two sets.
"""

import heapq
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby, takewhile
from operator import itemgetter
from typing import Self

from schemas.analyses import AnalysisPublished
from schemas.event import Event
from schemas.registry import decode, decode_canonical
from streams.audit.entry_lookup import event_id_of
from streams.audit.replay.call_check import AdoptedPolicies, CallCheck
from streams.audit.replay.certainty import STAGE_OF, Certainty, SettledFindings
from streams.audit.replay.difference import Findings, at, compare, unreadable
from streams.audit.replay.key_placement import KeyPlacement
from streams.audit.replay.ordered_questions import TAUGHT, TOPICS
from streams.audit.replay.origin_check import check_carried, is_carried
from streams.audit.replay.set_aside import RecordsAside
from streams.audit.replay.unordered_derivation import DueEvent, Heard, UnorderedDerivation
from streams.log import LeftOut, Record, UnorderedReader
from streams.processors import MERGE, ROUTE
from streams.processors.dead_letters import unreadable_letter
from streams.processors.fold import Processor
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS, SPENDING

_PANEL, _STAGE = b'"kind":"panel.assigned.v', b'"kind":"stage.opened.v'


Group = tuple[str, list[Record], list[LeftOut]]


def groups(reader: UnorderedReader) -> Iterator[Group]:
    """Iterate the records about each question: those in the view, and those that were left out of it."""
    inside: Iterator[Group] = ((about, records, []) for about, records in reader.by_correlation(TOPICS))
    outside: Iterator[Group] = ((about, [], left_out) for about, left_out in reader.left_out())
    for about, parts in groupby(heapq.merge(inside, outside, key=itemgetter(0)), key=itemgetter(0)):
        records: list[Record] = []
        left_out: list[LeftOut] = []
        for _, some, others in parts:
            records += some
            left_out += others
        yield about, records, left_out


@dataclass(frozen=True, slots=True)
class SortedRecords:
    """The records about one question, sorted by role; each role in the order of its partitions."""

    inputs: list[Record]
    panels: list[Record]
    said: list[Record]
    """Stages and decisions, the outputs of `merge`."""
    taught: list[Record]
    """Observations, lessons and dead letters."""

    @classmethod
    def of(cls, records: Sequence[Record]) -> Self:
        """Sort records; without a panel, the first assignment of unreadable kind stands for it."""
        assigned = [record for record in records if record.topic == ASSIGNMENTS]
        panels = [record for record in assigned if _PANEL in record.value]
        panels = panels or [record for record in assigned if _STAGE not in record.value][:1]
        said = [record for record in assigned if record not in panels]
        said += [record for record in records if record.topic == DECISIONS]
        taught = [record for record in records if record.topic in TAUGHT]
        derived = (ASSIGNMENTS, DECISIONS, *TAUGHT)
        return cls([record for record in records if record.topic not in derived], panels, said, taught)


class UnorderedQuestionPass:
    """
    Re-derives `merge` and `learn` for one question at a time.

    Every derived record must be one that follows, and whatever certainly follows must be there. As in log order, a
    decision rests on inputs alone, and the panel is proved by the other pass.
    """

    def __init__(self, reader: UnorderedReader, aside: RecordsAside | None = None, merge: Processor = MERGE) -> None:
        self._merge = merge
        self._aside = RecordsAside() if aside is None else aside
        self.findings: Findings = SettledFindings(reader.settled())
        self.pending = 0
        """Questions that have no decision yet."""
        self._reach = Certainty(reader)
        self._placement = KeyPlacement(reader)
        self._policies = AdoptedPolicies(reader, ordered=False)

    def take(self, about: str, records: Sequence[Record], left_out: Sequence[LeftOut]) -> None:
        """Check all records about one question, or about another key if their question cannot be read."""
        records = self._aside.others(records)
        for record in records:
            self._placement.check(about, record, self.findings)
            if is_carried(record):
                # The pass over entries derives what follows from it.
                check_carried(record, self.findings)
        found = SortedRecords.of([record for record in records if not is_carried(record)])
        came = self._read(found)
        self._check_panels(found.panels, came)
        self._check_calls(found.said, came)
        self.pending += QUESTIONS in came and not any(record.topic == DECISIONS for record in found.said)
        # The pass over panels reports an unreadable panel; what follows from it cannot be known.
        lost = bool(found.panels) and ASSIGNMENTS not in came
        due = [] if lost else UnorderedDerivation(came, found.said, self._reach, self._merge).due
        self._check_moved(records, left_out)
        self._match([*found.said, *found.taught], [*due, *self._letters(left_out)], lost=lost)

    def _read(self, found: SortedRecords) -> dict[str, list[Heard]]:
        """Read the inputs, and the first panel that can be read."""
        came: dict[str, list[Heard]] = {}
        for record in (*found.inputs, *found.panels):
            try:
                event = decode_canonical(record.topic, record.value)
            except ValueError as problem:
                if record.topic != ASSIGNMENTS:
                    self.findings.note(unreadable(record, problem))
                continue
            if record.topic != ASSIGNMENTS or ASSIGNMENTS not in came:
                came.setdefault(record.topic, []).append((record, event))
        return came

    def _check_panels(self, panels: Sequence[Record], came: dict[str, list[Heard]]) -> None:
        """Check that the question has one panel, and that it is the first question's."""
        asked, event = came[QUESTIONS][0] if QUESTIONS in came else (None, None)
        if asked is not None and not panels and self._reach.folded(ROUTE.name, asked):
            self.findings.note(at(asked, "record", f"a panel for {asked.key!r}", None))
        for record, panel in came.get(ASSIGNMENTS, ()):
            first = None if event is None else event.event_id
            named = next(iter(panel.causes), None)
            if named != first:
                self.findings.note(at(record, "causes.0", first, named))
        for record in panels[1:]:
            self.findings.note(at(record, "record", None, "a second panel of the question"))

    def _check_calls(self, said: Sequence[Record], came: dict[str, list[Heard]]) -> None:
        """Check costs and reservations of the question's calls."""
        calls = CallCheck(self.findings, self._policies)
        for _, event in came.get(ASSIGNMENTS, ()):
            calls.opened(event)
        for record in said:
            # Another check reports a stage that cannot be read.
            with suppress(ValueError):
                calls.opened(decode_canonical(record.topic, record.value))
        for record, event in came.get(SPENDING, ()):
            calls.spent(record, event)
        for record, event in came.get(ANALYSES, ()):
            if isinstance(event, AnalysisPublished):
                calls.analysed(record, event)

    def _check_moved(self, records: Sequence[Record], left_out: Sequence[LeftOut]) -> None:
        """Check that each misplaced record has a copy in its key's partition."""
        for misplaced, _, problem in left_out:
            topic = misplaced.topic
            if problem is not None or not self._reach.folded(STAGE_OF[topic], misplaced):
                continue
            event = decode(topic, misplaced.value, misplaced.timestamp_ms)
            if not any(record.topic == topic and _is_copy(record, misplaced, event) for record in records):
                partition = self._placement.partition(topic, event.key)
                self.findings.note(at(misplaced, "record", f"a copy in partition {partition}", None))

    def _letters(self, left_out: Sequence[LeftOut]) -> Iterator[DueEvent]:
        """Derive the dead letters of undecodable records; in a topic that no stage reads, a letter is not certain."""
        for record, key, problem in left_out:
            if problem is not None:
                letter = unreadable_letter(*record[:4], key, record.value, problem)
                stage = STAGE_OF.get(record.topic)
                yield DueEvent(letter, record, certain=stage is not None and self._reach.folded(stage, record))

    def _match(self, derived: Sequence[Record], due: Sequence[DueEvent], *, lost: bool) -> None:
        """Pair the derived records with the events that follow: by id, and the rest by similarity."""
        self.findings.derived += len(derived)
        missing = {one.event.event_id: one for one in due}
        strays = []
        for record in derived:
            one = missing.pop(event_id_of(record.value), None)
            if one is None:
                strays.append(record)
            else:
                self._compare(record, one)
        for record in strays:
            one = _closest(record, list(missing.values()))
            if one is not None:
                self._compare(record, missing.pop(one.event.event_id))
            elif not lost:
                self.findings.note(at(record, "record", None, "an event that follows from nothing in the log"))
        for one in missing.values():
            if one.certain:
                self.findings.note(at(one.cause, "record", f"{one.event.kind} {one.event.event_id}", None))

    def _compare(self, record: Record, one: DueEvent) -> None:
        difference = compare(record, one.event.encode(), one.event.key)
        if difference is not None:
            self.findings.note(difference)


def _is_copy(record: Record, misplaced: Record, event: Event) -> bool:
    """Say whether a record copies a misplaced one; the broker may have given the copy a time of its own."""
    if record.value == event.encode():
        return True
    # Most records differ in more than a time; those that do not are decoded again.
    if misplaced.timestamp_ms == record.timestamp_ms:
        return False
    return decode(record.topic, misplaced.value, record.timestamp_ms).encode() == record.value


def _closest(record: Record, due: Sequence[DueEvent]) -> DueEvent | None:
    """Choose the event that a record most likely should have been, by the equal bytes at its beginning and its end."""

    def likeness(one: DueEvent) -> int:
        expected, actual = one.event.encode(), record.value
        return _agreeing(expected, actual) + _agreeing(expected[::-1], actual[::-1])

    return max((one for one in due if one.event.topic == record.topic), key=likeness, default=None)


def _agreeing(one: bytes, other: bytes) -> int:
    """Count the bytes up to the first that differs."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
