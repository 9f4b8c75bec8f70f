"""
Exponential and logistic function in fixed point.

Tables come from integer square roots, so every machine gives the same integers.
"""

from math import isqrt

from schemas.odds import ONE

FINE = 1 << 32
"""Scale of what `exp_minus` gives."""

_STEPS = 256
"""Table entries between 1 and 1/2; between two of them the curve is taken as straight (relative error below 1e-6)."""
_LOG2_E = 6_196_328_019
"""log2(e) in units of 1 / FINE."""
_LEAST = 48
"""Halvings beyond which e^-x counts as 0: 2^-48 is 0 in units of 1 / FINE."""


def _halvings() -> tuple[int, ...]:
    """Give 2^(-j/256) for j = 0 to 256, in units of 1 / FINE."""
    scale = 1 << 64
    # roots[i] is 2^(-1/2^(i+1)): the square root of the one before it.
    roots, root = [], scale >> 1
    for _ in range(8):
        root = isqrt(root * scale)
        roots.append(root)
    table = []
    for step in range(_STEPS):
        value = scale
        for bit, factor in enumerate(roots):
            if step >> (7 - bit) & 1:
                value = value * factor // scale
        table.append((value + (1 << 31)) >> 32)
    return (*table, FINE >> 1)


_TABLE = _halvings()


def exp_minus(exponent: int) -> int:
    """
    Give e^-x.

    Args:
        exponent: x in units of 1/65,536; at least 0.

    Returns:
        In units of 1 / FINE, from FINE for 0 down to 0; relative error below 2e-6 while the value is above 2^-12.
    """
    halvings, rest = divmod(exponent * _LOG2_E >> 16, FINE)
    if halvings >= _LEAST:
        return 0
    step, between = rest >> 24, rest & 0xFFFFFF
    high = _TABLE[step]
    return high - ((high - _TABLE[step + 1]) * between >> 24) >> halvings


def logistic(value: int) -> int:
    """Give 1 / (1 + e^-x) in units of 1/65,536, for x in the same unit."""
    small = exp_minus(abs(value))
    share = FINE * ONE // (FINE + small)
    return share if value >= 0 else ONE - share
