"""Observations of a decision's calls: latency, cost, stability."""

from typing import Any

from schemas.decisions import Ballot, DecisionMade, DecisionMadeV2, Exclusion, Post, Shadow
from schemas.quantities import PPB
from schemas.router import AgentObserved
from schemas.rules import RankRules
from streams.processors.fixed import half_even
from streams.processors.lesson import observed


def observed_calls(decision: DecisionMade) -> tuple[AgentObserved, ...]:
    """
    Observe how the calls of each seat of a decision went.

    From learn.v2 on a seat without a call counts as an asking alone: otherwise an agent that is always refused would be
    explored for ever. The calls of dispatcher and merge agent count for latency and stability, so that one that never
    answers loses its post; not where the agents without a seat are asked in shadow seats, for there each agent is
    observed once a question, as in the published experiment.
    """
    rank = None if decision.rule_versions.learn == "learn.v1" else decision.rule_versions.rank
    shadows = decision.shadows if isinstance(decision, DecisionMadeV2) else None
    seats: tuple[Ballot | Exclusion | Shadow, ...] = (*decision.counted, *decision.excluded, *(shadows or ()))
    of_seats = [_of_seat(decision, voice, rank) for voice in seats if rank is not None or _called(voice)]
    posts = None
    if isinstance(decision, DecisionMadeV2) and rank is not None and shadows is None:
        posts = decision.posts
    return (*of_seats, *(_of_post(decision, post, rank) for post in posts or () if post.outcome != "refused"))


def _called(voice: Ballot | Exclusion | Shadow) -> bool:
    """Whether a seat had a call, or is still waited for."""
    if not isinstance(voice, Ballot) and voice.reason in ("failed", "no_reply", "refused"):
        return voice.reason != "refused"
    return voice.conduct.attempts > 0


def _of_seat(decision: DecisionMade, voice: Ballot | Exclusion | Shadow, rank: RankRules | None) -> AgentObserved:
    """Observe one analyst's calls: what they took, what they cost, and the share that gave an analysis."""
    conduct, called = voice.conduct, _called(voice)
    silent = not isinstance(voice, Ballot) and voice.reason in ("failed", "no_reply")
    return _calls(
        decision,
        rank,
        agent=voice.agent,
        latency_ms=conduct.latency_ms if called else None,
        cost_nusd=None if conduct.unpriced_calls or not conduct.attempts else conduct.cost_nusd,
        stability_ppb=(0 if silent else half_even(PPB, conduct.attempts)) if called else None,
    )


def _of_post(decision: DecisionMade, post: Post, rank: RankRules | None) -> AgentObserved:
    """Observe the calls of a dispatcher or merge agent; its cost is left out, for it is no analysis's."""
    answered = post.outcome == "answered" and post.conduct.attempts > 0
    return _calls(
        decision,
        rank,
        agent=post.agent,
        post=post.role,
        latency_ms=post.conduct.latency_ms,
        stability_ppb=half_even(PPB, post.conduct.attempts) if answered else 0,
    )


def _calls(decision: DecisionMade, rank: RankRules | None, **measured: Any) -> AgentObserved:
    """Build the observation of one seat or post: what was measured, beside what the decision says."""
    return observed(
        rank,
        causes=(decision.event_id,),
        occurred_at=decision.occurred_at,
        question_id=decision.question_id,
        scopes=decision.scopes,
        source="decision",
        weight_ppb=PPB,
        averaging=decision.learning.averaging,
        **measured,
    )
