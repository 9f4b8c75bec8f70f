"""Trial of negative flips, and of room for debate."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from infra.bench.odds.__main__ import by_accuracy, is_right, plain_vote
from infra.bench.odds.panels import of_models
from infra.bench.odds.play import Known, Player
from schemas.odds import ONE, Odds
from streams.processors.odds.posterior import Scored

MARGINS = (0.0, 0.1, 0.2, 0.4)
"""Posterior by which the new answer must lead the former policy's, or that one stays."""
DOUBTS = (0.5, 0.7, 0.9)


@dataclass(slots=True)
class LoyalPlayer(Player):
    """A panel that keeps the plain vote's answer unless another leads it by a margin; fewer answers turn wrong."""

    margin: float = 0.0

    def _score(self, known: Known, asked: Sequence[str]) -> tuple[Scored, str | None]:
        scored, leader = Player._score(self, known, asked)
        votes: dict[str, int] = {}
        for voice in self._voices(known, asked):
            votes[voice.answer] = votes.get(voice.answer, 0) + 1
        former = max(votes, key=votes.__getitem__, default=None)
        if leader is None or former is None or scored.of(leader) - scored.of(former) >= self.margin * ONE:
            return scored, leader
        return scored, former


def measure(name: str, known: Sequence[Known], orders: int) -> None:
    """
    Print how many answers turn wrong and right where the plain vote gives way to the rule `odds`.

    The last lines give what a second stage, in which analysts see each other, could win at most: the doubtful questions
    of which some agent knew the right answer and the rule did not. Nothing recorded says how many of these it would
    win, nor how many right answers it would lose.
    """
    best_first = by_accuracy(known)
    for panel in (of_models("top3", best_first[:3]), of_models(f"all{len(best_first)}", best_first)):
        agents = tuple(panel.models)
        print(f"{name}, {panel.name}: from plain vote to odds, whole panel")
        votes = {one.question_id: plain_vote(one, agents) for one in known}
        room: list[dict[float, tuple[float, float]]] = []
        for margin in MARGINS:
            rates = []
            for order in range(orders):
                asked = list(known)
                random.Random(order).shuffle(asked)
                course = LoyalPlayer(agents, Odds(cascade=False), margin=margin).play(asked)
                worse = fmean(votes[q] and not hit for q, hit in course.hits.items())
                better = fmean(hit and not votes[q] for q, hit in course.hits.items())
                rates.append((course.accuracy, worse, better))
                if not margin:
                    room.append(_room(asked, agents, course.sure))
            right, worse, better = (fmean(column) for column in zip(*rates, strict=True))
            print(f"  margin {margin:.1f}: {right:.2%} right, {worse:.2%} turn wrong, {better:.2%} turn right")
        for doubt in DOUBTS:
            share, most = (fmean(one[doubt][place] for one in room) for place in (0, 1))
            print(f"  posterior below {doubt}: {share:.1%} of the questions, in {most:.1%} the rule alone is wrong")


def _room(
    asked: Sequence[Known], agents: Sequence[str], sure: Sequence[tuple[int, bool]]
) -> dict[float, tuple[float, float]]:
    """Give the share of doubtful questions, and of those that somebody knew and the rule did not."""
    heard = [one for one in asked if any(one.voices[agent] is not None for agent in agents)]
    found = {}
    for doubt in DOUBTS:
        doubtful = [(one, hit) for one, (p, hit) in zip(heard, sure, strict=True) if p < doubt * ONE]
        missed = sum(not hit and any(is_right(one, agent) for agent in agents) for one, hit in doubtful)
        found[doubt] = (len(doubtful) / len(asked), missed / len(asked))
    return found
