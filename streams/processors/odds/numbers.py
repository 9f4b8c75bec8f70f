"""Numbers in texts, as exact fractions."""

import re
from fractions import Fraction
from functools import lru_cache

LONGEST_TEXT = 20_000
"""Characters of a text that are read for evidence: the last ones of an analysis, where it concludes."""
MOST_DIGITS = 40
"""Digits of a number; longer runs are no measured quantity, and their arithmetic would be a way to stall a merge."""
MOST_EXPONENT = 59

# A digit, sign or name just before belongs to the number or makes it part of a name ("x1", "H2O", "3-2"), which is
# looked for behind the first character: a search skips to a set of characters that a pattern begins with, and takes a
# third of the time. Every repeat is possessive, so no text takes more than a few passes.
_NUMBER = re.compile(
    r"([-\u22120-9])(?<![A-Za-z0-9_].)(?<![0-9]\..)(?:(?<=[0-9])|(?<![)\]}].)(?=[0-9]))"
    r"([0-9]*+(?:,[0-9]{3}(?![0-9]))*+(?:\.[0-9]++)?+)"
    r"(?:\s{0,3}+(?:\\times|\\cdot|[x\u00d7*])\s{0,3}+10\s?+\^\s?+\{?+\s?+([-\u2212]?+[0-9]{1,3}+)(?![0-9]))?+",
    re.ASCII | re.DOTALL,
)
_FRACTION = re.compile(r"(-?[0-9]+)/([0-9]+)", re.ASCII)


@lru_cache(maxsize=8192)
def _exact(first: str, rest: str, exponent: str) -> str | None:
    """Write a decimal number as a fraction in lowest terms; None if it is longer than numbers are read."""
    is_negative = first in "-\u2212"
    digits = rest if is_negative else first + rest
    whole, _, part = digits.replace(",", "").partition(".")
    power = int(exponent.replace("\u2212", "-")) if exponent else 0
    if len(whole) + len(part) > MOST_DIGITS or abs(power) > MOST_EXPONENT:
        return None
    power -= len(part)
    value = Fraction(int(whole + part) * 10 ** max(power, 0), 10 ** max(-power, 0))
    return str(-value if is_negative else value)


@lru_cache(maxsize=256)
def numbers_of(text: str) -> tuple[str, ...]:
    """
    List the numbers of a text in order, repeats included.

    Args:
        text: At most `LONGEST_TEXT` characters.

    Returns:
        Fractions in lowest terms, such as `-7/2`; thousands may be grouped by commas, a power of ten may follow.
    """
    return tuple([number for found in _NUMBER.findall(text) if (number := _exact(*found)) is not None])


@lru_cache(maxsize=1024)
def exact_answer(answer: str) -> str | None:
    """Write a numeric answer as a fraction in lowest terms; None if it is none, or is longer than numbers are read."""
    fraction = _FRACTION.fullmatch(answer)
    if fraction is None:
        numbers = numbers_of(answer)
        return numbers[0] if len(numbers) == 1 else None
    if len(answer) > 2 * MOST_DIGITS or not int(fraction[2]):
        return None
    return str(Fraction(int(fraction[1]), int(fraction[2])))


@lru_cache(maxsize=8192)
def ratio_of(exact: str) -> tuple[int, int]:
    """Give numerator and denominator of a fraction in lowest terms."""
    numerator, _, denominator = exact.partition("/")
    return int(numerator), int(denominator or 1)


def is_near(first: tuple[int, int], second: tuple[int, int], per_mille: int) -> bool:
    """Whether two ratios differ by at most so many thousandths of the larger one."""
    left, right = first[0] * second[1], second[0] * first[1]
    return 1000 * abs(left - right) <= per_mille * max(abs(left), abs(right))
