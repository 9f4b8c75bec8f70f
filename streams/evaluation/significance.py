"""
Tests of paired differences, by the standard library alone.

Two arms answered the same questions, so every test here is paired: only questions that one had right and the other
wrong say anything about the difference.
"""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from statistics import NormalDist
from typing import NamedTuple

ALPHA = 0.05
POWER = 0.8

_NORMAL = NormalDist()


class McNemar(NamedTuple):
    """
    McNemar's exact test.

    Attributes:
        only_first, only_second: Questions that only the first, or only the second arm had right.
        p: Two-sided exact p-value.
        mid_p: The same with half the probability of the observed table; less conservative.
    """

    only_first: int
    only_second: int
    p: float
    mid_p: float


def mcnemar(only_first: int, only_second: int) -> McNemar:
    """
    Test whether two arms are right equally often, exactly and in integers.

    Under the null hypothesis each discordant question is a fair coin. Both p-values are quotients of two integers and
    are rounded once, so they are the same on every machine.

    Source: McNemar 1947; mid-p after Fagerland, Lydersen and Laake 2013 (BMC Medical Research Methodology 13:91).
    """
    n, fewer = only_first + only_second, min(only_first, only_second)
    if n == 0:
        return McNemar(0, 0, 1.0, 1.0)
    term = tail = 1
    for k in range(1, fewer + 1):
        term = term * (n - k + 1) // k
        tail += term
    whole = 1 << n
    p = min(Fraction(1), Fraction(2 * tail, whole))
    # With equal counts both tails hold the observed table; it is counted once, and so is halved once.
    mid = Fraction(2 * tail - term, whole) if 2 * fewer < n else 1 - Fraction(term, 2 * whole)
    return McNemar(only_first, only_second, float(p), float(mid))


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """
    Adjust the p-values of one family of comparisons, so that any false alarm in it has at most the stated probability.

    Source: Holm 1979. Unlike Bonferroni's, the k-th smallest of m values is multiplied by m - k + 1.
    """
    adjusted: dict[str, float] = {}
    reached = 0.0
    ranked = sorted(p_values.items(), key=lambda item: item[1])
    for rank, (name, p) in enumerate(ranked):
        reached = max(reached, min(1.0, (len(ranked) - rank) * p))
        adjusted[name] = reached
    return {name: adjusted[name] for name in p_values}


def smallest_difference(
    questions: int, discordant: float, *, alpha: float = ALPHA, power: float = POWER
) -> float | None:
    """
    Give the smallest true difference of accuracies that this many paired questions would show.

    Args:
        questions: Number of independent questions.
        discordant: Share of the questions on which the two arms differ, 0 to 1.
        alpha: Two-sided level.
        power: Probability with which the difference would be found.

    Returns:
        A difference from 0 to 1; None where so few discordant pairs could have shown none.

    Source: sample size of McNemar's test, Connor 1987 (Biometrics 43:207), solved for the difference:
    sqrt(n) d = z(1 - alpha/2) sqrt(p) + z(power) sqrt(p - d^2), with p the share of discordant pairs.
    """
    if questions <= 0 or discordant <= 0:
        return None
    level, strength = _NORMAL.inv_cdf(1 - alpha / 2), _NORMAL.inv_cdf(power)
    low, high = 0.0, discordant
    for _ in range(60):
        middle = (low + high) / 2
        needed = level * math.sqrt(discordant) + strength * math.sqrt(max(0.0, discordant - middle * middle))
        low, high = (middle, high) if middle * math.sqrt(questions) < needed else (low, middle)
    reached = high * math.sqrt(questions) >= level * math.sqrt(discordant)
    return high if reached else None


class Interval(NamedTuple):
    """A confidence interval of 95 %."""

    low: float
    high: float


def wilson(right: int, questions: int) -> Interval:
    """
    Give the interval of a share, from the count alone.

    Source: Wilson 1927, without continuity correction.
    """
    if questions == 0:
        return Interval(0.0, 1.0)
    z = _NORMAL.inv_cdf(1 - ALPHA / 2)
    share, spread = right / questions, z * z / questions
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / questions + spread / (4 * questions))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def phi(first: Sequence[bool], second: Sequence[bool]) -> float | None:
    """Give the correlation of two yes-or-no sequences of the same questions; None if one of them never varies."""
    n = len(first)
    a, b = sum(first), sum(second)
    both = sum(x and y for x, y in zip(first, second, strict=True))
    spread = a * (n - a) * b * (n - b)
    return None if spread == 0 else (n * both - a * b) / math.sqrt(spread)
