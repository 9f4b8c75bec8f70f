"""Integer arithmetic against fractions, the C library and fifty digits."""

import math
from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from schemas.quantities import PPB
from streams.processors.fixed import MICRO, half_even, ln_micro, softmax_ppb, sqrt_ppb

integers = st.integers(-(10**30), 10**30)
positives = st.integers(1, 10**18)
evidence = st.integers(-200 * MICRO, 200 * MICRO)
others = st.lists(evidence, max_size=6).map(tuple)
FIFTY = Context(prec=50)


def softmax(leader: float, rest: list[float]) -> float:
    """Give the share of the leader in floats."""
    most = max([leader, *rest])
    return math.exp(leader - most) / math.fsum(math.exp(one - most) for one in [leader, *rest])


@given(integers, positives)
def test_half_even_agrees_with_fractions(numerator: int, denominator: int) -> None:
    """The one rounding is that of exact fractions."""
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(-1_000, 1_000), st.integers(1, 20))
def test_half_even_agrees_where_halves_are_common(numerator: int, denominator: int) -> None:
    """Small fractions, many of which lie on a half, round to the even neighbour."""
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (-1, 2, 0),
        (-3, 2, -2),
        (-5, 2, -2),
        (7, 4, 2),
        (-7, 4, -2),
        (5, 4, 1),
        (0, 7, 0),
    ],
)
def test_half_even_by_hand(numerator: int, denominator: int, rounded: int) -> None:
    """Halves go to the even neighbour, below zero too."""
    assert half_even(numerator, denominator) == rounded


@given(positives, positives)
def test_ln_agrees_with_the_c_library(numerator: int, denominator: int) -> None:
    """The logarithm is the C library's, to half a micro-nat."""
    assert abs(ln_micro(numerator, denominator) / MICRO - (math.log(numerator) - math.log(denominator))) < 5.001e-7


@given(positives, positives)
def test_ln_agrees_with_fifty_digits(numerator: int, denominator: int) -> None:
    """Eighteen digits are enough to round a micro-nat as fifty do."""
    exact = FIFTY.multiply(FIFTY.ln(FIFTY.divide(Decimal(numerator), Decimal(denominator))), Decimal(MICRO))
    assert ln_micro(numerator, denominator) == int(exact.to_integral_value(ROUND_HALF_EVEN))


@given(positives, positives)
def test_ln_of_the_inverse_is_the_negative(numerator: int, denominator: int) -> None:
    """Turning the fraction over turns the sign."""
    assert ln_micro(numerator, denominator) == -ln_micro(denominator, numerator)


@given(st.integers(1, 10**9), st.integers(1, 10**9), st.integers(1, 10**9))
def test_ln_of_an_expanded_fraction_is_the_same(numerator: int, denominator: int, factor: int) -> None:
    """Only the value of the fraction counts."""
    assert ln_micro(numerator * factor, denominator * factor) == ln_micro(numerator, denominator)


@given(positives, positives, positives)
def test_ln_grows_with_the_numerator(numerator: int, more: int, denominator: int) -> None:
    """A larger fraction never has the smaller logarithm."""
    assert ln_micro(numerator + more, denominator) >= ln_micro(numerator, denominator)


@pytest.mark.parametrize(("numerator", "micro_nats"), [(1, 0), (2, 693_147), (10, 2_302_585)])
def test_ln_by_hand(numerator: int, micro_nats: int) -> None:
    """Known logarithms are what tables say."""
    assert ln_micro(numerator, 1) == micro_nats


@given(evidence, others, st.integers(0, 26))
@example(0, (), 0)
@example(200 * MICRO, (-200 * MICRO,), 0)
@example(-200 * MICRO, (200 * MICRO,), 25)
def test_softmax_agrees_with_floats(leader: int, rest: tuple[int, ...], silent: int) -> None:
    """The posterior is the textbook's softmax; options nobody chose have evidence 0."""
    expected = softmax(leader / MICRO, [one / MICRO for one in rest] + [0.0] * silent)
    assert abs(softmax_ppb(leader, rest, silent) - expected * PPB) <= 1


@given(st.lists(evidence, min_size=1, max_size=6))
def test_softmax_shares_add_up(all_evidence: list[int]) -> None:
    """The shares of all options are one, to the rounding of each."""
    shares = [
        softmax_ppb(one, tuple(all_evidence[:place] + all_evidence[place + 1 :]), 0)
        for place, one in enumerate(all_evidence)
    ]
    assert abs(sum(shares) - PPB) <= len(shares)


@given(evidence, others, st.integers(0, 26), st.integers(1, MICRO))
def test_softmax_grows_with_the_evidence(leader: int, rest: tuple[int, ...], silent: int, more: int) -> None:
    """More evidence for the leader never lowers its posterior."""
    assert softmax_ppb(leader + more, rest, silent) >= softmax_ppb(leader, rest, silent)


@given(evidence, others)
def test_softmax_does_not_depend_on_the_order_of_the_others(leader: int, rest: tuple[int, ...]) -> None:
    """Which of the others comes first is no information."""
    assert abs(softmax_ppb(leader, rest, 1) - softmax_ppb(leader, rest[::-1], 1)) <= 1


def test_softmax_of_equals_is_an_equal_share() -> None:
    """Four options without evidence have a quarter each."""
    assert softmax_ppb(0, (), 3) == PPB // 4


@given(st.integers(0, 10**12), positives)
def test_square_root_is_rounded_down(numerator: int, denominator: int) -> None:
    """The root is the largest integer whose square is not above the fraction."""
    root, square = sqrt_ppb(numerator, denominator), Fraction(numerator * PPB * PPB, denominator)
    assert root * root <= square < (root + 1) ** 2


def test_square_root_by_hand() -> None:
    """The root of two, in parts per billion."""
    assert sqrt_ppb(2, 1) == 1_414_213_562


def test_callers_decimal_settings_change_nothing() -> None:
    """A thread that has set its decimal context to three digits, rounding up, gets the same logarithms."""
    expected = ln_micro.__wrapped__(355, 113), softmax_ppb(MICRO, (3,), 2)
    with localcontext(Context(prec=3, rounding="ROUND_UP")):
        assert (ln_micro.__wrapped__(355, 113), softmax_ppb(MICRO, (3,), 2)) == expected
