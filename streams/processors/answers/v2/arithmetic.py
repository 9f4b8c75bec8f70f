"""Exact arithmetic on what may be no number."""

from fractions import Fraction
from math import factorial as _factorial

Value = Fraction | None
"""A rational number; None for whatever is not exactly one."""

# Bits of the longest result, some 400 digits: no exponent makes a machine compute for long.
_MOST_BITS = 1_400
_LARGEST_FACTORIAL = 100
_LARGEST_ROOT = 64


def plus(left: Value, right: Value) -> Value:
    """Add two values."""
    return None if left is None or right is None else left + right


def negative(value: Value) -> Value:
    """Change a value's sign."""
    return None if value is None else -value


def times(left: Value, right: Value) -> Value:
    """Multiply two values."""
    return None if left is None or right is None else left * right


def over(left: Value, right: Value) -> Value:
    """Divide two values; by zero there is no result."""
    return None if left is None or not right else Fraction(left, right)


def power(base: Value, exponent: Value) -> Value:
    """Raise to a power; with a fraction as exponent, where the root is rational."""
    if base is None or exponent is None:
        return None
    if exponent.denominator != 1:
        base = root(base, Fraction(exponent.denominator))
    count = exponent.numerator
    if base is None or (base == 0 and count <= 0):
        return None
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    return None if bits * abs(count) > _MOST_BITS else base**count


def root(value: Value, degree: Value) -> Value:
    """Give a root that is rational."""
    if value is None or degree is None or degree.denominator != 1 or not 2 <= degree <= _LARGEST_ROOT:
        return None
    count = degree.numerator
    if value < 0:
        return negative(root(-value, degree)) if count % 2 else None
    upper, lower = _whole_root(value.numerator, count), _whole_root(value.denominator, count)
    return None if upper is None or lower is None else Fraction(upper, lower)


def _whole_root(number: int, degree: int) -> int | None:
    found = 0
    for bit in range(number.bit_length() // degree, -1, -1):
        if (found | 1 << bit) ** degree <= number:
            found |= 1 << bit
    return found if found**degree == number else None


def factorial(value: Value) -> Value:
    """Give a factorial."""
    if value is None or value.denominator != 1 or not 0 <= value <= _LARGEST_FACTORIAL:
        return None
    return Fraction(_factorial(value.numerator))
