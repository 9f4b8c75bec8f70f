"""Expressions for a second opinion on numbers."""

from collections.abc import Iterator
from itertools import islice

from ..unit.test_answers_v2_numbers import BOXES, number_cases

# A multiplicative generator (Park and Miller 1988): numbers that look random, and are the same on every machine.
_FACTOR, _MODULUS = 16_807, 2**31 - 1


def _draws(seed: int) -> Iterator[int]:
    number = seed
    while True:
        number = number * _FACTOR % _MODULUS
        yield number


def _numbers(count: int, seed: int, most: int) -> list[int]:
    return [1 + draw % most for draw in islice(_draws(seed), 1, count + 1)]


def _triples(count: int, seed: int, most: int) -> Iterator[tuple[int, int, int]]:
    return zip(*(_numbers(count, seed * 31 + shift, most) for shift in (1, 1_000, 40_000)), strict=True)


_FORMS = (
    "{a}",
    "-{a}",
    "{a}.{b}",
    "-0.{a}",
    "{a},{b:03}",
    "{a}{{,}}{b:03}",
    "{a}\\,{b:03}",
    "{a},{b:03}.{c}",
    "\\${a},{b:03}",
    "\\${a}.{b}",
    "{a}\\%",
    "{a}^\\circ",
    "\\frac{{{a}}}{{{b}}}",
    "-\\frac{{{a}}}{{{b}}}",
    "\\dfrac{{{a}}}{{{b}}}",
    "\\frac{{-{a}}}{{{b}}}",
    "{a}/{b}",
    "{a} \\div {b}",
    "{c}\\frac{{{a}}}{{{s}}}",
    "{a} + {b}",
    "{a} \\times {b}",
    "{a} \\cdot {b}",
    "{a}({b} + {c})",
    "{a} + {b} \\cdot {c}",
    "\\sqrt{{{a}}}",
    "\\sqrt{{{q}}}",
    "{a}\\sqrt{{{b}}}",
    "\\frac{{\\sqrt{{{q}}}}}{{{b}}}",
    "{d}^{{{e}}}",
    "{d}^{e}",
    "{d}^{{-{e}}}",
    "{a} \\times 10^{{{e}}}",
    "{d}.{b} \\times 10^{{{e}}}",
    "{d}.{b} \\times 10^{{-{e}}}",
    "x = {a}",
    "x = \\frac{{{a}}}{{{b}}}",
    "{a}x + {b}",
    "x^{d} - {a}",
    "y = {a}x + {b}",
    "{a}x = {b}",
    "({a}, {b})",
    "[{a}, {s})",
    "\\{{{a}, {b}\\}}",
    "{a} < x < {s}",
    "x \\ge {a}",
    "{a}\\pi",
    "\\frac{{{a}\\pi}}{{{b}}}",
    "{a} + {b}i",
    "{a} \\text{{ apples}}",
    "{a}\\text{{ cm}}^2",
    "{a} \\text{{ km/h}}",
    "{a} + {b} = {t}",
    "{d}!",
    "\\text{{{a}}}",
    "|-{a}|",
)
_ROUNDS = 28

# sympy would compute them digit by digit.
_ENDLESS = ("10^{10^9}", "10^{1000000000}")


def number_corpus() -> list[str]:
    """Give the expressions: those of the tests by hand, and each form with several numbers."""
    made = [
        form.format(a=a, b=b, c=c, d=2 + a % 8, e=2 + b % 7, q=a * a, s=a + b, t=a + b)
        for seed, form in enumerate(_FORMS)
        for a, b, c in _triples(_ROUNDS, seed, 999 if ":03" not in form else 99)
    ]
    by_hand = [content for content, _ in number_cases(BOXES) if content not in _ENDLESS]
    return list(dict.fromkeys([*by_hand, *made]))
