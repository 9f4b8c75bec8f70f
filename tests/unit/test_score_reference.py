"""The published score formulas in floats, and integer agreement."""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest

from schemas.policies import Averaging, ColdStart
from schemas.quantities import NS_PER_MS, PPB, PUSD_PER_NUSD
from streams.processors.ema import move
from streams.processors.score import Averages, rank_candidates, weighted_score

from ..worlds import entry, policy, table

AGENTS = ("a", "b", "c", "d", "e")
TABLES = 2_000
"""Tables of five agents each: 10,000 histories."""
NUSD, CLOSE = 1e9, 1e-6


class Seen(NamedTuple):
    """One observation, in the units of the published scripts."""

    quality: float
    latency_ms: float
    cost_usd: float
    stability: float


def ema(history: list[float], alpha: float, cold: float, *, harmonic: bool = False) -> float:
    """Average a history: the first observation sets the value; then new = old + step x (observed - old)."""
    value = cold
    for seen, observed in enumerate(history):
        step = 1.0 if seen == 0 else max(alpha, 1 / (seen + 2)) if harmonic else alpha
        value += step * (observed - value)
    return value


def averaged(history: list[Seen], alpha: float, cold: Seen, *, harmonic: bool = False) -> Seen:
    """Average all four quantities of a history."""
    columns = zip(*history, strict=True) if history else ((), (), (), ())
    return Seen(
        *(ema(list(column), alpha, start, harmonic=harmonic) for column, start in zip(columns, cold, strict=True))
    )


def published_score(believed: Seen) -> float:
    """Score by the `weighted` script."""
    slow, dear = min(believed.latency_ms / 5_000, 3), min(believed.cost_usd / 0.002, 3)
    return believed.quality + 0.1 * believed.stability - 0.3 * slow - 0.1 * dear


def published_order(believed: Seen) -> tuple[float, ...]:
    """Order by the `lexicographic` script, best first."""
    return (-believed.quality, believed.latency_ms, believed.cost_usd, -believed.stability)


def integers(history: list[Seen], averaging: Averaging) -> Averages:
    """Average a history in the units of the log."""
    cold = averaging.cold_start
    averages = [cold.quality_ppb, cold.latency_ms * NS_PER_MS, cold.cost_nusd * PUSD_PER_NUSD, cold.stability_ppb]
    units = (PPB, NS_PER_MS, NUSD * PUSD_PER_NUSD, PPB)
    for seen, observation in enumerate(history):
        for place, (observed, unit) in enumerate(zip(observation, units, strict=True)):
            averages[place] = move(averages[place], round(observed * unit), averaging, seen)
    return Averages(*averages)


def floats(averages: Averages) -> Seen:
    """Write averages of the log in the units of the scripts."""
    return Seen(
        averages.quality_ppb / PPB,
        averages.latency_ns / NS_PER_MS,
        averages.cost_pusd / NUSD / PUSD_PER_NUSD,
        averages.stability_ppb / PPB,
    )


def random_tables(seed: int) -> Iterator[list[list[Seen]]]:
    """Draw tables of one history for each agent; some are short or empty, so that ties and cold starts occur."""
    chance = random.Random(seed)
    for _ in range(TABLES):
        skills = [chance.random() for _ in AGENTS]
        yield [
            [
                Seen(
                    float(chance.random() < skill),
                    chance.randint(10, 40_000),
                    chance.randint(10_000, 20_000_000) / NUSD,
                    chance.choice((0.0, 0.5, 1.0)),
                )
                for _ in range(chance.choice((0, 1, 2, chance.randint(3, 25))))
            ]
            for skill in skills
        ]


def distance(first: Seen, second: Seen) -> float:
    """Give the largest difference of two sets of averages, relative where it is above one."""
    return max(abs(one - other) / max(1, abs(other)) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("step", ["fixed", "harmonic"])
def test_averages_agree_with_floats(step: str) -> None:
    """Over 10,000 histories the integer averages are the published ones to a millionth."""
    averaging = Averaging(step=step, alpha_ppb=200_000_000)
    cold = Seen(0.5, 2_000.0, 0.0, 0.9)
    worst = max(
        distance(floats(integers(history, averaging)), averaged(history, 0.2, cold, harmonic=step == "harmonic"))
        for histories in random_tables(seed=1)
        for history in histories
    )
    assert worst < CLOSE


def test_scores_agree_with_floats() -> None:
    """Over 10,000 histories the integer score is the published one to a millionth."""
    averaging, cold = Averaging(step="fixed", alpha_ppb=200_000_000), Seen(0.5, 2_000.0, 0.0, 0.9)
    weights = policy("a").routing.weights
    worst = max(
        abs(weighted_score(integers(history, averaging), weights) / PPB - published_score(averaged(history, 0.2, cold)))
        for histories in random_tables(seed=2)
        for history in histories
    )
    assert worst < CLOSE


RULES = {
    "weighted": (ColdStart(), lambda believed: (-published_score(believed),)),
    "lexicographic": (ColdStart(cost_nusd=10**9, stability_ppb=PPB // 2), published_order),
}


@pytest.mark.parametrize("rule", RULES)
def test_ranks_agree_with_floats(rule: str) -> None:
    """The order of the agents is the one that the published script gives, ties by priority; cold starts included."""
    cold_start, key = RULES[rule]
    averaging = Averaging(step="fixed", alpha_ppb=200_000_000, cold_start=cold_start)
    cold = floats(integers([], averaging))
    routed = policy(*AGENTS, routing={"rule": rule}, learning={"averaging": averaging})
    too_close = 0
    for histories in random_tables(seed=3):
        keys = {agent: key(averaged(history, 0.2, cold)) for agent, history in zip(AGENTS, histories, strict=True)}
        firsts = sorted({values[0] for values in keys.values()})
        if any(above - below < CLOSE for below, above in pairwise(firsts)):
            too_close += 1
            continue
        seen = {
            agent: integers(history, averaging) for agent, history in zip(AGENTS, histories, strict=True) if history
        }
        entries = table(*(entry(agent, **as_fields(averages)) for agent, averages in seen.items()))
        choice = rank_candidates("0" * 64, ("*",), routed, entries)
        assert [candidate.agent for candidate in choice.candidates] == sorted(AGENTS, key=keys.__getitem__)
    assert too_close < TABLES // 100


def as_fields(averages: Averages) -> dict[str, int]:
    """Name the averages as a router entry does."""
    return {
        "quality_ppb": averages.quality_ppb,
        "latency_ns": averages.latency_ns,
        "cost_pusd": averages.cost_pusd,
        "stability_ppb": averages.stability_ppb,
    }
