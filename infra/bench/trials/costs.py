"""Trial of asking by gain per cost."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean
from typing import Literal

from infra.bench.odds.__main__ import by_accuracy
from infra.bench.odds.panels import PanelOfModels, of_models
from infra.bench.odds.play import Course, Known, Player
from schemas.odds import Member, Odds
from schemas.quantities import PPB
from streams.processors.odds.gain import expected_gain
from streams.processors.odds.posterior import Scored

Way = Literal["by skill, calls", "by skill, cost", "skill per cost", "gain per cost"]
WAYS: tuple[Way, ...] = ("by skill, calls", "by skill, cost", "skill per cost", "gain per cost")
"""
Order of the agents, and what is set against the gain. The first is the rule as it is; the others know prices.
"""
WORTH = (1_000_000, 3_000_000, 6_000_000, 12_000_000)
"""Right answers that one mean call must win, in billionths."""
TODAY = 6_000_000


@dataclass(slots=True)
class PricedPlayer(Player):
    """A panel whose agents' calls have prices, in units of the panel's mean price."""

    way: Way = "by skill, calls"
    prices: Mapping[str, float] = field(default_factory=dict)
    spent: float = 0.0

    def _ask(self, number: int, known: Known) -> tuple[tuple[str, ...], Scored, str | None]:
        asked, scored, leader = self._chosen(number, known)
        self.spent += sum(self.prices[agent] for agent in asked)
        return asked, scored, leader

    def _chosen(self, number: int, known: Known) -> tuple[tuple[str, ...], Scored, str | None]:
        every = self.settings.audit_every
        if self.lessons < self.settings.warm_up_lessons or (every and number % every == 0):
            return (self.panel, *self._score(known, self.panel))
        left = sorted((self._member(agent, known) for agent in self.panel), key=self._first)
        asked: tuple[str, ...] = ()
        while True:
            asked = tuple(agent for agent in self.panel if agent in (*asked, left[0].agent))
            left = left[1:]
            scored, leader = self._score(known, asked)
            if not left:
                return asked, scored, leader
            if leader is None:
                continue
            if not self._worth(known, asked, scored, leader, left):
                return asked, scored, leader
            if self.way == "gain per cost":
                left.sort(key=lambda member: -self._gain(known, asked, scored, leader, [member]) / self._price(member))

    def _first(self, member: Member) -> float:
        priced = self.way in ("skill per cost", "gain per cost")
        return -member.skill / (self._price(member) if priced else 1)

    def _price(self, member: Member) -> float:
        return self.prices[member.agent]

    def _worth(self, known: Known, asked: Sequence[str], scored: Scored, leader: str, left: Sequence[Member]) -> bool:
        price = len(left) if self.way == "by skill, calls" else sum(map(self._price, left))
        return self._gain(known, asked, scored, leader, left) >= self.settings.gain_per_call_ppb * price

    def _gain(self, known: Known, asked: Sequence[str], scored: Scored, leader: str, left: Sequence[Member]) -> float:
        ballots = self._ballots(known, asked)
        given = [voice.answer for voice in ballots.voices]
        return expected_gain(scored, leader, given, left, ballots.nominal_choices, self.settings).expected_ppb


def schedules(best_first: Sequence[str], seed: int) -> dict[str, dict[str, float]]:
    """Give price lists, each with a mean of one: recorded outputs have no prices."""
    chance = random.Random(seed)
    count = len(best_first)
    lists = {
        "equal": dict.fromkeys(best_first, 1.0),
        "the better the dearer": {agent: 2.0 ** (count - place) for place, agent in enumerate(best_first)},
        "drawn, 1 to 30": {agent: 30 ** chance.random() for agent in best_first},
    }
    return {
        name: {agent: price / fmean(prices.values()) for agent, price in prices.items()}
        for name, prices in lists.items()
    }


def measure(name: str, known: Sequence[Known], orders: int) -> None:
    """Play each way at several worths of a call; print accuracy and cost, and the cost at today's accuracy."""
    best_first = by_accuracy(known)
    for panel in [of_models(f"top{min(5, len(best_first))}", best_first[:5])]:
        for schedule, prices in schedules(list(panel.models), seed=42).items():
            print(f"{name}, {panel.name}, prices {schedule}: accuracy and cost in mean calls, by worth of a call")
            today: tuple[float, float] | None = None
            for way in WAYS if schedule != "equal" else (WAYS[0], WAYS[-1]):
                front = [_played(panel, known, orders, way, prices, worth) for worth in WORTH]
                today = today or front[WORTH.index(TODAY)]
                same = cost_at(front, today[0])
                saved = "not reached" if same is None else f"{100 * (1 - same / today[1]):+.0f} % saved"
                print(
                    f"  {way:<16}",
                    *(f"{right:.2%} {cost:5.2f} " for right, cost in front),
                    f" at {today[0]:.2%}: {saved}",
                )


def _played(
    panel: PanelOfModels, known: Sequence[Known], orders: int, way: Way, prices: Mapping[str, float], worth: int
) -> tuple[float, float]:
    settings = replace_worth(worth)
    right, cost = [], []
    for order in range(orders):
        asked = list(known)
        random.Random(order).shuffle(asked)
        player = PricedPlayer(tuple(panel.models), settings, way=way, prices=prices)
        course: Course = player.play(panel.questions(asked))
        right.append(course.accuracy)
        cost.append(player.spent / len(known))
    return fmean(right), fmean(cost)


def replace_worth(worth: int) -> Odds:
    """Give the rule's settings with another worth of a call."""
    assert worth < PPB, "a call that must win a whole answer is never made"
    return Odds(gain_per_call_ppb=worth)


def cost_at(front: Sequence[tuple[float, float]], accuracy: float) -> float | None:
    """Give the least cost at which a way reaches an accuracy, between its points by a straight line; None: at none."""
    points = sorted(front, key=lambda point: point[1])
    reached = [cost for right, cost in points if right >= accuracy]
    least = min(reached, default=None)
    for (r0, c0), (r1, c1) in pairwise(points):
        if r0 < accuracy <= r1:
            between = c0 + (c1 - c0) * (accuracy - r0) / (r1 - r0)
            least = between if least is None else min(least, between)
    return least
