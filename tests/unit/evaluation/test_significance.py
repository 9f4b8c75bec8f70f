"""Statistics of paired comparisons, beside scipy's and published values."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from streams.evaluation.resampling import DrawnCluster, bootstrap, by_group, by_question
from streams.evaluation.significance import holm, mcnemar, phi, smallest_difference, wilson

counts = st.integers(0, 400)


@given(counts, counts)
def test_mcnemar_is_the_exact_binomial_test(b: int, c: int) -> None:
    """The p-value is scipy's two-sided binomial test of the discordant questions."""
    expected = stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert mcnemar(b, c).p == pytest.approx(expected, rel=1e-9)


@given(counts, counts)
def test_mid_p_takes_half_of_the_observed_table(b: int, c: int) -> None:
    """The mid-p is the exact p less half of the probability of the observed table, on both sides."""
    n = b + c
    if n == 0:
        assert mcnemar(b, c).mid_p == 1.0
        return
    observed = stats.binom.pmf(b, n, 0.5)
    expected = 1 - observed / 2 if b == c else 2 * stats.binom.cdf(min(b, c), n, 0.5) - observed
    assert mcnemar(b, c).mid_p == pytest.approx(expected, rel=1e-8)
    assert mcnemar(b, c).mid_p <= mcnemar(b, c).p


def test_mcnemar_of_a_published_table() -> None:
    """Fagerland and others 2013, airway hyper-responsiveness: 1 and 7 discordant pairs, p 0.070, mid-p 0.039."""
    result = mcnemar(1, 7)
    assert (round(result.p, 3), round(result.mid_p, 3)) == (0.07, 0.039)


def test_mcnemar_is_exact_for_large_counts() -> None:
    """Counts whose binomial coefficients no float holds give a p-value all the same."""
    assert mcnemar(5_000, 5_200).p == pytest.approx(stats.binomtest(5_000, 10_200, 0.5).pvalue, rel=1e-9)


def test_holm_of_a_worked_example() -> None:
    """Four p-values are multiplied by 4, 3, 2 and 1, and never decrease."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005})
    assert adjusted == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})


@given(st.dictionaries(st.text(max_size=3), st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_never_lowers(p_values: dict[str, float]) -> None:
    """An adjusted p-value is at least the given one, at most 1, and in the same order."""
    adjusted = holm(p_values)
    assert adjusted.keys() == p_values.keys()
    for name, p in p_values.items():
        assert p <= adjusted[name] <= 1
    ranked = sorted(p_values, key=p_values.__getitem__)
    assert sorted(adjusted[name] for name in ranked) == [adjusted[name] for name in ranked]


@given(st.integers(1, 5_000), st.data())
def test_wilson_is_scipys(n: int, data: st.DataObject) -> None:
    """The interval of a share is scipy's Wilson interval."""
    right = data.draw(st.integers(0, n))
    expected = stats.binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_smallest_difference_solves_connors_formula() -> None:
    """The difference put back into the formula of the sample size gives the number of questions."""
    for n, discordant in ((600, 0.2), (2_000, 0.1), (150, 0.4)):
        d = smallest_difference(n, discordant)
        assert d is not None
        z = stats.norm.ppf(0.975) * math.sqrt(discordant) + stats.norm.ppf(0.8) * math.sqrt(discordant - d * d)
        assert (z / d) ** 2 == pytest.approx(n, rel=1e-6)


def test_smallest_difference_is_found_four_times_in_five() -> None:
    """In simulated pairs with just that difference, McNemar's mid-p is below 5 % in about 80 % of the trials."""
    n, discordant = 600, 0.2
    d = smallest_difference(n, discordant)
    assert d is not None
    chance = random.Random(7)
    first, found = (discordant + d) / 2, 0
    for _ in range(600):
        draws = [chance.random() for _ in range(n)]
        b, c = sum(x < first for x in draws), sum(first <= x < discordant for x in draws)
        found += mcnemar(b, c).mid_p < 0.05
    assert 0.74 < found / 600 < 0.86


def test_too_few_questions_show_nothing() -> None:
    """With five questions, or with none on which the arms differ, no difference could have been shown."""
    assert smallest_difference(5, 0.2) is None
    assert smallest_difference(600, 0.0) is None


def test_bootstrap_is_close_to_scipys() -> None:
    """Interval and estimate of a mean difference are those of scipy's percentile bootstrap, within its noise."""
    chance = random.Random(3)
    values = [chance.choice((-1, 0, 0, 0, 0, 1, 1)) for _ in range(500)]
    ours = bootstrap([DrawnCluster(v, 1) for v in values], seed=1, resamples=4_000)
    theirs = stats.bootstrap((values,), lambda x, axis: x.mean(axis=axis), method="percentile", n_resamples=4_000)
    assert ours.estimate == pytest.approx(sum(values) / 500)
    assert ours.interval == pytest.approx(tuple(theirs.confidence_interval), abs=0.012)


def test_the_same_seed_gives_the_same_interval() -> None:
    """A bootstrap is a function of its seed, to the last digit."""
    clusters = [DrawnCluster(v % 3 - 1, 1) for v in range(100)]
    assert bootstrap(clusters, seed=42, resamples=500) == bootstrap(clusters, seed=42, resamples=500)
    assert bootstrap(clusters, seed=42, resamples=500).interval == (-0.16, 0.14)


def test_repeated_orders_add_no_evidence() -> None:
    """Twenty identical orders of the questions give the interval of one, because a question is drawn as a whole."""
    once = {str(n): [n % 3 - 1] for n in range(90)}
    often = {key: values * 20 for key, values in once.items()}
    assert bootstrap(by_question(often), seed=5).interval == bootstrap(by_question(once), seed=5).interval


def test_a_subject_is_drawn_as_a_whole() -> None:
    """Questions that go together by subject give a wider interval than as many independent ones."""
    differences = {str(n): [1 if n // 25 % 2 else -1] for n in range(200)}
    groups = {str(n): str(n // 25) for n in range(200)}
    apart = bootstrap(by_question(differences), seed=9).interval
    together = bootstrap(by_group(differences, groups), seed=9).interval
    assert together.high - together.low > 3 * (apart.high - apart.low)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=2, max_size=50))
def test_phi_is_pearsons_correlation(pairs: list[tuple[bool, bool]]) -> None:
    """The correlation of two yes-or-no sequences is Pearson's r, and None where one of them never varies."""
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    ours = phi(first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert ours is None
        return
    assert ours == pytest.approx(stats.pearsonr(list(map(int, first)), list(map(int, second))).statistic, abs=1e-9)
