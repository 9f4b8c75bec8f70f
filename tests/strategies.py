"""
Hypothesis strategies for events and their values.

`EVENTS` has one for each kind of event.
"""

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from schemas.agents import OpenAIAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.canonical import MAX_INTEGER
from schemas.checkpoints import CheckpointSigned
from schemas.decisions import (
    Agreement,
    Ballot,
    Conduct,
    DeadlinePassed,
    DecisionMade,
    Exclusion,
    TieBreak,
    TraceStep,
)
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.letters import RecordRejected
from schemas.panels import Candidate, PanelAssigned, Seat, Stage, StageOpened
from schemas.policies import (
    Averaging,
    ColdStart,
    Exploration,
    Learning,
    Merge,
    MergeV2,
    PolicyAdopted,
    PolicyAdoptedV2,
    Routing,
    RoutingV2,
    ScoreWeights,
    SourceWeights,
)
from schemas.quantities import MAX_CALL_NUSD, MAX_MS, PPB, instant_of_ms, ms_of_instant
from schemas.questions import QuestionAsked
from schemas.router import (
    AgentObserved,
    ObservationCounts,
    RouterEntry,
)

from .agent_strategies import SPENDING, agents, budgets, prompts, provider_calls

FIRST_MS, LAST_MS = ms_of_instant("0001-01-01T00:00:00.000Z"), ms_of_instant("9999-12-31T23:59:59.999Z")

instants = st.integers(FIRST_MS, LAST_MS).map(instant_of_ms)
event_ids = st.binary(min_size=32, max_size=32).map(bytes.hex)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
some_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
names = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=1, max_size=20)
agent_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,12}", fullmatch=True)
counts = st.integers(0, MAX_INTEGER)
signed = st.integers(-MAX_INTEGER, MAX_INTEGER)
positives = st.integers(1, MAX_INTEGER)
parts = st.integers(0, PPB)
durations_ms = st.integers(0, MAX_MS)
call_costs = st.integers(0, MAX_CALL_NUSD)


