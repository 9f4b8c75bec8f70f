"""Router table now or at a question, and its history."""

from collections.abc import Iterator, Mapping
from typing import TypedDict

from schemas.origins import RouterCarried
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.questions import ALL_SUBJECTS
from schemas.router import AgentObserved, RouterEntry, router_key
from streams.audit.entry_lookup import consulted, event_id_of, event_in, find_entries, newest_entries
from streams.audit.explain.explanation import AveragesSeen
from streams.audit.explain.lessons import observed
from streams.audit.explain.panel import averages_of
from streams.errors import UsageError
from streams.log import LogReader, Record, read_event
from streams.processors.score import rank_candidates
from streams.topology import ASSIGNMENTS, OBSERVATIONS, POLICIES, ROUTER

NO_QUESTION = "0" * 64
"""Stands in for a question's event id when candidates are ranked without a question."""

Entries = Mapping[tuple[str, str], RouterEntry]


class RouterLine(TypedDict):
    """One agent in one scope."""

    scope: str
    agent: str
    rank: int | None
    """Rank among the agents of the policy in this scope; None for an agent outside the policy."""
    score_ppb: int | None
    """With the exploration bonus; None under rules that compare without a score."""
    bonus_ppb: int | None
    event_id: str | None
    """The router entry; None where nothing was observed."""
    sequence: int
    own: AveragesSeen | None
    """The entry's averages."""
    used: AveragesSeen | None
    """The averages that the router uses: after shrinkage, or the cold start."""
    observations: dict[str, int] | None


class RouterTable(TypedDict):
    """The router's table at one moment."""

    policy_id: str | None
    rule: str | None
    at: str | None
    """The question that saw this table; None: the table as it is now."""
    lines: list[RouterLine]
    """By scope, widest first and then by name; in a scope by rank."""


class CoursePoint(TypedDict):
    """One change of one agent's averages in one scope."""

    scope: str
    agent: str
    sequence: int
    event_id: str
    question_id: str
    source: str
    """`origin`: the entry that an earlier log ended with."""
    corrects: str | None
    observed: dict[str, int]
    averages: AveragesSeen
    observations: dict[str, int]


def table_now(reader: LogReader, scope: str | None = None) -> RouterTable:
    """
    Give the table as the next question would see it.

    Args:
        reader: The log.
        scope: Only this one; None for all.

    Raises:
        UsageError: Nothing was observed in that scope.
    """
    return table_of(*_newest(reader), scope)


def table_of(policy: PolicyAdopted | None, entries: Entries, scope: str | None = None) -> RouterTable:
    """
    Give the table that newest entries make under a policy; arguments and errors else as of `table_now`.

    Args:
        policy: The policy in force; None while there is none.
        entries: The newest entry of each scope and agent, at least those of *scope* and of all subjects.
    """
    scopes = sorted({name for name, _ in entries} | {ALL_SUBJECTS}, key=lambda name: (name != ALL_SUBJECTS, name))
    if scope is not None:
        if scope not in scopes:
            raise UsageError(f"the router has no scope {scope!r}", remedy=f"It has {', '.join(scopes[:20])}")
        scopes = [scope]
    lines = [line for name in scopes for line in _lines(name, policy, entries)]
    known, rule = (None, None) if policy is None else (policy.policy_id, policy.routing.rule)
    return RouterTable(policy_id=known, rule=rule, at=None, lines=lines)


def table_at(reader: LogReader, question_id: str, scope: str | None = None) -> RouterTable:
    """
    Give the table as one question saw it.

    Raises:
        UsageError: The question has no panel, or its panel did not look at that scope.
    """
    record, panel = panel_of(reader, question_id)
    if scope is not None and scope not in panel.scopes:
        looked = ", ".join(panel.scopes)
        raise UsageError(f"question {question_id!r} did not look at scope {scope!r}", remedy=f"It looked at {looked}")
    found = find_entries(reader, consulted(panel, record.seq))
    lines = []
    for place, name in enumerate(panel.scopes):
        for candidate in panel.candidates if scope in (None, name) else ():
            entry_id = candidate.entry_ids[place]
            entry = None if entry_id is None else found.get(entry_id)
            lines.append(
                RouterLine(
                    scope=name,
                    agent=candidate.agent,
                    rank=candidate.rank,
                    score_ppb=candidate.score_ppb,
                    bonus_ppb=candidate.bonus_ppb,
                    event_id=entry_id,
                    sequence=candidate.sequences[place],
                    own=None if entry is None else averages_of(entry),
                    used=averages_of(candidate),
                    observations=None if entry is None else entry.observations.model_dump(),
                )
            )
    return RouterTable(policy_id=panel.policy_id, rule=None, at=question_id, lines=lines)


