"""Records that compaction removed, counted by offsets alone."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from infra.chaos.client import BEGINNING, Place, consumer, library
from infra.chaos.compaction import STAGES, changelogs
from infra.chaos.disks import NOWHERE
from infra.chaos.workers import Opening

_PERIOD_S = 0.5
"""Shortest time between two looks."""
_SHARE = 10
"""Share of the time that looks may take: each one reads every changelog again, and the machine has other work."""
_LOOK_S = 10.0
"""Longest time of one look; the broker may be away."""
_AT_A_TIME = 1_000
_WAIT_S = 0.02


@dataclass(slots=True)
class Removal:
    """Counts of removed records, and of changelogs taken over since."""

    removed: Counter[str] = field(default_factory=Counter)
    """By stage."""
    while_open: Counter[str] = field(default_factory=Counter)
    """Of these, records removed between two looks with open questions at both."""
    looks: int = 0
    owners: Counter[str] = field(default_factory=Counter)
    """Takeovers of partitions after compaction removed some of their records, by stage."""
    owners_without_copy: Counter[str] = field(default_factory=Counter)
    """Of these, takeovers without a local copy: no disk, or a disk on which that partition was never opened."""

    def lacking(self, *, owners: bool = True) -> list[str]:
        """
        Say what is missing for the proof that the log survived compaction; empty if nothing is.

        Args:
            owners: Whether the next owner of each stage has to be a part of it.
        """
        removed = [
            f"nothing was removed for {one} while questions were open" for one in STAGES if not self.while_open[one]
        ]
        if not owners:
            return removed
        return [
            *removed,
            *(f"no worker took {one} over after compaction" for one in STAGES if not self.owners[one]),
            *(f"no worker took {one} over without a copy" for one in STAGES if not self.owners_without_copy[one]),
        ]

    def as_json(self) -> dict[str, Any]:
        """Give all figures."""
        figures = {
            "removed": self.removed,
            "removed_while_open": self.while_open,
            "owners_after_removal": self.owners,
            "owners_after_removal_without_copy": self.owners_without_copy,
        }
        by_stage = {name: {stage: counts[stage] for stage in STAGES} for name, counts in figures.items()}
        return {**by_stage, "looks": self.looks, "lacking": self.lacking()}


class RemovalTally:
    """
    Adds up looks at the changelogs.

    Args:
        stages: Whose changelog a partition is of.
    """

    def __init__(self, stages: dict[Place, str]) -> None:
        self._stages = stages
        self._gone: Counter[Place] = Counter()
        self._first: dict[tuple[str, int], float] = {}
        """Time at which a record of a stage and partition was first known to be removed."""
        self._found = Removal()
        self._was_open = False

    def take(self, gone: dict[Place, int], at: float, *, is_open: bool) -> None:
        """
        Take in a look.

        Args:
            gone: Offsets without a record, by partition; these numbers never fall.
            at: When it ended, as by `time.time`.
            is_open: Whether a question was open when it began and when it ended.
        """
        self._found.looks += 1
        for place, count in gone.items():
            stage, more = self._stages[place], count - self._gone[place]
            if more > 0:
                self._gone[place] = count
                self._found.removed[stage] += more
                self._found.while_open[stage] += more * (is_open and self._was_open)
                self._first.setdefault((stage, place[1]), at)
        self._was_open = is_open

    def removed(self, stage: str) -> int:
        """Count the records of a stage that are gone."""
        return self._found.removed[stage]

    def finish(self, openings: Iterable[Opening]) -> Removal:
        """Count the takeovers of partitions after records of them were removed."""
        owners, without = Counter[str](), Counter[str]()
        copies: set[tuple[str, str, int]] = set()
        for one in sorted(openings, key=lambda opening: opening.at):
            copy = one.disk, one.stage, one.partition
            if one.at > self._first.get((one.stage, one.partition), float("inf")):
                owners[one.stage] += 1
                without[one.stage] += copy not in copies
            if one.disk != NOWHERE:
                copies.add(copy)
        found = self._found
        return Removal(found.removed.copy(), found.while_open.copy(), found.looks, owners, without)


class RemovalWatch:
    """
    Counts removed records again and again, in a thread of its own, until it is closed.

    Args:
        open_now: Gives the number of open questions.
    """

    def __init__(self, bootstrap: str, open_now: Callable[[], int], prefix: str = "") -> None:
        self._open = open_now
        self._reading = consumer(bootstrap, enable_partition_eof=True, fetch_wait_max_ms=10)
        self._stages = changelogs(self._reading, prefix)
        self._lock = threading.Lock()
        self._tally = RemovalTally(self._stages)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._look_on, daemon=True)
        self._thread.start()

    def removed(self) -> dict[str, int]:
        """Count the records of each stage that were seen to be gone."""
        with self._lock:
            return {stage: self._tally.removed(stage) for stage in STAGES}

    def close(self) -> None:
        """Stop looking."""
        self._closed.set()
        self._thread.join()
        self._reading.close()

    def finish(self, openings: Iterable[Opening]) -> Removal:
        """Sum up what was seen until now."""
        with self._lock:
            return self._tally.finish(openings)

    def _look_on(self) -> None:
        while not self._closed.is_set():
            began = time.monotonic()
            open_before = self._open()
            gone = self._look(began + _LOOK_S)
            if gone is not None:
                with self._lock:
                    self._tally.take(gone, time.time(), is_open=open_before > 0 and self._open() > 0)
            self._closed.wait(max(_PERIOD_S, _SHARE * (time.monotonic() - began)))

    def _look(self, limit: float) -> dict[Place, int] | None:
        """Read every changelog to its end; None if that cannot be done now."""
        kafka = library()
        ends: dict[Place, int] = {}
        read: Counter[Place] = Counter()
        self._reading.assign([kafka.TopicPartition(*place, BEGINNING) for place in self._stages])
        while len(ends) < len(self._stages):
            if time.monotonic() > limit or self._closed.is_set():
                return None
            for one in self._reading.consume(_AT_A_TIME, timeout=_WAIT_S):
                place = one.topic(), one.partition()
                if not one.error():
                    read[place] += place not in ends
                elif one.error().code() == kafka.KafkaError._PARTITION_EOF:
                    ends.setdefault(place, one.offset())
        return {place: end - read[place] for place, end in ends.items()}
