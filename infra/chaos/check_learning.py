"""
Checks of observations and of the router table.

Every observation is there and applied once; the entries of one line of the router table form one chain.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from infra.chaos.chain import Link, check_chain
from infra.chaos.check_decisions import Observation
from infra.chaos.reading import CheckFindings, FoundRecord, Read


class _EntryRead(NamedTuple):
    event_id: str
    sequence: int
    previous: str | None
    observation: str
    found: FoundRecord

    @property
    def place(self) -> str:
        return self.found.place


class LearningCheck:
    """The observations and the router entries of a log."""

    def __init__(self, findings: CheckFindings) -> None:
        self.compacted = 0
        """Entries missing from the chains."""
        self._findings = findings
        self._observed: dict[str, tuple[Observation, tuple[str, ...]]] = {}
        """What was observed and the scopes it counts in, by event id."""
        self._lines: defaultdict[tuple[str, str], list[_EntryRead]] = defaultdict(list)
        self._witnessed: dict[tuple[str, str, int], tuple[str, str]] = {}
        """Id of each number of a line, and the position of the panel that names it; panels are never compacted."""
        self._last: dict[str, int] = {}
        """Position of the last copy of each entry; entries may be repeated."""

    @property
    def entries(self) -> int:
        """Distinct router entries."""
        return sum(map(len, self._lines.values()))

    @property
    def observations(self) -> int:
        """Distinct observations."""
        return len(self._observed)

    def take_panel(self, read: Read) -> None:
        """Take in what a panel saw of the router table."""
        for candidate in read.fields["candidates"]:
            seen = zip(read.fields["scopes"], candidate["sequences"], candidate["entry_ids"], strict=True)
            for scope, sequence, entry_id in seen:
                if sequence:
                    self._witness((scope, candidate["agent"], sequence), entry_id, read.found.place)

    def _witness(self, number: tuple[str, str, int], entry_id: str, place: str) -> None:
        other_id, other = self._witnessed.setdefault(number, (entry_id, place))
        if other_id != entry_id:
            scope, agent, sequence = number
            self._findings.add(
                "fork", f"{scope}/{agent}: number {sequence} is another one for {place} than for {other}"
            )

    def take_observation(self, read: Read) -> None:
        """Take in an observation."""
        fields = read.fields
        observation = Observation(fields["question_id"], fields["agent"], fields["source"], tuple(fields["causes"]))
        self._observed[read.event_id] = observation, tuple(fields["scopes"])

    def take_entry(self, read: Read) -> None:
        """Take in a router entry or the repeat of one, in the order of the log."""
        fields = read.fields
        if read.event_id not in self._last:
            entry = _EntryRead(read.event_id, fields["sequence"], fields["previous"], fields["causes"][0], read.found)
            line = fields["scope"], fields["agent"]
            self._lines[line].append(entry)
            self._witness((*line, entry.sequence), entry.event_id, entry.place)
        self._last[read.event_id] = read.found.offset

    def finish(self, expected: Iterable[Observation], gaps: int) -> None:
        """
        Check all of it.

        Args:
            expected: What should have been observed.
            gaps: Entries that compaction may have removed.
        """
        due, made = Counter(expected), Counter(observation for observation, _ in self._observed.values())
        self._findings.compare(due, made, missing="not observed", surplus="observed for nothing")
        applied: Counter[tuple[str, str]] = Counter()
        missing = 0
        idle: list[str] = []
        for (scope, agent), entries in self._lines.items():
            applied.update((entry.observation, scope) for entry in entries)
            missing += self._check_line(f"{scope}/{agent}", entries, may_lack=gaps > 0)
        lengths: Counter[tuple[str, str]] = Counter()
        for event_id, (observation, scopes) in self._observed.items():
            lengths.update((scope, observation.agent) for scope in scopes)
            for scope in scopes:
                times = applied.pop((event_id, scope), 0)
                if times > 1:
                    self._findings.add("applied twice", f"{event_id} in {scope}: {times} entries ({observation})")
                elif times == 0:
                    idle.append(f"{event_id} in {scope} ({observation})")
        for case in idle if len(idle) > gaps else ():
            self._findings.add("not applied", case)
        for event_id, scope in applied:
            self._findings.add("applied unseen", f"{event_id} in {scope}")
        for (scope, agent), length in lengths.items():
            # Compaction never removes the newest entry, so this holds whatever it removed: a line that lost its
            # state and began again is too short.
            number = max((entry.sequence for entry in self._lines.get((scope, agent), ())), default=0)
            if number != length:
                self._findings.add("wrong length", f"{scope}/{agent} ends with {number}, after {length} observations")
        self.compacted = missing
        if missing > gaps:
            self._findings.add("broken chain", f"{missing} entries are missing, and only {gaps} were compacted")

    def _check_line(self, line: str, entries: list[_EntryRead], *, may_lack: bool) -> int:
        """Check one line of the table from its first entry to its last; count what is missing."""
        links = [Link(one.sequence, one.event_id, one.previous, one.place, one.found.offset) for one in entries]
        missing = check_chain(self._findings, line, links, self._last, may_lack=may_lack)
        if missing and not may_lack:
            self._findings.add("broken chain", f"{line}: {missing} of {max(links).sequence} entries are missing")
        return missing
