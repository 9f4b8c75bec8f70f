"""Facts of a question, for the evidence of its answers."""

import re
from fractions import Fraction

from schemas.odds import MOST_GIVEN, QuestionFacts, QuestionKind
from schemas.questions import QuestionAsked
from streams.processors.odds.numbers import LONGEST_TEXT, exact_answer, numbers_of, ratio_of

_NEGATED = re.compile(r"\b(?:not|except|least|incorrect|false|never|cannot|without)\b", re.ASCII | re.IGNORECASE)

_SPANS = 8
"""Values of options are told apart by their rank, in so many spans between the least and the greatest."""


def facts_of(question: QuestionAsked, *, option_shapes: bool) -> QuestionFacts:
    """
    Read what the evidence of answers refers to from a question.

    Args:
        question: Its first `LONGEST_TEXT` characters are read, and as many of each option.
        option_shapes: Whether shapes of options count.
    """
    text = question.text[:LONGEST_TEXT]
    options = tuple(option[:LONGEST_TEXT] for option in question.options)
    firsts = tuple(next(iter(numbers_of(option)), None) for option in options)
    kind = _kind(firsts)
    given = tuple(dict.fromkeys(numbers_of(text)))
    return QuestionFacts(
        kind=kind,
        negated=bool(options) and _NEGATED.search(text) is not None,
        given=None if len(given) > MOST_GIVEN else given if kind != "texts" else (),
        values=firsts if kind == "values" else (),
        shapes=_shapes(kind, options, firsts) if option_shapes else None,
    )


def _kind(firsts: tuple[str | None, ...]) -> QuestionKind:
    if not firsts:
        return "number"
    numeric = sum(first is not None for first in firsts)
    return "values" if 5 * numeric >= 4 * len(firsts) else "texts"


def _shapes(kind: QuestionKind, options: tuple[str, ...], firsts: tuple[str | None, ...]) -> tuple[str, ...]:
    """Name the shape of each option: the rank of its value, or of the length of its text; none for a number."""
    places = range(len(options))
    if kind == "values":
        values = [Fraction(*ratio_of(first or "0")) for first in firsts]
        ranks = {place: rank for rank, place in enumerate(sorted(places, key=lambda place: (values[place], place)))}
        return tuple(f"value/{_span(ranks[place], len(options))}" for place in places)
    ranks = {place: rank for rank, place in enumerate(sorted(places, key=lambda place: (len(options[place]), place)))}
    return tuple(f"length/{_length(ranks[place], len(options))}" for place in places)


def _span(rank: int, options: int) -> int:
    """Give the rank as a share of the highest, in eighths, rounded half up."""
    return (2 * _SPANS * rank + options - 1) // (2 * (options - 1))


def _length(rank: int, options: int) -> str:
    if rank == options - 1:
        return "longest"
    if rank == options - 2:
        return "second"
    return "middle" if rank > 1 else "short"


def shape_of_number(answer: str) -> str:
    """Name the shape of a numeric answer."""
    exact = exact_answer(answer)
    whole = exact is not None and "/" not in exact and not exact.startswith("-")
    return "value/positive whole" if whole else "value/other"
