"""
Seeded bootstrap of paired differences.

What belongs together is drawn together: a question with all its orders, or a whole subject with all its questions.
"""

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from streams.evaluation.significance import ALPHA, Interval

RESAMPLES = 2_000
"""Default; the p-value of a comparison is then no smaller than 1/1000, which is why `--resamples` exists."""


class DrawnCluster(NamedTuple):
    """
    What one cluster adds to a mean: a sum over its items, and how many items there are.

    Attributes:
        total: Sum of an integer over the cluster's items, such as the difference of right answers.
        size: Number of its items.
    """

    total: int
    size: int


class Bootstrap(NamedTuple):
    """
    Result of a bootstrap.

    Attributes:
        estimate: Mean over all items.
        interval: Percentile interval of 95 %.
        p: Two-sided p-value that the mean is 0, by the share of resamples on the other side of 0; never 0.
    """

    estimate: float
    interval: Interval
    p: float


def bootstrap(clusters: Sequence[DrawnCluster], *, seed: int, resamples: int = RESAMPLES) -> Bootstrap:
    """
    Resample whole clusters with replacement, and give the distribution of the mean over items.

    `random.Random(seed).random()` gives the same numbers in every version of Python (its documentation promises that
    of no other method), so the same seed gives the same interval anywhere.

    Source: Efron and Tibshirani 1993, percentile interval; Davison and Hinkley 1997 for (b + 1) / (B + 1).
    """
    items = sum(cluster.size for cluster in clusters)
    if not items:
        return Bootstrap(0.0, Interval(0.0, 0.0), 1.0)
    estimate = sum(cluster.total for cluster in clusters) / items
    if not any(cluster.total for cluster in clusters):
        return Bootstrap(0.0, Interval(0.0, 0.0), 1.0)
    means = sorted(_means(clusters, random.Random(seed), resamples))
    at = int(ALPHA / 2 * resamples)
    below = sum(mean <= 0 for mean in means)
    above = sum(mean >= 0 for mean in means)
    p = min(1.0, 2 * (min(below, above) + 1) / (resamples + 1))
    return Bootstrap(estimate, Interval(means[at], means[resamples - 1 - at]), p)


def _means(clusters: Sequence[DrawnCluster], chance: random.Random, resamples: int) -> list[float]:
    draw, n = chance.random, len(clusters)
    totals = [cluster.total for cluster in clusters]
    sizes = [cluster.size for cluster in clusters]
    if len(set(sizes)) == 1:
        items = n * sizes[0]
        return [sum([totals[int(draw() * n)] for _ in range(n)]) / items for _ in range(resamples)]
    means = []
    for _ in range(resamples):
        drawn = [int(draw() * n) for _ in range(n)]
        means.append(sum([totals[k] for k in drawn]) / sum([sizes[k] for k in drawn]))
    return means


def by_question(differences: Mapping[str, Sequence[int]]) -> list[DrawnCluster]:
    """Make each question one cluster: its differences in all orders are no independent evidence."""
    return [DrawnCluster(sum(values), len(values)) for values in differences.values()]


def by_group(differences: Mapping[str, Sequence[int]], groups: Mapping[str, str]) -> list[DrawnCluster]:
    """Make each group of questions, such as a subject, one cluster."""
    totals: dict[str, list[int]] = {}
    for question_id, values in differences.items():
        cluster = totals.setdefault(groups[question_id], [0, 0])
        cluster[0] += sum(values)
        cluster[1] += len(values)
    return [DrawnCluster(total, size) for total, size in totals.values()]
