"""Table of weights now or at a question, and history."""

from collections.abc import Iterable, Iterator
from typing import TypedDict

from schemas.odds import PanelOdds
from schemas.weights import AgentWeights, WeightsEntry
from streams.audit.entry_lookup import event_in, newest_entries
from streams.audit.explain.odds import odds_of
from streams.audit.router_table import panel_of
from streams.log import LogReader
from streams.processors.odds.switches import AGENT, start_of
from streams.processors.odds.table import skill_of
from streams.topology import WEIGHTS


class StandingSeen(TypedDict):
    """How an agent fares on questions of one kind, in units of 1/65,536."""

    skill: int
    """How often it was right when asked, shrunk to one half."""
    mean: int
    """Mean weight of its answers, in nats."""
    asked: int | None
    """Lessons behind it, counted up to 100; None where a panel tells only what follows from them."""


class WeightsLine(TypedDict):
    """What a table knows of one agent; in JSON one line."""

    scope: str
    """Whose weights: a policy's name."""
    event_id: str | None
    """The entry; None where there is none yet."""
    sequence: int
    lessons: int
    agent: str | None
    """None: weights that belong to no agent."""
    weights: dict[str, int]
    """Learned weights in units of 1/65,536 nat."""
    standing: dict[str, StandingSeen]
    """By kind of question."""


class WeightsPoint(TypedDict):
    """One lesson's change of what the table knows of one agent."""

    scope: str
    agent: str
    sequence: int
    event_id: str
    question_id: str
    lesson_id: str
    lessons: int
    weights: dict[str, int]
    standing: dict[str, StandingSeen]


def weights_now(reader: LogReader) -> list[WeightsLine]:
    """List every table as the next question would see it: the agents by name, then the weights of none."""
    return weights_of(entry for _, entry in sorted(newest_entries(reader, WEIGHTS, WeightsEntry).items()))


def weights_of(entries: Iterable[WeightsEntry]) -> list[WeightsLine]:
    """List the tables that newest entries make, in their order."""
    return [line for entry in entries for line in _lines_of(entry)]


def weights_at(reader: LogReader, question_id: str) -> list[WeightsLine]:
    """
    List the table as one question saw it; nothing under another merge rule.

    Raises:
        UsageError: The question has no panel.
    """
    odds = odds_of(panel_of(reader, question_id)[1])
    return [] if odds is None else _lines_at(odds)


def weights_history(reader: LogReader, agent: str) -> Iterator[WeightsPoint]:
    """Give every lesson that taught something about an agent, oldest first, as far as the log still has its entry."""
    told: dict[str, int] = {}
    for record in reader.records((WEIGHTS,)):
        entry = event_in(reader, record)
        known = _known(entry, agent) if isinstance(entry, WeightsEntry) else None
        # Compaction may have removed the entry that a lesson made; then the next one that is there tells it. After a
        # crash an older entry may be written again behind a newer one.
        if isinstance(entry, WeightsEntry) and known is not None and known.taught > told.get(entry.scope, 0):
            told[entry.scope] = known.taught
            yield _point(entry, known)


def _known(entry: WeightsEntry, agent: str) -> AgentWeights | None:
    return next((one for one in entry.agents if one.agent == agent), None)


def _point(entry: WeightsEntry, known: AgentWeights) -> WeightsPoint:
    return WeightsPoint(
        scope=entry.scope,
        agent=known.agent,
        sequence=entry.sequence,
        event_id=entry.event_id,
        question_id=entry.question_id,
        lesson_id=entry.lesson_id,
        lessons=entry.lessons,
        weights=_weights(known),
        standing=_standing(known),
    )


def _lines_of(entry: WeightsEntry) -> Iterator[WeightsLine]:
    def line(agent: str | None, weights: dict[str, int], standing: dict[str, StandingSeen]) -> WeightsLine:
        return WeightsLine(
            scope=entry.scope,
            event_id=entry.event_id,
            sequence=entry.sequence,
            lessons=entry.lessons,
            agent=agent,
            weights=weights,
            standing=standing,
        )

    for known in sorted(entry.agents, key=lambda one: one.agent):
        yield line(known.agent, _weights(known), _standing(known))
    yield line(None, {name: weight for name, (weight, _) in entry.shared.items()}, {})


def _lines_at(odds: PanelOdds) -> list[WeightsLine]:
    lines = [
        WeightsLine(
            scope=odds.scope,
            event_id=odds.entry_id,
            sequence=odds.sequence,
            lessons=odds.lessons,
            agent=member.agent,
            weights=dict(member.weights),
            standing={odds.facts.kind: StandingSeen(skill=member.skill, mean=member.mean, asked=None)},
        )
        for member in odds.members
    ]
    shared = WeightsLine(
        scope=odds.scope,
        event_id=odds.entry_id,
        sequence=odds.sequence,
        lessons=odds.lessons,
        agent=None,
        weights=dict(odds.shared),
        standing={},
    )
    return [*lines, shared]


def _weights(known: AgentWeights) -> dict[str, int]:
    return {name: weight for name, (weight, _) in known.weights.items()}


def _standing(known: AgentWeights) -> dict[str, StandingSeen]:
    return {
        kind: StandingSeen(skill=skill_of(standing), mean=standing.mean, asked=standing.asked)
        for kind, standing in known.standing.items()
    }


def agent_weight(point: WeightsPoint) -> int:
    """Give the weight of an agent's answers by themselves, in units of 1/65,536 nat."""
    return point["weights"].get(AGENT, start_of((point["agent"], AGENT)))
