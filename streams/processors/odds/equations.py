"""Flat equations in a text, and whether they hold."""

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from streams.processors.odds.numbers import MOST_DIGITS, is_near

MOST_EQUATIONS = 200
"""Equations of a text that are checked; no honest working has more."""
_LONGEST = 200
"""Characters of a left side. Its value has at most as many digits, so checking it takes microseconds."""
_PER_MILLE = 20
"""How far the right side may be off: people round intermediate results."""

_VALUE = r"[0-9]++(?:,[0-9]++)*+(?:\.[0-9]++)?+"
_SIGN = r"(?:[-+*/x\u00d7\u00f7\u2212]|\\times|\\cdot|\\div)"
_GAP = r"\s{0,3}+\\?+\$?+"
_EQUATION = re.compile(
    rf"(?<![0-9.,])({_VALUE}(?:\s{{0,3}}+{_SIGN}{_GAP}{_VALUE}){{1,40}}+)"
    rf"\s{{0,3}}+(?:=|\u2248|\\approx){_GAP}([-\u2212]?+{_VALUE})",
    re.ASCII,
)
_TOKEN = re.compile(rf"({_VALUE})|({_SIGN})", re.ASCII)
# What makes the found text a part of a longer expression: an operator, bracket, power or name beside it.
_BEFORE = re.compile(r"(?:[-+*/^\u00d7\u00f7\u2212]\s?|[A-Za-z.)\]}])\Z", re.ASCII)
_AFTER = re.compile(r"\s{0,3}+(?:[-+*/^(%\u00d7\u00f7\u2212]|\\times|\\cdot|\\div|x\s?[0-9])|e[-+]?[0-9]", re.ASCII)
_TIMES, _OVER = ("*", "x", "\u00d7", "\\times", "\\cdot"), ("/", "\u00f7", "\\div")


@lru_cache(maxsize=256)
def arithmetic_of(text: str) -> Literal["good", "bad", "none"]:
    """
    Check the flat equations of a text, such as `12 + 3 * 4 = 24`.

    Args:
        text: Of bounded length; the first `MOST_EQUATIONS` equations are checked.

    Returns:
        `bad` if one is false by more than 2 % and by more than half a last digit, `good` if there are some and all
        hold, `none` if there are none.
    """
    verdict: Literal["good", "none"] = "none"
    for left, right in _equations(text):
        value = _value(left)
        if value is None:
            continue
        if not _holds(value, right):
            return "bad"
        verdict = "good"
    return verdict


def _equations(text: str) -> Iterator[tuple[str, str]]:
    """Find both sides of each equation that stands for itself."""
    for number, found in enumerate(_EQUATION.finditer(text)):
        if number >= MOST_EQUATIONS:
            return
        left, right = found[1], found[2]
        if len(left) > _LONGEST or len(right) > MOST_DIGITS:
            continue
        start, end = found.span()
        if _BEFORE.search(text[max(0, start - 2) : start]) or _AFTER.match(text[end : end + 8]):
            continue
        yield left, right


def _value(left: str) -> Fraction | None:
    """Compute a flat expression, products before sums; None where it divides by zero, or a number is too long."""
    total, product, sign, operator = Fraction(0), Fraction(1), 1, "*"
    for number, symbol in _TOKEN.findall(left):
        if symbol:
            operator = symbol
            continue
        if len(number) > MOST_DIGITS:
            return None
        value = Fraction(number.replace(",", ""))
        if operator in _TIMES:
            product *= value
        elif operator in _OVER:
            if not value:
                return None
            product *= Fraction(value.denominator, value.numerator)
        else:
            total += sign * product
            product, sign = value, 1 if operator == "+" else -1
    return total + sign * product


def _holds(value: Fraction, right: str) -> bool:
    plain = right.replace(",", "").replace("\u2212", "-")
    stated = Fraction(plain)
    # Half a last digit, and a little: 2/3 may be written 0.67.
    digit = 10 ** len(plain.partition(".")[2])
    return (
        is_near(value.as_integer_ratio(), stated.as_integer_ratio(), _PER_MILLE)
        or 100 * abs(value - stated) * digit <= 51
    )
