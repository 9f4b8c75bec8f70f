"""Trial of pairwise reliability against reference questions."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import log, sqrt
from statistics import fmean, stdev

from infra.bench.odds.__main__ import by_accuracy
from infra.bench.odds.panels import of_models
from infra.bench.odds.play import Course, Known, Player
from schemas.odds import ONE, Odds
from streams.processors.odds.posterior import Scored

REFERENCES = 200
"""Answered questions that an answer is compared with: the newest ones with feedback."""
DOUBT = ONE // 2
"""Posterior below which the rule `odds` lets the references decide."""


@dataclass(slots=True)
class PairPlayer(Player):
    """
    A panel that decides by who was right when two of its agents disagreed.

    Each pair of an agent that gave an answer and one that gave another counts the log-odds of the first being right and
    the second wrong, over the questions of this kind on which they disagreed.
    """

    only_in_doubt: bool = False
    won: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def _score(self, known: Known, asked: Sequence[str]) -> tuple[Scored, str | None]:
        scored, leader = Player._score(self, known, asked)
        if leader is None or (self.only_in_doubt and scored.of(leader) >= DOUBT):
            return scored, leader
        return scored, max(scored.scores, key=lambda answer: self._reliability(answer, known, asked))

    def _reliability(self, answer: str, known: Known, asked: Sequence[str]) -> float:
        voices = self._voices(known, asked)
        kind = known.facts.kind
        return sum(
            log(
                (self.won.get((kind, one.agent, other.agent), 0) + 1)
                / (self.won.get((kind, other.agent, one.agent), 0) + 1)
            )
            for one in voices
            for other in voices
            if one.answer == answer != other.answer
        )

    def decide(self, number: int, known: Known, course: Course) -> None:
        """Decide one question, and count who was right against whom."""
        Player.decide(self, number, known, course)
        voices = self._voices(known, self.panel)
        for one in voices:
            for other in voices:
                if one.answer == known.gold != other.answer:
                    key = known.facts.kind, one.agent, other.agent
                    self.won[key] = self.won.get(key, 0) + 1


@dataclass(slots=True)
class MetaRankingPlayer(Player):
    """
    A panel that ranks each answer among those to reference questions.

    An answer that looks at least as well supported as a right one of a reference question gains, one that looks worse
    than a wrong one loses; what looks well is the share of the panel behind it and the skill of its best supporter. The
    paper lets a small model compare two pairs of question and answer; recorded outputs have no such model.

    Source: Liu et al., Meta Ranking, 2024, with this comparison in place of a model's.
    """

    references: list[tuple[float, bool]] = field(default_factory=list)

    def _score(self, known: Known, asked: Sequence[str]) -> tuple[Scored, str | None]:
        scored, leader = Player._score(self, known, asked)
        if leader is None:
            return scored, leader
        return scored, max(scored.scores, key=lambda answer: self._rank(self._look(answer, known, asked)))

    def _look(self, answer: str, known: Known, asked: Sequence[str]) -> float:
        behind = [
            self._member(voice.agent, known).skill for voice in self._voices(known, asked) if voice.answer == answer
        ]
        return len(behind) / len(asked) + max(behind, default=0) / ONE

    def _rank(self, look: float) -> int:
        recent = self.references[-REFERENCES * len(self.panel) :]
        return sum(
            (look >= other) - (look < other) if right else (look > other) - (look <= other) for other, right in recent
        )

    def decide(self, number: int, known: Known, course: Course) -> None:
        """Decide one question, and keep its answers as references."""
        Player.decide(self, number, known, course)
        for answer in dict.fromkeys(voice.answer for voice in self._voices(known, self.panel)):
            self.references.append((self._look(answer, known, self.panel), answer == known.gold))


WAYS: dict[str, Callable[[tuple[str, ...], Odds], Player]] = {
    "odds": Player,
    "record of pairs": PairPlayer,
    "record of pairs where odds doubts": lambda panel, odds: PairPlayer(panel, odds, only_in_doubt=True),
    "rank among references": MetaRankingPlayer,
}


def measure(name: str, known: Sequence[Known], orders: int) -> None:
    """Play each way on several panels; print accuracies, and the difference to the rule `odds` with its interval."""
    best_first = by_accuracy(known)
    sizes = [size for size in (3, 5) if size < len(best_first)]
    for panel in [*(of_models(f"top{size}", best_first[:size]) for size in sizes), of_models("all", best_first)]:
        print(f"{name}, {panel.name} of {len(panel.models)}, everybody asked")
        base: dict[str, float] = {}
        for way, player in WAYS.items():
            hits: dict[str, list[bool]] = {}
            for order in range(orders):
                asked = list(known)
                random.Random(order).shuffle(asked)
                course = player(tuple(panel.models), Odds(cascade=False)).play(panel.questions(asked))
                for question, hit in course.hits.items():
                    hits.setdefault(question, []).append(hit)
            rates = {question: fmean(held) for question, held in hits.items()}
            base = base or rates
            print(f"  {way:<34} {fmean(rates.values()):.2%}  {difference(rates, base)}")


def difference(rates: dict[str, float], base: dict[str, float]) -> str:
    """Give the mean difference in points with its 95 % interval, questions as clusters of their orders."""
    apart = [100 * (rates[question] - base[question]) for question in base]
    half = 1.96 * stdev(apart) / sqrt(len(apart))
    return f"{fmean(apart):+.2f} points ± {half:.2f}"
