"""
Checks of lessons and weights of the rule `odds`.

Every lesson is there and applied once, the tables form a chain, a panel's share is that of the table it names, and each
score is the sum of its terms.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from infra.chaos.chain import Link, check_chain
from infra.chaos.check_decisions import Observation
from infra.chaos.reading import CheckFindings, FoundRecord, Read

ONE = 1 << 16
"""One nat in the unit of a weight."""


class _TableRead(NamedTuple):
    event_id: str
    sequence: int
    previous: str | None
    lesson: str
    lessons: int
    found: FoundRecord


class WeightsCheck:
    """The lessons and the tables of weights of a log, and what panels and decisions say of them."""

    def __init__(self, findings: CheckFindings) -> None:
        self._findings = findings
        self._lessons: dict[str, tuple[Observation, str]] = {}
        """What was taught and the policy whose weights learn it, by event id."""
        self._tables: defaultdict[str, list[_TableRead]] = defaultdict(list)
        self._last: dict[str, int] = {}
        """Offset of the last copy of each table; tables may be repeated."""
        self._witnessed: dict[tuple[str, int], tuple[str, str]] = {}
        """Id of each number of a policy's tables, and the place of the panel that names it."""
        self._seen: dict[tuple[int, str], tuple[int, str]] = {}
        self._shares: defaultdict[str, list[tuple[str, dict[str, int]]]] = defaultdict(list)
        """Shares of a table that panels carry, by the table's id, each with the panel's place."""
        self._known: dict[str, dict[str, int]] = {}
        """Weights that a panel carries, by its id."""
        self.summed = 0
        """Scores that were added up again."""

    @property
    def lessons(self) -> int:
        """Distinct lessons."""
        return len(self._lessons)

    @property
    def tables(self) -> int:
        """Distinct tables."""
        return sum(map(len, self._tables.values()))

    def take_panel(self, read: Read) -> None:
        """Take in what a panel knows of the weights."""
        odds = read.fields.get("odds")
        if odds is None:
            return
        scope, sequence, place = odds["scope"], odds["sequence"], read.found.place
        newest, seen_at = self._seen.get((read.found.partition, scope), (0, ""))
        if sequence < newest:
            self._findings.add("went backwards", f"{place}: weights of {scope} at {sequence}, {seen_at} saw {newest}")
        self._seen[read.found.partition, scope] = max((newest, seen_at), (sequence, place))
        if sequence:
            self._witness(scope, sequence, odds["entry_id"], place)
        share = {
            _name(member["agent"], name): weight
            for member in odds["members"]
            for name, weight in member["weights"].items()
        }
        self._known[read.event_id] = {**share, **odds["shared"]}
        self._shares[odds["entry_id"]].append((place, self._known[read.event_id]))

    def _witness(self, scope: str, sequence: int, entry_id: str, place: str) -> None:
        other_id, other = self._witnessed.setdefault((scope, sequence), (entry_id, place))
        if other_id != entry_id:
            self._findings.add(
                "fork", f"weights of {scope}: number {sequence} is another one for {place} than for {other}"
            )

    def take_decision(self, read: Read) -> None:
        """Add up the scores of a decision again, from the weights that its panel carries."""
        odds = read.fields.get("odds")
        if odds is None or not odds["lines"]:
            return
        question_id = read.fields["question_id"]
        known = next((self._known[cause] for cause in read.fields["causes"] if cause in self._known), None)
        if known is None:
            self._findings.add("unnamed cause", f"{question_id}: no panel with weights")
            return
        scores = []
        for line in odds["lines"]:
            for term in line["terms"]:
                weight = known.get(term["name"], ONE if term["name"].startswith("agent/") else 0)
                if term["weight"] != weight:
                    case = f"{question_id}: {term['name']} counts {term['weight']}, the panel says {weight}"
                    self._findings.add("miscounted", case)
            total = sum(term["weight"] * term["times"] for term in line["terms"])
            scores.append(total)
            if abs(line["score_unats"] * ONE - total * 10**6) > ONE // 2:
                self._findings.add("miscounted", f"{question_id}: {line['answer']} has {line['score_unats']}")
            self.summed += 1
        # Of equal scores the number of ballots decides, then the order of the agents; any of them may stand first.
        leaders = [line["answer"] for line, score in zip(odds["lines"], scores, strict=True) if score == max(scores)]
        if scores[0] != max(scores) or read.fields["answer"] not in (None, *leaders):
            self._findings.add("miscounted", f"{question_id}: {read.fields['answer']}, and {leaders} lead: {scores}")

    def take_lesson(self, read: Read) -> None:
        """Take in a lesson."""
        fields = read.fields
        taught = Observation(fields["question_id"], "", fields["source"], tuple(fields["causes"]))
        self._lessons[read.event_id] = taught, fields["scope"]

    def take_table(self, read: Read) -> None:
        """Take in a table or the repeat of one, in the order of the log."""
        fields = read.fields
        if read.event_id not in self._last:
            table = _TableRead(
                read.event_id,
                fields["sequence"],
                fields["previous"],
                fields["lesson_id"],
                fields["lessons"],
                read.found,
            )
            self._tables[fields["scope"]].append(table)
            self._witness(fields["scope"], table.sequence, table.event_id, read.found.place)
            for place, share in self._shares.get(read.event_id, ()):
                self._compare(place, share, fields)
        self._last[read.event_id] = read.found.offset

    def _compare(self, place: str, share: Mapping[str, int], fields: Mapping[str, Any]) -> None:
        own = {
            _name(known["agent"], name): pair[0]
            for known in fields["agents"]
            for name, pair in known["weights"].items()
        }
        whole = {**own, **{name: pair[0] for name, pair in fields["shared"].items()}}
        for name, weight in share.items():
            if whole.get(name) != weight:
                case = f"{place}: {name} is {weight}, its table of number {fields['sequence']} says {whole.get(name)}"
                self._findings.add("another share", case)

    def finish(self, expected: Iterable[Observation], gaps: int) -> None:
        """
        Check all of it.

        Args:
            expected: What should have been taught.
            gaps: Tables that compaction may have removed.
        """
        due, made = Counter(expected), Counter(taught for taught, _ in self._lessons.values())
        self._findings.compare(due, made, missing="not taught", surplus="taught for nothing")
        lengths = Counter(scope for _, scope in self._lessons.values())
        applied: Counter[str] = Counter()
        missing = 0
        for scope, tables in self._tables.items():
            applied.update(table.lesson for table in tables)
            missing += self._check_chain(scope, tables, may_lack=gaps > 0)
            # Compaction never removes the newest table, so this holds whatever it removed.
            newest = max(tables, key=lambda one: one.sequence)
            if (newest.sequence, newest.lessons) != (lengths[scope], lengths[scope]):
                case = f"weights of {scope} end with {newest.sequence}, after {lengths[scope]} lessons"
                self._findings.add("wrong length", case)
        for scope in lengths.keys() - self._tables.keys():
            self._findings.add("wrong length", f"no weights of {scope}, after {lengths[scope]} lessons")
        for lesson_id, times in applied.items():
            if times > 1:
                self._findings.add("applied twice", f"lesson {lesson_id}: {times} tables")
            elif lesson_id not in self._lessons:
                self._findings.add("applied unseen", f"lesson {lesson_id}")
        if missing > gaps:
            self._findings.add("broken chain", f"{missing} tables are missing, and only {gaps} were compacted")

    def _check_chain(self, scope: str, tables: list[_TableRead], *, may_lack: bool) -> int:
        """Check one policy's tables from the first to the last; count what is missing."""
        links = [Link(one.sequence, one.event_id, one.previous, one.found.place, one.found.offset) for one in tables]
        return check_chain(self._findings, f"weights of {scope}", links, self._last, may_lack=may_lack)


def _name(agent: str, name: str) -> str:
    """Name one agent's weight as the terms of a decision do."""
    if name == "agent":
        return f"agent/{agent}"
    return f"agent+negated/{agent}" if name == "negated" else f"agent+class/{agent}/{name}"
