"""
Integer arithmetic: half-even rounding, logarithms and softmax.

Every machine gives the same integers.
"""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import lru_cache
from math import isqrt

from schemas.quantities import PPB

MICRO = 1_000_000

# Decimal's ln and exp are correctly rounded in any context (General Decimal Arithmetic, "Power functions"), so 18
# digits rounded to six decimals give the same integer everywhere; the C library's log and exp promise no such thing.
_CONTEXT = Context(prec=18, rounding=ROUND_HALF_EVEN)


def half_even(numerator: int, denominator: int) -> int:
    """
    Divide two integers and round to the nearest, halves to the even neighbour.

    Args:
        numerator: Any integer.
        denominator: A positive integer.
    """
    quotient, remainder = divmod(numerator, denominator)
    doubled = 2 * remainder
    if doubled > denominator or (doubled == denominator and quotient & 1):
        return quotient + 1
    return quotient


@lru_cache(maxsize=8192)
def ln_micro(numerator: int, denominator: int) -> int:
    """Give the natural logarithm of a positive fraction, in micro-nats, rounded half-even."""
    logarithm = _CONTEXT.ln(_CONTEXT.divide(Decimal(numerator), Decimal(denominator)))
    return int(_CONTEXT.multiply(logarithm, Decimal(MICRO)).to_integral_value(ROUND_HALF_EVEN))


def softmax_ppb(leader: int, others: tuple[int, ...], silent: int) -> int:
    """
    Give the share of one option when each has the weight exp(evidence).

    Args:
        leader: Evidence for the option in question, in micro-nats.
        others: Evidence for each other option that has any, in micro-nats.
        silent: Number of options without a ballot; their evidence is 0.

    Returns:
        Parts per billion, 0 to 1e9: the posterior under a uniform prior, with ballots independent.
    """
    # Relative to the leader, so that no exponent overflows: 1 / (1 + sum of exp(other - leader)).
    total = Decimal(1)
    for evidence, options in (*((other, 1) for other in others), (0, silent)):
        power = _CONTEXT.exp(_CONTEXT.divide(Decimal(evidence - leader), Decimal(MICRO)))
        total = _CONTEXT.add(total, _CONTEXT.multiply(power, Decimal(options)))
    share = _CONTEXT.divide(Decimal(PPB), total)
    return int(share.to_integral_value(ROUND_HALF_EVEN))


def sqrt_ppb(numerator: int, denominator: int) -> int:
    """Give the square root of a non-negative fraction in parts per billion, rounded down."""
    return isqrt(numerator * PPB * PPB // denominator)
