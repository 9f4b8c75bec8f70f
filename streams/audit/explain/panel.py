"""Explanation of a panel: averages, entries and score terms."""

from collections.abc import Mapping
from typing import Literal

from schemas.panels import Candidate, PanelAssigned
from schemas.policies import PolicyAdopted, Routing, ScoreWeights
from schemas.questions import QuestionAsked
from schemas.router import RouterEntry
from streams.audit.explain.explanation import (
    AveragesSeen,
    CandidateSeen,
    CountingBy,
    EntrySeen,
    PolicyUsed,
    RoutedBy,
    ScoreTerms,
)
from streams.audit.explain.odds import odds_seen
from streams.processors import score
from streams.processors.ballot import deciding_rule

Entries = Mapping[str, RouterEntry]


def policy_used(policy: PolicyAdopted) -> PolicyUsed:
    """Sum up a policy."""
    return PolicyUsed(
        event_id=policy.event_id,
        policy_id=policy.policy_id,
        adopted_at=policy.occurred_at,
        agents=[agent.name for agent in policy.agents],
        routing=policy.routing.rule,
        panel_size=policy.routing.panel_size,
        merge=policy.merge.rule,
        decomposition=policy.decomposition,
        exploration=policy.routing.exploration.kind,
    )


def routed_by(
    question: QuestionAsked, assignment: PanelAssigned, policy: PolicyAdopted | None, entries: Entries
) -> RoutedBy:
    """
    Explain how a panel was chosen.

    Args:
        question: The question.
        assignment: The panel.
        policy: The policy it names; None if compaction has removed it.
        entries: Router entries by id, as far as the log still holds them.
    """
    return RoutedBy(
        event_id=assignment.event_id,
        assigned_at=assignment.occurred_at,
        scopes=list(assignment.scopes),
        shrinkage=None if policy is None else policy.routing.shrinkage,
        warm_up=_warm_up(question, assignment, policy, entries),
        explored=assignment.explored,
        planned=_planned(assignment),
        merger=assignment.merger,
        reserve=list(assignment.reserve),
        priority=list(assignment.priority),
        candidates=[_candidate(candidate, assignment, policy, entries) for candidate in assignment.candidates],
        counting=_counting(assignment),
        odds=odds_seen(assignment),
    )


def _planned(assignment: PanelAssigned) -> list[int]:
    """Give the sizes of the panel's stages; a dispatcher's is none of them."""
    first = [] if assignment.stage.role == "dispatcher" else [len(assignment.stage.seats)]
    return [*first, *map(len, assignment.later)]


def _counting(assignment: PanelAssigned) -> CountingBy:
    merge, rule = assignment.merge, deciding_rule(assignment)
    staged = rule == "cascade"
    return CountingBy(
        rule=rule,
        quorum=merge.quorum,
        accept_ppb=merge.accept_ppb if staged else None,
        window_ppb=merge.window_ppb if staged else None,
        choices=assignment.option_count or merge.number_choices,
    )


def averages_of(known: RouterEntry | Candidate) -> AveragesSeen:
    """Give the four averages of a router entry, or of a candidate."""
    return AveragesSeen(
        quality_ppb=known.quality_ppb,
        latency_ns=known.latency_ns,
        cost_pusd=known.cost_pusd,
        stability_ppb=known.stability_ppb,
    )


def terms_of(candidate: Candidate, routing: Routing) -> ScoreTerms | None:
    """
    Take a `weighted` score apart; None under rules that compare without one.

    Each term is the score function's own, with the other weights at 0.
    """
    if candidate.score_ppb is None:
        return None
    believed = score.Averages(candidate.quality_ppb, candidate.latency_ns, candidate.cost_pusd, candidate.stability_ppb)

    def alone(**weight: int) -> int:
        others = {"stability_ppb": 0, "latency_ppb": 0, "cost_ppb": 0, **weight}
        weights: ScoreWeights = routing.weights.model_copy(update=others)
        return score.weighted_score(believed, weights) - believed.quality_ppb

    return ScoreTerms(
        quality=candidate.quality_ppb,
        stability=alone(stability_ppb=routing.weights.stability_ppb),
        latency=alone(latency_ppb=routing.weights.latency_ppb),
        cost=alone(cost_ppb=routing.weights.cost_ppb),
        bonus=candidate.bonus_ppb,
    )


def _candidate(
    candidate: Candidate, assignment: PanelAssigned, policy: PolicyAdopted | None, entries: Entries
) -> CandidateSeen:
    seen = zip(assignment.scopes, candidate.entry_ids, candidate.sequences, strict=True)
    return CandidateSeen(
        agent=candidate.agent,
        rank=candidate.rank,
        seat=_seat(candidate.agent, assignment),
        score_ppb=candidate.score_ppb,
        terms=None if policy is None else terms_of(candidate, policy.routing),
        averages=averages_of(candidate),
        entries=[_entry(scope, entry_id, sequence, entries) for scope, entry_id, sequence in seen],
    )


def _entry(scope: str, entry_id: str | None, sequence: int, entries: Entries) -> EntrySeen:
    entry = None if entry_id is None else entries.get(entry_id)
    return EntrySeen(
        scope=scope,
        event_id=entry_id,
        sequence=sequence,
        averages=None if entry is None else averages_of(entry),
        observations=None if entry is None else entry.observations.model_dump(),
    )


def _seat(agent: str, assignment: PanelAssigned) -> Literal["panel", "explored", "reserve"] | None:
    if agent == assignment.explored:
        return "explored"
    first = () if assignment.stage.role == "dispatcher" else assignment.stage.seats
    if any(seat.agent == agent for seat in first) or any(agent in group for group in assignment.later):
        return "panel"
    return "reserve" if agent in assignment.reserve else None


def _warm_up(
    question: QuestionAsked, assignment: PanelAssigned, policy: PolicyAdopted | None, entries: Entries
) -> bool | None:
    """Say whether the panel was a warm-up, by the router's own function and the entries it saw."""
    if policy is None:
        return None
    seen: dict[tuple[str, str], RouterEntry] = {}
    for candidate in assignment.candidates:
        for scope, entry_id in zip(assignment.scopes, candidate.entry_ids, strict=True):
            if entry_id is None:
                continue
            if entry_id not in entries:
                return None
            seen[scope, candidate.agent] = entries[entry_id]
    return score.rank_candidates(question.event_id, assignment.scopes, policy, seen).warm_up
