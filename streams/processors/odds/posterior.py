"""Scores of answers, and the posterior over all choices."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from schemas.odds import ONE
from streams.processors.odds.fixed_point import exp_minus
from streams.processors.odds.switches import Row, Switch


class Scored(NamedTuple):
    """Scores and posterior, both in units of 1/65,536."""

    scores: dict[str, int]
    """Sum of the weights of each answer that has a row."""
    posterior: dict[str, int]
    """Of the same answers; with the others they add up to at most one."""
    other: int
    """Posterior of each answer without a row."""
    others: int
    """Number of those answers."""

    def of(self, answer: str) -> int:
        """Give the posterior of an answer, with or without a row."""
        return self.posterior.get(answer, self.other)


def score(rows: Mapping[str, Row], choices: int, weight: Callable[[Switch], int]) -> Scored:
    """
    Score each answer by the sum of its weights, and give the softmax of the scores over all choices.

    Args:
        rows: Weights in the score of each answer; an answer without a row scores 0.
        choices: Answers that the posterior is spread over.
        weight: Gives a weight in units of 1/65,536.

    Source: conditional logit (McFadden 1974), whose log-odds are sums of weights.
    """
    scores = {}
    for answer, row in rows.items():
        total = 0
        for switch, times in row.items():
            total += weight(switch) * times
        scores[answer] = total
    others = max(choices - len(rows), 0)
    top = max([*scores.values(), *([0] if others else [])], default=0)
    powers = {answer: exp_minus(top - value) for answer, value in scores.items()}
    power_of_other = exp_minus(top) if others else 0
    whole = max(sum(powers.values()) + others * power_of_other, 1)
    posterior = {answer: power * ONE // whole for answer, power in powers.items()}
    return Scored(scores, posterior, power_of_other * ONE // whole, others)