def panel_of(reader: LogReader, question_id: str) -> tuple[Record, PanelAssigned]:
    """
    Find the panel of a question.

    Raises:
        UsageError: It has none.
    """
    for record in reader.about(question_id):
        if record.topic == ASSIGNMENTS:
            panel = read_event(record)
            if isinstance(panel, PanelAssigned):
                return record, panel
    raise UsageError(f"question {question_id!r} has no panel", remedy="`orch explain` says what it waits for")


def history(reader: LogReader, agent: str, scope: str = ALL_SUBJECTS) -> Iterator[CoursePoint]:
    """
    Give every change of one agent's averages in one scope, oldest first.

    The first entry of a line that an earlier log began has the source `origin`. If the log lacks the observation of an
    entry (an archive may), `observed` is empty.

    Raises:
        UsageError: The router has no entry of this agent in this scope.
    """
    key = router_key(scope, agent)
    if reader.last(ROUTER, key) is None:
        raise UsageError(f"the router has no {agent!r} in scope {scope!r}", remedy="`orch router` lists what it has")
    seen: dict[str, AgentObserved | RouterCarried] = {}
    reached = 0
    for record in reader.records((OBSERVATIONS, ROUTER)):
        if record.topic == OBSERVATIONS and record.key == agent:
            cause = event_in(reader, record)
            if isinstance(cause, AgentObserved | RouterCarried) and scope in _scopes(cause):
                seen[cause.event_id] = cause
        elif record.topic == ROUTER and record.key == key:
            entry = event_in(reader, record)
            # After a crash older entries may be written again behind newer ones, and compaction may keep only those
            # copies.
            if isinstance(entry, RouterEntry) and entry.sequence > reached:
                reached = entry.sequence
                named = next(iter(entry.causes), "")
                yield _point(entry, seen.pop(named, None) or _observation(reader, entry.question_id, named))


def _observation(reader: LogReader, question_id: str, event_id: str) -> AgentObserved | None:
    """Find the observation of an entry if it does not stand before the entry in the log."""
    for record in reader.about(question_id):
        if record.topic == OBSERVATIONS and event_id_of(record.value) == event_id:
            event = read_event(record)
            return event if isinstance(event, AgentObserved) else None
    return None


def _scopes(cause: AgentObserved | RouterCarried) -> tuple[str, ...]:
    return cause.scopes if isinstance(cause, AgentObserved) else (cause.scope,)


def _point(entry: RouterEntry, cause: AgentObserved | RouterCarried | None) -> CoursePoint:
    observation = cause if isinstance(cause, AgentObserved) else None
    source = "unknown" if observation is None else observation.source
    return CoursePoint(
        scope=entry.scope,
        agent=entry.agent,
        sequence=entry.sequence,
        event_id=entry.event_id,
        question_id=entry.question_id,
        source="origin" if isinstance(cause, RouterCarried) else source,
        corrects=None if observation is None else observation.corrects,
        observed={} if observation is None else observed(observation),
        averages=averages_of(entry),
        observations=entry.observations.model_dump(),
    )


def _newest(reader: LogReader) -> tuple[PolicyAdopted | None, dict[tuple[str, str], RouterEntry]]:
    """Read the policy in force and the newest entry of each line."""
    policy: PolicyAdopted | None = None
    for record in reader.records((POLICIES,)):
        adopted = read_event(record)
        if isinstance(adopted, PolicyAdopted):
            policy = adopted
    entries = newest_entries(reader, ROUTER, RouterEntry).values()
    return policy, {(entry.scope, entry.agent): entry for entry in entries}


def _lines(scope: str, policy: PolicyAdopted | None, entries: Entries) -> list[RouterLine]:
    """List the agents of one scope: those of the policy by rank, then all others by name."""
    lines: list[RouterLine] = []
    if policy is not None:
        consults_it = scope == ALL_SUBJECTS or policy.routing.by_subject
        scopes = (ALL_SUBJECTS,) if scope == ALL_SUBJECTS or not consults_it else (ALL_SUBJECTS, scope)
        for candidate in rank_candidates(NO_QUESTION, scopes, policy, entries).candidates:
            line = _line(scope, candidate.agent, entries)
            line["rank"], line["used"] = candidate.rank, averages_of(candidate)
            line["score_ppb"], line["bonus_ppb"] = candidate.score_ppb, candidate.bonus_ppb
            lines.append(line)
    named = {line["agent"] for line in lines}
    others = sorted(agent for name, agent in entries if name == scope and agent not in named)
    return lines + [_line(scope, agent, entries) for agent in others]


def _line(scope: str, agent: str, entries: Entries) -> RouterLine:
    entry = entries.get((scope, agent))
    return RouterLine(
        scope=scope,
        agent=agent,
        rank=None,
        score_ppb=None,
        bonus_ppb=None,
        event_id=None if entry is None else entry.event_id,
        sequence=0 if entry is None else entry.sequence,
        own=None if entry is None else averages_of(entry),
        used=None,
        observations=None if entry is None else entry.observations.model_dump(),
    )
