"""Scores of agents, and the order of candidates."""

from collections.abc import Mapping
from dataclasses import dataclass

from schemas.panels import Candidate
from schemas.policies import ColdStart, PolicyAdopted, Routing, ScoreWeights
from schemas.quantities import NS_PER_MS, PPB, PUSD_PER_NUSD
from schemas.router import RouterEntry
from streams.processors.fixed import MICRO, half_even, ln_micro, sqrt_ppb

UNKNOWN_BONUS_PPB = 1_000 * PPB
"""Bonus of an agent that was never asked: above any score, so that it comes first."""

Entries = Mapping[tuple[str, str], RouterEntry]


@dataclass(frozen=True, slots=True)
class Averages:
    """The four averages of one agent as the router uses them, after shrinkage."""

    quality_ppb: int
    latency_ns: int
    cost_pusd: int
    stability_ppb: int


@dataclass(frozen=True, slots=True)
class Choice:
    """All candidates by rank, and the panel and reserve chosen from them."""

    candidates: tuple[Candidate, ...]
    entries: dict[str, tuple[RouterEntry | None, ...]]
    """Router entries consulted, by agent in rank order, one for each scope."""
    panel: tuple[str, ...]
    reserve: tuple[str, ...]
    explored: str | None
    warm_up: bool
    """Whether all agents form the panel, in one stage."""
    asked: dict[str, int]
    """Questions on which each agent was asked."""


def averages(entries: tuple[RouterEntry | None, ...], cold: ColdStart, shrinkage: int) -> Averages:
    """
    Give the averages of one agent that the router uses for one question.

    Args:
        entries: Its router entry in each scope, widest first; None where nothing was observed.
        cold: Averages before any observation.
        shrinkage: Weight of the wider scope in the narrower one, in observations.

    Returns:
        For each quantity, from the widest scope to the narrowest: (n x own + shrinkage x wider) / (n + shrinkage),
        with n the observations behind the own average; the wider value alone where n is 0.
    """
    quality, latency = cold.quality_ppb, cold.latency_ms * NS_PER_MS
    cost, stability = cold.cost_nusd * PUSD_PER_NUSD, cold.stability_ppb
    for scope, entry in enumerate(entries):
        if entry is None:
            continue
        pull = shrinkage if scope else 0
        seen = entry.observations
        quality = _shrunk(entry.quality_ppb, seen.quality, quality, pull)
        latency = _shrunk(entry.latency_ns, seen.latency, latency, pull)
        cost = _shrunk(entry.cost_pusd, seen.cost, cost, pull)
        stability = _shrunk(entry.stability_ppb, seen.stability, stability, pull)
    return Averages(quality, latency, cost, stability)


def _shrunk(own: int, seen: int, wider: int, pull: int) -> int:
    if seen == 0:
        return wider
    return own if pull == 0 else half_even(seen * own + pull * wider, seen + pull)


def weighted_score(believed: Averages, weights: ScoreWeights) -> int:
    """
    Score an agent: q + w_s s - w_l min(latency / latency_scale, cap) - w_c min(cost / cost_scale, cap).

    Returns:
        Parts per billion; within 2 of the exact value.

    Source: reference script of arXiv 2602.01797, `weighted`.
    """
    latency_scale, cost_scale = weights.latency_scale_ms * NS_PER_MS, weights.cost_scale_nusd * PUSD_PER_NUSD
    latency = min(believed.latency_ns, weights.cap * latency_scale)
    cost = min(believed.cost_pusd, weights.cap * cost_scale)
    return (
        believed.quality_ppb
        + half_even(weights.stability_ppb * believed.stability_ppb, PPB)
        - half_even(weights.latency_ppb * latency, latency_scale)
        - half_even(weights.cost_ppb * cost, cost_scale)
    )


def ucb_bonus(routing: Routing, asked: int, total: int) -> int:
    """
    Give the exploration bonus c x sqrt(ln N / n) in parts per billion.

    Args:
        routing: Its exploration says whether there is a bonus, and c.
        asked: n, questions on which the agent was observed at all, in the global scope.
        total: N, the sum of n over all agents.

    Source: UCB1 (Auer, Cesa-Bianchi, Fischer 2002), with c in place of sqrt(2).
    """
    if routing.exploration.kind != "ucb":
        return 0
    if asked == 0:
        return UNKNOWN_BONUS_PPB
    return half_even(routing.exploration.bonus_ppb * sqrt_ppb(ln_micro(total, 1), MICRO * asked), PPB)


