"""Exponential and logistic function of the rule `odds`."""

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.odds import ONE
from streams.processors.odds.fixed_point import FINE, exp_minus, logistic

EXACT = Context(prec=40)
exponents = st.integers(0, 40 * ONE)


@given(exponents)
def test_exponential_is_near_the_exact_one(exponent: int) -> None:
    """e^-x is within two millionths, or within two of the last place where it is small."""
    exact = EXACT.exp(EXACT.divide(Decimal(-exponent), Decimal(ONE))) * FINE
    assert abs(exp_minus(exponent) - exact) <= max(exact * 2 / 1_000_000, 2)


@given(exponents, st.integers(0, ONE))
def test_exponential_never_rises(exponent: int, more: int) -> None:
    """A larger exponent never gives a larger value."""
    assert exp_minus(exponent + more) <= exp_minus(exponent)


@pytest.mark.parametrize(("exponent", "value"), [(0, FINE), (48 * ONE, 0), (10**30, 0)])
def test_exponential_at_its_ends(exponent: int, value: int) -> None:
    """It begins at one and ends at zero, however large the exponent."""
    assert exp_minus(exponent) == value


@given(st.integers(-60 * ONE, 60 * ONE))
def test_logistic_of_both_signs_adds_up_to_one(value: int) -> None:
    """The chance of an event and of its opposite are one together, each within the unit."""
    assert logistic(value) + logistic(-value) == ONE
    assert 0 <= logistic(value) <= ONE
