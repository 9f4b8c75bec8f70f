"""Numbers in digits: their groups, their decimals, their canonical form."""

from fractions import Fraction
from typing import NamedTuple

from streams.processors.answers.patterns import compile_ascii

LONGEST = 200
"""Characters of the longest answer; a longer one is unreadable, so no text makes the log grow by a huge number."""

# A comma, a point, an apostrophe or an underscore between digits; a space only before a group of three.
DIGITS = (
    r"(?:[0-9]+(?:[,.'_][0-9]+| [0-9]{3}(?![0-9]| ?/))*|\.[0-9]+)"
    r"(?:\.?\\(?:overline|bar|dot)\{[0-9]+\})?(?:[eE][-+]?[0-9]+(?![0-9A-Za-z]))?"
)
"""Pattern of whatever may be one number in digits; `digits_value` tells whether it is."""

_PARTS = compile_ascii(
    r"(?P<body>[0-9][0-9,.'_ ]*|\.[0-9]+)(?:\\[a-z]+\{(?P<cycle>[0-9]+)\})?(?:[eE](?P<exponent>[-+]?[0-9]{1,4}))?"
)
_PLAIN = compile_ascii(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_COMMA = compile_ascii(r"[0-9]+,[0-9]+")
_GROUPS = compile_ascii(r"[1-9][0-9]{0,2}(?:([,.'_ ])[0-9]{3})(?:\1[0-9]{3})*(?:([.,])[0-9]+)?")
_LAKHS = compile_ascii(r"[1-9][0-9]?(?:,[0-9]{2})+,[0-9]{3}(?:\.[0-9]+)?")
_ONE_GROUP = compile_ascii(r"[1-9][0-9]{0,2}[.,][0-9]{3}")


class Habit(NamedTuple):
    """
    How the language around a number writes numbers.

    Attributes:
        decimal_comma: Whether a comma may stand before the decimals, as in German.
        lakhs: Whether groups of two are usual, as in "1,23,456 rupees".
    """

    decimal_comma: bool = False
    lakhs: bool = False


def digits_value(written: str, habit: Habit) -> Fraction | None:
    """
    Give the value of digits with their separators; None where two readings are possible, or none.

    "1,234.5" and "1.234,5" are settled by their form. "1,234" and "1.234" are not where a comma may stand before
    decimals, nor is "3,5" elsewhere.
    """
    parts = _PARTS.fullmatch(written)
    decimal = None if parts is None else _decimal(parts["body"], habit)
    if parts is None or decimal is None:
        return None
    exponent = int(parts["exponent"] or 0)
    value = _exact(decimal, parts["cycle"])
    return None if value is None or abs(exponent) > LONGEST else value * Fraction(10) ** exponent


def _decimal(body: str, habit: Habit) -> str | None:
    """Write the digits with a point before the decimals and without groups."""
    if habit.decimal_comma and _ONE_GROUP.fullmatch(body):
        return None
    if _PLAIN.fullmatch(body):
        return body
    groups = _GROUPS.fullmatch(body)
    if groups is not None and groups[1] != groups[2]:
        return body.replace(groups[1], "").replace(",", ".")
    if habit.lakhs and _LAKHS.fullmatch(body):
        return body.replace(",", "")
    return body.replace(",", ".") if habit.decimal_comma and _COMMA.fullmatch(body) else None


def _exact(decimal: str, cycle: str | None) -> Fraction | None:
    whole, point, part = decimal.partition(".")
    if len(decimal) > LONGEST:
        return None
    value = Fraction(int(f"{whole}{part}"), 10 ** len(part))
    if cycle is None:
        return value
    return value + Fraction(int(cycle), 10 ** len(part) * (10 ** len(cycle) - 1)) if point else None


def canonical(value: Fraction) -> str | None:
    """
    Write a number in its one form: an integer, else a decimal that ends, else a fraction in lowest terms.

    Returns:
        "-1234", "0.5" or "1/3", without plus, groups or idle zeros; None past 200 characters.
    """
    rest, places = value.denominator, 0
    for factor in (2, 5):
        count = 0
        while rest % factor == 0:
            rest, count = rest // factor, count + 1
        places = max(places, count)
    written = _terminating(value, places) if rest == 1 else f"{value.numerator}/{value.denominator}"
    return written if len(written) <= LONGEST else None


def _terminating(value: Fraction, places: int) -> str:
    digits = f"{abs(value.numerator) * 10**places // value.denominator:0{places + 1}}"
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"
