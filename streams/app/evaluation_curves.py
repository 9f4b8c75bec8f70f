"""Courses of averages and weights in one log."""

from typing import Any

from schemas.decisions import DecisionMade
from schemas.quantities import PPB
from schemas.questions import ALL_SUBJECTS
from schemas.router import RouterEntry
from streams.log import LogReader, read_event
from streams.topology import DECISIONS, ROUTER, TOPICS

CURVE_POINTS = 60
"""Most points of one course: more than a picture shows."""
_WEIGHTS, _ONE = "orch.weights", 1 << 16
"""Topic of the tables of the rule `odds`, where this version has it, and the unit of its weights."""

Course = list[Any]
"""Agent, quantity, and points: number of decisions and value."""


def curves_of(reader: LogReader, questions: int, *, routed: bool) -> list[Course]:
    """
    Give the course of each agent's quality over all subjects, and of the weight that the rule `odds` gives it.

    Args:
        reader: The log of one arm.
        questions: Its questions.
        routed: Whether averages chose its panels; otherwise those of quality say nothing about it.
    """
    step = max(1, questions // CURVE_POINTS)
    courses = _quality(reader) if routed else []
    return [[agent, quantity, _thinned(course, step)] for agent, quantity, course in courses] + _weights(reader, step)


def _thinned(course: list[tuple[int, float]], step: int) -> list[tuple[int, float]]:
    """Keep the last point of each stretch."""
    return list({point // step: (point, value) for point, value in course}.values())


def _quality(reader: LogReader) -> list[tuple[str, str, list[tuple[int, float]]]]:
    courses: dict[str, list[tuple[int, float]]] = {}
    decided = 0
    for record in reader.records((DECISIONS, ROUTER)):
        event = read_event(record)
        if isinstance(event, DecisionMade):
            decided += 1
        elif isinstance(event, RouterEntry) and event.scope == ALL_SUBJECTS and event.observations.quality:
            courses.setdefault(event.agent, []).append((decided, event.quality_ppb / PPB))
    return [(agent, "quality", course) for agent, course in sorted(courses.items())]


def _weights(reader: LogReader, step: int) -> list[Course]:
    """Read every so many tables; each holds all weights, and decoding all would take longer than the arm."""
    if _WEIGHTS not in TOPICS:
        return []
    courses: dict[str, list[tuple[int, float]]] = {}
    for number, record in enumerate(reader.records((_WEIGHTS,)), 1):
        if number % step == 0:
            entry: Any = read_event(record)
            for agent in entry.agents:
                weight, _ = agent.weights.get("agent", (_ONE, 0))
                courses.setdefault(agent.agent, []).append((number, weight / _ONE))
    return [[agent, "weight", course] for agent, course in sorted(courses.items())]
