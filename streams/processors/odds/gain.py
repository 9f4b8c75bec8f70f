"""Expected gain of asking further agents."""

from collections.abc import Sequence
from math import isqrt
from typing import NamedTuple

from schemas.odds import ONE, Gain, Member, Odds
from schemas.quantities import PPB
from streams.processors.fixed import half_even
from streams.processors.odds.fixed_point import logistic
from streams.processors.odds.posterior import Scored
from streams.processors.odds.switches import NOMINAL_CHOICES

_FOLLOWS = 3 * ONE // 10
"""
Share of an agent's mistakes that join an answer already given; measured agreement of wrong answers is 0.3 to 0.4.
"""
_PROBIT = 111_543
"""1.702 in units of 1/65,536: logistic(1.702 z) is within 0.01 of the normal distribution function (Haley 1952)."""


class _Rival(NamedTuple):
    """An answer that may overtake the leader."""

    posterior: int
    gap: int
    """Score of the leader minus its own."""
    is_given: bool
    """Whether some agent gave it."""
    alike: int = 1
    """Number of rivals that are like it."""


class _Push(NamedTuple):
    """Expected change of the distance between a rival and the leader: mean, and variance in the same unit."""

    mean: int
    variance: int

    def overtakes(self, gap: int) -> int:
        """Give the probability, in units of 1/65,536, that the change exceeds the gap."""
        if self.variance <= 0:
            return 0
        deviation = max(isqrt(self.variance << 16), 1)
        return logistic((self.mean - gap) * _PROBIT // deviation)


def expected_gain(
    scored: Scored, leader: str, given: Sequence[str], left: Sequence[Member], choices: int, settings: Odds
) -> Gain:
    """
    Weigh what asking the remaining agents is expected to win against what their calls cost.

    For each rival a of the leader b the remaining agents' votes push the scores apart: by a normal variable whose mean
    and variance follow from each agent's skill and mean weight, once if a is right and once if b is. The gain sums up
    max(0, p(a) P(a overtakes | a right) - p(b) P(a overtakes | b right)) over the rivals.

    Args:
        scored: Scores and posterior so far.
        leader: The answer that would be decided now.
        given: Answers that agents gave.
        left: Agents that were not asked; at least one.
        choices: Answers that the posterior is spread over.
        settings: Worth of a call.

    Source: expected value of information of the next observations (Raiffa & Schlaifer 1961), by normal approximation.
    """
    sure = scored.of(leader)
    gain = 0
    pushes: dict[bool, tuple[_Push, _Push]] = {}
    for rival in _rivals(scored, leader, given, choices):
        if rival.is_given not in pushes:
            pushes[rival.is_given] = _pushes(left, rival.is_given, choices)
        if_right, if_wrong = pushes[rival.is_given]
        won = rival.posterior * if_right.overtakes(rival.gap)
        lost = sure * if_wrong.overtakes(rival.gap)
        gain += max(0, won - lost) * rival.alike
    return Gain(
        left=len(left),
        expected_ppb=half_even(gain * PPB, ONE * ONE),
        wanted_ppb=settings.gain_per_call_ppb * len(left),
    )


def _rivals(scored: Scored, leader: str, given: Sequence[str], choices: int) -> list[_Rival]:
    """List the rivals. Of a number all values that nobody gave are one: the next agents will not spread over them."""
    top = scored.scores[leader]
    rivals = [
        _Rival(posterior, top - scored.scores[answer], answer in given)
        for answer, posterior in scored.posterior.items()
        if answer != leader
    ]
    if scored.others:
        is_number = choices == NOMINAL_CHOICES
        mass, alike = (scored.other * scored.others, 1) if is_number else (scored.other, scored.others)
        rivals.append(_Rival(mass, top, is_given=False, alike=alike))
    return rivals


def _pushes(left: Sequence[Member], is_given: bool, choices: int) -> tuple[_Push, _Push]:
    """Give the push towards a rival if it is right, and if the leader is."""
    mean_right = variance_right = mean_wrong = variance_wrong = 0
    for member in left:
        weight, skill = max(member.mean, 0), member.skill
        square = weight * weight // ONE
        # A mistake follows an answer that is there more often than any one of the others.
        follows = (ONE - skill) * _FOLLOWS // ONE
        joins = follows if is_given else (ONE - skill) // (choices - 1)
        towards, away = weight * (skill - follows) // ONE, weight * (joins - skill) // ONE
        mean_right += towards
        mean_wrong += away
        variance_right += square * (skill + follows) // ONE - towards * towards // ONE
        variance_wrong += square * (joins + skill) // ONE - away * away // ONE
    return _Push(mean_right, variance_right), _Push(mean_wrong, variance_wrong)