def maybe(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw a value or none."""
    return st.none() | strategy


def some(strategy: st.SearchStrategy[Any], least: int = 0, most: int = 3) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw a short tuple."""
    return st.lists(strategy, min_size=least, max_size=most).map(tuple)


def hexadecimal(length: int) -> st.SearchStrategy[str]:
    """Draw so many lower-case hexadecimal digits."""
    return st.text("0123456789abcdef", min_size=length, max_size=length)


def fields_of(model: type[BaseModel], strategy: st.SearchStrategy[Any], *but: str) -> dict[str, st.SearchStrategy[Any]]:
    """Give all fields of a model the same strategy, except those named."""
    return {name: strategy for name in model.model_fields if name not in but}


def event(model: type[Event], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Build an event from strategies for its own fields."""
    return st.builds(model, causes=some(event_ids), occurred_at=instants, **fields)


attempts = st.builds(
    Attempt,
    outcome=st.sampled_from(["ok", "timeout", "error", "refused"]),
    error=maybe(texts),
    latency_ms=durations_ms,
    cost_nusd=maybe(call_costs),
    input_tokens=maybe(counts),
    output_tokens=maybe(counts),
    provider=maybe(provider_calls),
)
conducts = st.builds(Conduct, attempts=counts, latency_ms=maybe(durations_ms), cost_nusd=counts, unpriced_calls=counts)
ballots = st.builds(
    Ballot,
    agent=agent_names,
    stage=counts,
    answer=texts,
    weight=signed,
    read_as=texts,
    analysis_id=event_ids,
    conduct=conducts,
)
exclusions = st.builds(
    Exclusion,
    agent=agent_names,
    stage=counts,
    reason=st.sampled_from(["failed", "unreadable", "outside_options", "no_reply", "refused"]),
    analysis_id=maybe(event_ids),
    conduct=conducts,
)
trace_steps = st.builds(
    TraceStep,
    stage=counts,
    rule=names,
    leader=maybe(texts),
    posterior_ppb=maybe(parts),
    outcome=st.sampled_from(["decide", "next stage", "ask reserve", "ask merge agent", "fall back", "undecided"]),
)
cold_starts = st.builds(
    ColdStart, quality_ppb=parts, latency_ms=durations_ms, cost_nusd=call_costs, stability_ppb=parts
)
averagings = st.builds(
    Averaging,
    step=st.sampled_from(["fixed", "harmonic"]),
    alpha_ppb=st.integers(1, PPB),
    cold_start=cold_starts,
)
learnings = st.builds(
    Learning, averaging=averagings, source_weights=st.builds(SourceWeights, **fields_of(SourceWeights, parts))
)
score_weights = st.builds(
    ScoreWeights,
    stability_ppb=parts,
    latency_ppb=parts,
    cost_ppb=parts,
    latency_scale_ms=st.integers(1, 10**9),
    cost_scale_nusd=st.integers(1, 10**12),
    cap=st.integers(1, 1_000),
)
explorations = st.builds(
    Exploration,
    warm_up=st.integers(0, 1_000_000),
    kind=st.sampled_from(["none", "ucb", "nth"]),
    bonus_ppb=parts,
    every=st.integers(2, 1_000_000),
)
seats = st.builds(Seat, agent=agent_names, sub_question=maybe(texts))
stages = st.builds(
    Stage,
    number=counts,
    role=st.sampled_from(["analyst", "dispatcher", "merger"]),
    seats=some(seats, 1),
    material=some(event_ids),
)
candidates = st.builds(
    Candidate,
    agent=agent_names,
    rank=positives,
    score_ppb=maybe(signed),
    bonus_ppb=counts,
    quality_ppb=parts,
    latency_ns=counts,
    cost_pusd=counts,
    stability_ppb=parts,
    entry_ids=some(maybe(event_ids)),
    sequences=some(counts),
)


@st.composite
def panels_and_merges(draw: st.DrawFn, agent_count: int, model: type[Merge] = Merge) -> tuple[int, Merge]:
    """Draw a panel size and merge settings that so many agents can fill; of v2 the rule may be `odds`."""
    size = draw(st.integers(1, agent_count))
    reserve = draw(st.integers(0, agent_count - size))
    cuts = sorted(draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
    ends = (0, *cuts, size)
    rules = ["vote", "weighted", "agent", "cascade", *(["odds"] if model is MergeV2 else [])]
    return size, model(
        rule=draw(st.sampled_from(rules)),
        quorum=draw(st.integers(1, size + reserve)),
        reserve=reserve,
        ties=draw(st.sampled_from(["rank", "priority"])),
        number_choices=draw(st.integers(2, 1_000_000)),
        stages=tuple(end - start for start, end in pairwise(ends)),
        accept_ppb=draw(parts),
        window_ppb=draw(parts),
        merge_agent=draw(st.booleans()),
    )


@st.composite
def routings(draw: st.DrawFn, agent_list: list[str], panel_size: int, model: type[Routing], merge: Merge) -> Routing:
    """Draw routing settings for the agents of a policy; of v2, with shadow seats where its merge allows them."""
    more: dict[str, Any] = {}
    if model is RoutingV2 and not merge.reserve and merge.rule in ("vote", "weighted", "agent"):
        more["shadow"] = draw(st.sampled_from([None, "all"]))
    return model(
        rule=draw(st.sampled_from(["weighted", "lexicographic", "static"])),
        panel_size=panel_size,
        by_subject=draw(st.booleans()),
        shrinkage=draw(st.integers(0, 1_000)),
        weights=draw(score_weights),
        exploration=draw(explorations),
        priority=tuple(draw(st.lists(st.sampled_from(agent_list), unique=True))),
        merger=draw(st.sampled_from(["first", "second", *agent_list])),
        **more,
    )


@st.composite
def policies(draw: st.DrawFn, openai: type[OpenAIAgent] = OpenAIAgent, **more: Any) -> PolicyAdopted:
    """Draw a consistent policy; of v2 if *more* has a strategy for its rules."""
    named = draw(st.lists(agent_names, min_size=1, max_size=5, unique=True))
    model = PolicyAdoptedV2 if more else PolicyAdopted
    panel_size, merge = draw(panels_and_merges(len(named), MergeV2 if more else Merge))
    return model(
        causes=draw(some(event_ids)),
        occurred_at=draw(instants),
        policy_id=draw(names),
        agents=tuple(draw(agents(name, openai)) for name in named),
        routing=draw(routings(named, panel_size, RoutingV2 if more else Routing, merge)),
        decomposition=draw(st.sampled_from(["none", "fixed", "dispatcher"])),
        merge=merge,
        learning=draw(learnings),
        deadline_ms=draw(st.integers(1, 7 * 24 * 3_600_000)),
        prompts=draw(prompts),
        budget=draw(budgets),
        **{name: draw(strategy) for name, strategy in more.items()},
    )


questions = st.one_of(
    event(
        QuestionAsked,
        question_id=names,
        text=some_text,
        options=some(some_text, 2, 26),
        answer_type=st.just("choice"),
        subject=maybe(names.filter(lambda name: name != "*")),
    ),
    event(QuestionAsked, question_id=names, text=some_text, answer_type=st.just("number")),
)
feedbacks = st.one_of(
    *(
        event(
            FeedbackGiven,
            question_id=names,
            source=st.sampled_from(["gold", "human", "downstream", "judge", "agreement"]),
            author=maybe(names),
            **statement,
        )
        for statement in ({"answer": some_text}, {"verdict": st.sampled_from(["right", "wrong"])})
    )
)
ASSIGNMENT = {
    "question_id": names,
    "policy_id": names,
    "answer_type": st.sampled_from(["choice", "number"]),
    "option_count": counts,
    "scopes": some(names, 1),
    "candidates": some(candidates),
    "explored": maybe(agent_names),
    "decomposition": st.sampled_from(["none", "fixed", "dispatcher"]),
    "stage": stages,
    "later": some(some(agent_names)),
    "reserve": some(agent_names),
    "merger": maybe(agent_names),
    "priority": some(agent_names),
    "merge": panels_and_merges(5).map(lambda drawn: drawn[1]),
    "learning": learnings,
    "deadline_ms": positives,
}
assignments = event(PanelAssigned, **ASSIGNMENT)
analyses = event(
    AnalysisPublished,
    question_id=names,
    agent=agent_names,
    stage=counts,
    role=st.sampled_from(["analyst", "dispatcher", "merger"]),
    status=st.sampled_from(["ok", "failed"]),
    text=texts,
    answer=maybe(texts),
    sub_questions=some(texts),
    attempts=some(attempts, 1),
    latency_ms=durations_ms,
)
DECISION = {
    "question_id": names,
    "policy_id": names,
    "status": st.sampled_from(["decided", "undecided"]),
    "answer": maybe(texts),
    "reason": st.sampled_from(["panel complete", "early exit", "merge agent", "deadline", "quorum"]),
    "rule": names,
    "extractor": names,
    "tally": st.dictionaries(st.text("ABCDEFGH0123456789.-", min_size=1, max_size=5), signed, max_size=3),
    "agreement": st.builds(Agreement, agreeing=counts, counted=counts),
    "counted": some(ballots),
    "excluded": some(exclusions),
    "tie_break": maybe(st.builds(TieBreak, tied=some(texts), agent=agent_names)),
    "verdict_id": maybe(event_ids),
    "trace": some(trace_steps, 1),
    "calls": counts,
    "cost_nusd": counts,
    "unpriced_calls": counts,
    "scopes": some(names),
    "learning": learnings,
}
decisions = event(DecisionMade, **DECISION)
OBSERVATION = {
    "agent": agent_names,
    "question_id": names,
    "scopes": some(names),
    "source": st.sampled_from(["decision", "gold", "human", "downstream", "judge", "agreement"]),
    "quality_ppb": maybe(parts),
    "latency_ms": maybe(durations_ms),
    "cost_nusd": maybe(counts),
    "stability_ppb": maybe(parts),
    "weight_ppb": parts,
    "averaging": averagings,
    "corrects": maybe(event_ids),
}
observations = event(AgentObserved, **OBSERVATION)
ENTRY = {
    "scope": names,
    "agent": agent_names,
    "question_id": names,
    "sequence": positives,
    "previous": maybe(event_ids),
    "quality_ppb": parts,
    "latency_ns": counts,
    "cost_pusd": counts,
    "stability_ppb": parts,
    "observations": st.builds(ObservationCounts, **fields_of(ObservationCounts, counts)),
}
router_entries = event(RouterEntry, **ENTRY)
letters = event(
    RecordRejected,
    source_topic=names,
    partition=counts,
    offset=counts,
    reason=st.sampled_from(["invalid", "too_large", "conflict", "unknown_reference"]),
    detail=texts,
    record_key=maybe(texts),
    value_base64=st.text("ABCabc019+/", max_size=20),
    value_bytes=counts,
)
checkpoints = event(
    CheckpointSigned,
    source_topic=names,
    partition=counts,
    size=counts,
    root=hexadecimal(64),
    previous=maybe(event_ids),
    public_key=hexadecimal(64),
    signature=hexadecimal(128),
)

EVENTS: dict[str, st.SearchStrategy[Any]] = {
    "question.asked.v1": questions,
    "panel.assigned.v1": assignments,
    "stage.opened.v1": event(
        StageOpened,
        question_id=names,
        reason=st.sampled_from(["dispatched", "window", "quorum", "merge"]),
        stage=stages,
    ),
    "analysis.published.v1": analyses,
    "deadline.passed.v1": event(DeadlinePassed, question_id=names),
    "decision.made.v1": decisions,
    "feedback.given.v1": feedbacks,
    "feedback.retracted.v1": event(FeedbackRetracted, question_id=names, feedback_id=event_ids),
    "agent.observed.v1": observations,
    "router.entry.v1": router_entries,
    "policy.adopted.v1": policies(),
    "record.rejected.v1": letters,
    "checkpoint.signed.v1": checkpoints,
    **SPENDING,
}
"""A strategy for each kind, by its published name."""
