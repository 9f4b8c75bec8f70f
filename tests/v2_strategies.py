"""
Hypothesis strategies for events of every version.

An event of v2 agrees with itself, so its fields are drawn from each other.
"""

from typing import Any

from hypothesis import strategies as st

from schemas.agents import OpenAIAgentV2
from schemas.canonical import MAX_INTEGER
from schemas.checkpoints import CheckpointSignedV2
from schemas.decisions import DeadlinePassedV2, DecisionMadeV2, Post, Shadow, TraceStepV2
from schemas.origins import CarriedTable, LogStarted, RouterCarried, WeightsCarried
from schemas.panels import PanelAssignedV2
from schemas.policies import MergeV2
from schemas.questions import LETTERS, OptionDigest
from schemas.registry import KINDS
from schemas.router import AgentObservedV2, ObservationCountsV2, RouterEntry, RouterEntryV2
from schemas.rules import FIRST_RULES, NEWEST_ODDS_RULES, NEWEST_RULES
from schemas.weights import WeightsEntry

from . import odds_strategies as odds
from . import strategies as v1

rule_versions = st.sampled_from([FIRST_RULES, NEWEST_RULES, NEWEST_ODDS_RULES])
carried = v1.texts | st.builds(OptionDigest, sha256=v1.event_ids)
posts = st.builds(
    Post,
    agent=v1.agent_names,
    stage=v1.counts,
    role=st.sampled_from(["dispatcher", "merger"]),
    outcome=st.sampled_from(["answered", "failed", "no_reply", "refused"]),
    conduct=v1.conducts,
)

steps = st.builds(lambda step, gain: TraceStepV2(**step.__dict__, gain=gain), v1.trace_steps, v1.maybe(odds.gains))


def drawn(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]], *but: str) -> dict[str, Any]:
    """Draw the fields of an event, except those named."""
    ours = {name: draw(strategy) for name, strategy in fields.items() if name not in but}
    return {"causes": draw(v1.some(v1.event_ids)), "occurred_at": draw(v1.instants), **ours}


@st.composite
def panels(draw: st.DrawFn) -> PanelAssignedV2:
    """Draw a panel whose fields agree."""
    names = draw(st.lists(v1.agent_names, min_size=2, max_size=6, unique=True))
    cut = draw(st.integers(1, len(names) - 1))
    dispatched = draw(st.booleans())
    groups = (tuple(names[:cut]), tuple(names[cut:]))
    first, later = ((names[0],), groups) if dispatched else (groups[0], groups[1:])
    options = draw(st.just(()) | v1.some(carried, 2, 5))
    fields = drawn(
        draw, v1.ASSIGNMENT, "answer_type", "option_count", "candidates", "stage", "later", "reserve", "merge"
    )
    merge = draw(v1.panels_and_merges(5, MergeV2))[1]
    # Of the last ones, who then have no seat in the panel.
    beside = draw(v1.maybe(st.integers(0, len(groups[1])))) if not dispatched else None
    if beside:
        later = tuple(group for group in (groups[1][beside:],) if group)
    role = "dispatcher" if dispatched else "analyst"
    return PanelAssignedV2(
        **{
            **fields,
            "answer_type": "choice" if options else "number",
            "option_count": len(options),
            "options": options,
            "candidates": tuple({**draw(v1.candidates).model_dump(), "agent": name} for name in names),
            "stage": {"number": 0, "role": role, "seats": tuple({"agent": name} for name in first), "material": ()},
            "later": later,
            "reserve": (),
            "shadows": None if beside is None else groups[1][:beside],
            "priority": tuple(draw(st.permutations(names))),
            "explored": draw(v1.maybe(st.sampled_from(names))),
            "merger": draw(st.sampled_from(names)),
            "merge": merge,
            "odds": draw(odds.panel_shares(names, len(options))) if merge.rule == "odds" else None,
            "rules": draw(rule_versions),
        }
    )


@st.composite
def shadows(draw: st.DrawFn, answers: st.SearchStrategy[str], seated: list[str]) -> Shadow:
    """Draw a shadow seat: an answer, or the reason why there is none."""
    reason = draw(v1.maybe(st.sampled_from(["failed", "unreadable", "outside_options", "no_reply", "refused"])))
    return Shadow(
        agent=draw(v1.agent_names.filter(lambda name: name not in seated)),
        answer=draw(answers) if reason is None else None,
        reason=reason,
        analysis_id=draw(v1.maybe(v1.event_ids)),
        conduct=draw(v1.conducts),
    )


