"""Sentences of comparisons, as a paper would print them."""

import pytest

from streams.evaluation.comparing import adjusted, compared
from streams.evaluation.derived import ArmSeries
from streams.evaluation.measures import measured
from streams.evaluation.outcomes import ArmOutcome, GradedQuestion
from streams.evaluation.report import ArmResult, Comparison


def _arm(name: str, right: set[int], questions: int) -> tuple[ArmSeries, ArmResult]:
    rows = [
        ArmOutcome(n, f"q{n}", "A" if n in right else "B", n in right, 1, None, None, 0, 1, None)
        for n in range(questions)
    ]
    series = ArmSeries("p", name, "rule", [rows])
    return series, measured(series, _asked(questions), seed=1, resamples=200, rule=None, routing=None)


def _asked(questions: int) -> dict[str, GradedQuestion]:
    return {f"q{n}": GradedQuestion(f"q{n}", "A") for n in range(questions)}


def _compared(first: set[int], second: set[int], questions: int = 600, family: str = "f") -> Comparison:
    arms = _arm("panel", first, questions), _arm("single", second, questions)
    return compared(family, *arms, _asked(questions), seed=1, resamples=500)


def test_a_difference_that_does_not_show() -> None:
    """The sentence gives n, the interval, the test, and what would have been found."""
    (one,) = adjusted([_compared(set(range(400)), set(range(20, 414)))])
    assert (one.only_first, one.only_second) == (20, 14)
    assert one.sentence.startswith("panel and single are not distinguishable at n = 600: +1.0 points (95 % CI −")
    assert "exact McNemar, p = 0.392; n = 600); a true difference of" in one.sentence


def test_a_difference_that_shows() -> None:
    """The better arm comes first, whichever way round the comparison is."""
    (one,) = adjusted([_compared(set(range(300)), set(range(380)))])
    assert one.sentence.startswith("single is more accurate than panel: −13.3 points (95 % CI −")
    assert "p < 0.001" in one.sentence
    assert one.calls_per_extra_right is None


def test_arms_that_never_differ() -> None:
    """Equal arms have p = 1, no price of an extra right answer, and the sentence promises no power."""
    (one,) = adjusted([_compared({1, 2}, {1, 2})])
    assert (one.p, one.difference, one.smallest_difference) == (1.0, 0.0, None)
    assert "too few questions are discordant" in one.sentence


def test_holm_within_families_over_panels() -> None:
    """A p-value is adjusted by the comparisons of its own family alone."""
    first, second = _compared(set(range(300)), set(range(325))), _compared(set(range(300)), set(range(330)))
    other = _compared(set(range(300)), set(range(325)), family="other")
    found = adjusted([first, second, other])
    assert found[0].p_holm == pytest.approx(max(first.p, 2 * second.p))
    assert found[1].p_holm == pytest.approx(2 * second.p)
    assert found[2].p_holm == other.p
    assert "Holm over 2 comparisons" in found[0].sentence
    assert "Holm" not in found[2].sentence
