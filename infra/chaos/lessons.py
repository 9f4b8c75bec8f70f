"""Checks what was learned: every observation is there and applied once, and the router table is one chain a line."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from infra.chaos.reading import Findings, Found, Read
from infra.chaos.verdicts import Observation


class _Entry(NamedTuple):
    event_id: str
    sequence: int
    previous: str | None
    observation: str
    found: Found

    @property
    def place(self) -> str:
        return self.found.place


class Lessons:
    """The observations and the router entries of a log."""

    def __init__(self, findings: Findings) -> None:
        self.compacted = 0
        """Entries that are gone, as the chains tell."""
        self._findings = findings
        self._observed: dict[str, tuple[Observation, tuple[str, ...]]] = {}
        """What was observed and the scopes it counts in, by event id."""
        self._lines: defaultdict[tuple[str, str], list[_Entry]] = defaultdict(list)
        self._last: dict[str, int] = {}
        """Where each entry stands last, for it may be repeated."""

    @property
    def entries(self) -> int:
        """Distinct router entries."""
        return sum(map(len, self._lines.values()))

    @property
    def observations(self) -> int:
        """Distinct observations."""
        return len(self._observed)

    def take_observation(self, read: Read) -> None:
        """Take in an observation."""
        fields = read.fields
        observation = Observation(fields["question_id"], fields["agent"], fields["source"], tuple(fields["causes"]))
        self._observed[read.event_id] = observation, tuple(fields["scopes"])

    def take_entry(self, read: Read) -> None:
        """Take in a router entry or the repeat of one, in the order of the log."""
        fields = read.fields
        if read.event_id not in self._last:
            entry = _Entry(read.event_id, fields["sequence"], fields["previous"], fields["causes"][0], read.found)
            self._lines[fields["scope"], fields["agent"]].append(entry)
        self._last[read.event_id] = read.found.offset

    def finish(self, expected: Iterable[Observation], gaps: int) -> None:
        """
        Check all of it.

        Args:
            expected: What should have been observed.
            gaps: Entries that compaction may have removed.
        """
        due, made = Counter(expected), Counter(observation for observation, _ in self._observed.values())
        for observation in due - made:
            self._findings.add("not observed", str(observation))
        for observation in made - due:
            self._findings.add("observed for nothing", str(observation))
        applied: Counter[tuple[str, str]] = Counter()
        missing = 0
        idle: list[str] = []
        for (scope, agent), entries in self._lines.items():
            applied.update((entry.observation, scope) for entry in entries)
            missing += self._check_line(f"{scope}/{agent}", entries, may_lack=gaps > 0)
        for event_id, (observation, scopes) in self._observed.items():
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
        self.compacted = missing
        if missing > gaps:
            self._findings.add("broken chain", f"{missing} entries are missing, and only {gaps} were compacted")

    def _check_line(self, line: str, entries: list[_Entry], *, may_lack: bool) -> int:
        """Check one line of the table from its first entry to its last; count what is missing."""
        known: dict[int, _Entry] = {}
        newest = entries[0]
        for entry in entries:
            if entry.sequence in known:
                other = known[entry.sequence]
                self._findings.add("fork", f"{line}: {entry.place} and {other.place} are both number {entry.sequence}")
                continue
            if entry.sequence < newest.sequence and not (may_lack and self._last[newest.event_id] > entry.found.offset):
                # Else a batch was sent again, the newest with it, and of its first copies compaction has left that one.
                after = f"after {newest.sequence} at {newest.place}"
                self._findings.add("out of order", f"{line}: number {entry.sequence} at {entry.place} {after}")
            newest = max(newest, entry, key=lambda one: one.sequence)
            known[entry.sequence] = entry
        for sequence, entry in known.items():
            before = known.get(sequence - 1)
            if sequence == 1 and entry.previous is not None:
                self._findings.add("broken chain", f"{line}: the first names {entry.previous}")
            elif before is not None and entry.previous != before.event_id:
                self._findings.add("broken chain", f"{line}: number {sequence} does not follow from {sequence - 1}")
        missing = newest.sequence - len(known)
        if missing and not may_lack:
            self._findings.add("broken chain", f"{line}: {missing} of {newest.sequence} entries are missing")
        return missing