@st.composite
def decisions(draw: st.DrawFn) -> DecisionMadeV2:
    """Draw a decision whose fields agree."""
    options = draw(st.just(()) | v1.some(carried, 2, 5))
    answers = st.sampled_from(LETTERS[: len(options)]) if options else v1.texts
    answer = draw(v1.maybe(answers))
    ballots = tuple({**ballot.model_dump(), "answer": draw(answers)} for ballot in draw(v1.some(v1.ballots)))
    observed = draw(v1.maybe(v1.some(shadows(answers, [ballot["agent"] for ballot in ballots]))))
    beside = [shadow.agent for shadow in observed or ()]
    return DecisionMadeV2(
        **{
            **drawn(draw, v1.DECISION, "trace"),
            "options": options,
            "answer": answer,
            "status": "undecided" if answer is None else "decided",
            "reason": draw(st.sampled_from(["panel complete", "below window"])),
            "counted": ballots,
            "trace": draw(v1.some(steps, 1)),
            "shadows": observed,
            "excluded": tuple(e for e in draw(v1.some(v1.exclusions)) if e.agent not in beside),
            "odds": draw(v1.maybe(odds.decision_shares([ballot["agent"] for ballot in ballots], len(options)))),
            "rules": draw(rule_versions),
            "answer_text": draw(v1.maybe(v1.texts)),
            "even_sums": draw(v1.maybe(v1.some(v1.texts))),
            "posts": draw(v1.maybe(v1.some(posts))),
        }
    )


counts = st.builds(ObservationCountsV2, **v1.fields_of(ObservationCountsV2, v1.counts))
ranks = st.sampled_from(["rank.v1", "rank.v2"])

tables = st.builds(CarriedTable, entries=v1.counts, ids_hash=v1.event_ids)
origins = v1.event(
    LogStarted,
    log=v1.names,
    root=v1.event_ids,
    records=v1.counts,
    policy_id=v1.names,
    adopted=v1.event_ids,
    router=tables,
    weights=tables,
    open_questions=v1.counts,
)
router_entries = v1.event(RouterEntryV2, **{**v1.ENTRY, "observations": counts})


def goes_on(entry: RouterEntry | WeightsEntry) -> bool:
    """Say whether another entry can follow."""
    return entry.sequence < MAX_INTEGER


def router_carried(entry: RouterEntry) -> st.SearchStrategy[RouterCarried]:
    """Draw an event that carries an entry."""
    named = {"scope": st.just(entry.scope), "agent": st.just(entry.agent), "entry": st.just(entry.encode().decode())}
    return st.builds(RouterCarried, causes=v1.some(v1.event_ids, 1, 1), occurred_at=v1.instants, **named)


def weights_carried(entry: WeightsEntry) -> st.SearchStrategy[WeightsCarried]:
    """Draw an event that carries a table."""
    named = {"scope": st.just(entry.scope), "entry": st.just(entry.encode().decode())}
    return st.builds(WeightsCarried, causes=v1.some(v1.event_ids, 1, 1), occurred_at=v1.instants, **named)


EVENTS: dict[str, st.SearchStrategy[Any]] = {
    **v1.EVENTS,
    "panel.assigned.v2": panels(),
    "deadline.passed.v2": st.builds(
        DeadlinePassedV2, causes=v1.some(v1.event_ids, 1, 1), occurred_at=v1.instants, question_id=v1.names
    ),
    "decision.made.v2": decisions(),
    "agent.observed.v2": v1.event(
        AgentObservedV2, **v1.OBSERVATION, rank=ranks, post=v1.maybe(st.sampled_from(["dispatcher", "merger"]))
    ),
    "router.entry.v2": router_entries,
    "checkpoint.signed.v2": st.builds(
        CheckpointSignedV2,
        causes=v1.some(v1.event_ids, 0, 1),
        occurred_at=v1.instants,
        note=v1.texts.filter(bool),
        partitions=v1.some(v1.texts.filter(bool)),
        key_change=v1.maybe(v1.texts.filter(bool)),
    ),
    "policy.adopted.v2": v1.policies(OpenAIAgentV2, rules=rule_versions, odds=v1.maybe(odds.settings)),
    "lesson.given.v1": odds.lessons(),
    "weights.entry.v1": odds.weights_entries,
    "log.started.v1": origins,
    "router.carried.v1": st.one_of(v1.router_entries, router_entries).filter(goes_on).flatmap(router_carried),
    "weights.carried.v1": odds.weights_entries.filter(goes_on).flatmap(weights_carried),
}
"""A strategy for each kind, by its published name."""

any_event = st.sampled_from(sorted(KINDS)).flatmap(EVENTS.__getitem__)
