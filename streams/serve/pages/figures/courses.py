"""Courses of the router's averages, thinned to a fixed size."""

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

import orjson

from schemas.questions import ALL_SUBJECTS
from schemas.router import RouterEntry
from streams.audit.entry_lookup import sequence_of
from streams.log import Record

MOST_POINTS = 256
"""Points kept of a line; when there are more, every second one goes, and from then on only so many are taken."""

MOST_COURSES = 1_000
"""Lines whose course is kept, some 60 kB each; those of all subjects (*) always are."""

SCOPE_MARK = f"{ALL_SUBJECTS}/"


class AveragePoint(NamedTuple):
    """The averages of one line after so many questions."""

    asked: int
    """Questions on which the agent had been asked."""
    quality_ppb: int
    latency_ns: int
    cost_pusd: int
    stability_ppb: int
    lessons: int
    """Questions of which it was known whether the agent was right."""


class _ThinnedCourse:
    """The points of one line, evenly thinned."""

    __slots__ = ("points", "stride")

    def __init__(self) -> None:
        self.points: list[tuple[int, AveragePoint]] = []
        """Sequence and averages. The first one stays: a line begins where it began."""
        self.stride = 1

    def take(self, sequence: int, point: AveragePoint) -> None:
        if self.points and sequence % self.stride:
            return
        self.points.append((sequence, point))
        if len(self.points) >= MOST_POINTS:
            self.stride *= 2
            self.points[1:] = [each for each in self.points[1:] if each[0] % self.stride == 0]


class Courses:
    """The newest entry of every line of the router's table, and how its averages came there."""

    def __init__(self) -> None:
        self._newest: dict[str, tuple[int, bytes]] = {}
        self._courses: dict[str, _ThinnedCourse] = {}

    def add(self, record: Record) -> None:
        """Take an entry; one that was written again behind a newer one changes nothing."""
        sequence = sequence_of(record.value)
        if sequence <= self._newest.get(record.key, (0, b""))[0]:
            return
        point = _point(record.value)
        self._newest[record.key] = sequence, record.value
        course = self._courses.get(record.key)
        if course is None:
            if len(self._courses) >= MOST_COURSES and not record.key.startswith(SCOPE_MARK):
                return
            course = self._courses[record.key] = _ThinnedCourse()
        course.take(sequence, point)

    @property
    def lines(self) -> int:
        """Number of lines of the table."""
        return len(self._newest)

    def scopes(self) -> list[str]:
        """List the scopes, all subjects (*) first, then by name."""
        found = {key.partition("/")[0].replace("%2F", "/").replace("%25", "%") for key in self._newest}
        return [ALL_SUBJECTS, *sorted(found - {ALL_SUBJECTS})]

    def entries(self, *scopes: str) -> Mapping[tuple[str, str], RouterEntry]:
        """Give the newest entries of some scopes, by scope and agent."""
        found = {}
        marks = tuple(f"{_written(scope)}/" for scope in scopes)
        for key, (_, value) in self._newest.items():
            if key.startswith(marks):
                with suppress(ValueError):
                    entry = RouterEntry.decode(value)
                    found[entry.scope, entry.agent] = entry
        return found

    def of_scope(self, scope: str) -> Mapping[str, list[AveragePoint]]:
        """Give the points of each agent in a scope, the newest entry last."""
        mark = f"{_written(scope)}/"
        found = {}
        for key, course in self._courses.items():
            if key.startswith(mark):
                found[key[len(mark) :]] = [*(point for _, point in course.points), _point(self._newest[key][1])]
        return found


def _written(scope: str) -> str:
    return scope.replace("%", "%25").replace("/", "%2F") if "%" in scope or "/" in scope else scope


def _point(value: bytes) -> AveragePoint:
    entry = orjson.loads(value)
    observations = entry["observations"]
    asked = observations.get("asked", observations["stability"])
    return AveragePoint(
        asked,
        entry["quality_ppb"],
        entry["latency_ns"],
        entry["cost_pusd"],
        entry["stability_ppb"],
        observations["quality"],
    )
