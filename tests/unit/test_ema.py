"""Moving averages: the step, and taking a step back."""

from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.policies import Averaging
from schemas.quantities import PPB
from streams.processors.ema import alpha, move, take_back

from ..strategies import averagings, parts

FIXED = Averaging(step="fixed", alpha_ppb=200_000_000)
HARMONIC = Averaging(step="harmonic", alpha_ppb=200_000_000)
earlier = st.integers(0, 1_000)
weights = st.integers(0, PPB)


def exact_step(averaging: Averaging, seen: int, weight_ppb: int = PPB) -> Fraction:
    """Give the share of the way that an observation moves an average, from the published rule."""
    if seen == 0:
        step = Fraction(1)
    elif averaging.step == "fixed":
        step = Fraction(averaging.alpha_ppb, PPB)
    else:
        step = max(Fraction(averaging.alpha_ppb, PPB), Fraction(1, seen + 2))
    return step * Fraction(weight_ppb, PPB)


@given(averagings, earlier)
def test_step_is_the_published_one(averaging: Averaging, seen: int) -> None:
    """The first observation sets the value; then the step is alpha, or the larger harmonic one."""
    assert Fraction(*alpha(averaging, seen)) == exact_step(averaging, seen)


@pytest.mark.parametrize(
    ("averaging", "seen", "step"),
    [
        (FIXED, 0, Fraction(1)),
        (FIXED, 1, Fraction(1, 5)),
        (FIXED, 100, Fraction(1, 5)),
        (HARMONIC, 0, Fraction(1)),
        (HARMONIC, 1, Fraction(1, 3)),
        (HARMONIC, 2, Fraction(1, 4)),
        (HARMONIC, 3, Fraction(1, 5)),
        (HARMONIC, 4, Fraction(1, 5)),
    ],
    ids=str,
)
def test_step_by_hand(averaging: Averaging, seen: int, step: Fraction) -> None:
    """The harmonic step falls from one third to alpha and stays there."""
    assert Fraction(*alpha(averaging, seen)) == step


@given(parts, parts, averagings, earlier, weights)
def test_move_is_the_exact_one_rounded_once(
    old: int, observed: int, averaging: Averaging, seen: int, weight: int
) -> None:
    """An average moves by step x weight x distance, with a single half-even rounding."""
    assert move(old, observed, averaging, seen, weight) == old + round(
        exact_step(averaging, seen, weight) * (observed - old)
    )


@given(parts, parts, averagings)
def test_first_observation_sets_the_value(cold: int, observed: int, averaging: Averaging) -> None:
    """What was believed before any observation has no weight."""
    assert move(cold, observed, averaging, 0) == observed


@given(parts, parts, averagings, earlier, weights)
def test_average_stays_between_old_and_observed(
    old: int, observed: int, averaging: Averaging, seen: int, weight: int
) -> None:
    """A move never passes what was observed."""
    assert min(old, observed) <= move(old, observed, averaging, seen, weight) <= max(old, observed)


@given(parts, averagings, earlier, weights)
def test_observing_the_average_changes_nothing(old: int, averaging: Averaging, seen: int, weight: int) -> None:
    """An observation of what is believed already leaves it."""
    assert move(old, old, averaging, seen, weight) == old


@given(parts, parts, averagings, earlier)
def test_weight_of_nothing_moves_nothing(old: int, observed: int, averaging: Averaging, seen: int) -> None:
    """A source that is worth nothing has no effect."""
    assert move(old, observed, averaging, seen, 0) == old


def test_weight_is_a_share_of_the_step() -> None:
    """Half the weight is half the step."""
    assert move(0, 1_000, FIXED, 1, PPB // 2) == 100


@given(parts, parts, averagings, st.integers(1, 1_000), weights)
def test_taking_the_last_move_back_restores_the_average(
    old: int, observed: int, averaging: Averaging, seen: int, weight: int
) -> None:
    """Undoing the last observation gives the average before it, to the rounding of the move."""
    step = exact_step(averaging, seen, weight)
    assume(step < 1)
    new = move(old, observed, averaging, seen, weight)
    restored = take_back(new, observed, 0, averaging, seen + 1, weight)
    assert abs(restored - old) <= Fraction(1, 2) / (1 - step) + Fraction(1, 2)


@given(parts, parts, parts, averagings)
def test_taking_the_only_observation_back_gives_the_cold_start(
    new: int, observed: int, cold: int, averaging: Averaging
) -> None:
    """An agent whose one observation was a mistake is unknown again."""
    assert take_back(new, observed, cold, averaging, 1, PPB) == cold


def test_take_back_by_hand() -> None:
    """0.8 after a right answer at step 0.2 was 0.75 before."""
    assert take_back(800_000_000, PPB, 0, FIXED, 5, PPB) == 750_000_000


def test_take_back_counts_the_mistaken_observation() -> None:
    """The step undone is the one the mistaken observation had, not the next one's."""
    assert take_back(move(900, 300, HARMONIC, 1), 300, 0, HARMONIC, 2, PPB) == 900