def rank_candidates(question_event_id: str, scopes: tuple[str, ...], policy: PolicyAdopted, entries: Entries) -> Choice:
    """
    Rank all agents of a policy for one question, and seat the first of them.

    Ties go to the priority list. While any agent was asked fewer questions than the warm-up, all of them form the
    panel: otherwise an agent whose first answers happened to be wrong would not be asked again for a long time.
    `static` has no warm-up, because its order does not depend on observations. Under `nth` exploration one question in
    `every`, chosen by its id, seats the agent observed least.
    """
    routing, cold = policy.routing, policy.learning.averaging.cold_start
    consulted = {agent: tuple([entries.get((scope, agent)) for scope in scopes]) for agent in policy.priority}
    asked = {agent: _asked(found[0], policy) for agent, found in consulted.items()}
    total = sum(asked.values())
    rows = []
    for place, (agent, found) in enumerate(consulted.items()):
        believed = averages(found, cold, routing.shrinkage)
        bonus = ucb_bonus(routing, asked[agent], total)
        score = weighted_score(believed, routing.weights) + bonus if routing.rule == "weighted" else None
        rows.append((_order(routing, believed, score, bonus), place, agent, believed, score, bonus))
    rows.sort(key=lambda row: row[:2])
    candidates = tuple(
        Candidate(
            agent=agent,
            rank=rank,
            score_ppb=score,
            bonus_ppb=bonus,
            quality_ppb=believed.quality_ppb,
            latency_ns=believed.latency_ns,
            cost_pusd=believed.cost_pusd,
            stability_ppb=believed.stability_ppb,
            entry_ids=tuple([None if entry is None else entry.event_id for entry in consulted[agent]]),
            sequences=tuple([0 if entry is None else entry.sequence for entry in consulted[agent]]),
        )
        for rank, (_, _, agent, believed, score, bonus) in enumerate(rows, start=1)
    )
    order = tuple(candidate.agent for candidate in candidates)
    ranked_entries = {agent: consulted[agent] for agent in order}
    if routing.rule != "static" and min(asked.values()) < routing.exploration.warm_up:
        return Choice(candidates, ranked_entries, order, (), None, warm_up=True, asked=asked)
    panel, explored = _panel(order, asked, question_event_id, policy)
    rest = tuple(agent for agent in order if agent not in panel)
    return Choice(candidates, ranked_entries, panel, rest[: policy.merge.reserve], explored, warm_up=False, asked=asked)


def _order(routing: Routing, believed: Averages, score: int | None, bonus: int) -> tuple[int, ...]:
    """Give the sort key of an agent, smallest first; equal keys fall back to the priority list."""
    if routing.rule == "static":
        return ()
    if score is not None:
        return (-score,)
    return (-believed.quality_ppb - bonus, believed.latency_ns, believed.cost_pusd, -believed.stability_ppb)


def _asked(entry: RouterEntry | None, policy: PolicyAdopted) -> int:
    """Give the number of questions on which an agent was asked; under route.v1 those whose calls were observed."""
    if entry is None:
        return 0
    seen = entry.observations
    return seen.stability if policy.rule_versions.route == "route.v1" else seen.askings


def _panel(
    order: tuple[str, ...], asked: dict[str, int], question_event_id: str, policy: PolicyAdopted
) -> tuple[tuple[str, ...], str | None]:
    """
    Seat the first agents in order; on a question that explores, the least observed of the others takes the last seat of
    the first stage, for later stages may never open. Under route.v1 it takes the last seat of all.
    """
    size, exploration = policy.routing.panel_size, policy.routing.exploration
    panel, rest = order[:size], order[size:]
    if exploration.kind != "nth" or not rest or int(question_event_id, 16) % exploration.every:
        return panel, None
    explored = min(rest, key=lambda agent: asked[agent])
    staged = policy.in_stages and policy.rule_versions.route != "route.v1"
    place = policy.merge.stages[0] - 1 if staged else size - 1
    return (*panel[:place], explored, *panel[place:-1]), explored
