"""A second opinion on numbers, by math-verify."""

import os
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from streams.processors.answers.v2.numbers import normal_number

from .number_corpus import number_corpus

GOLDEN = Path(__file__).with_name("answers_second_opinion.txt")
_UNJUDGED = "unjudged"


def _as_rational(parsed: object) -> Fraction | None:
    """Give the value of what math-verify parsed, if it is one rational number."""
    from sympy import Float, Rational

    if isinstance(parsed, Rational):
        return Fraction(int(parsed.p), int(parsed.q)) if parsed.q else None
    return Fraction(Decimal(str(parsed))) if isinstance(parsed, Float) else None


def _second_opinion(expression: str, number: str | None) -> str | None:
    """Give what math-verify reads where it disagrees; None where both agree."""
    from math_verify import parse, verify
    from sympy import Expr, simplify

    # Without a time limit, which would need a process or a signal; the corpus is known to end.
    read = parse(f"$\\boxed{{{expression}}}$", parsing_timeout=None)
    parsed = read[0] if read else None
    try:
        # An equation or a set is no number, and takes long to simplify.
        value = _as_rational(simplify(parsed)) if isinstance(parsed, Expr) else None
    except (TypeError, ValueError, AttributeError, NotImplementedError):
        value = None
    if number is None:
        return None if value is None else str(value)
    if value is not None and value == Fraction(number):
        return None
    ours = parse(f"$\\boxed{{{number}}}$", parsing_timeout=None)
    if read and verify(ours, read, timeout_seconds=None):
        return None
    return "nothing" if parsed is None else " ".join(str(parsed).split())


def _judgements() -> dict[str, str]:
    lines = GOLDEN.read_text("utf-8").splitlines() if GOLDEN.exists() else []
    return {line.rpartition("\t")[0]: line.rpartition("\t")[2] for line in lines if not line.startswith("#")}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_disagreements_are_known() -> None:
    """Each expression that math-verify reads otherwise is listed, with who is right and why; no other one is."""
    judged = _judgements()
    found = []
    for expression in number_corpus():
        number = normal_number(expression)
        other = _second_opinion(expression, number)
        if other is not None:
            found.append(f"{expression}\t{number or 'none'}\t{other}")
    if os.environ.get("ORCH_REWRITE_GOLDEN"):
        head = [line for line in GOLDEN.read_text("utf-8").splitlines() if line.startswith("#")] if judged else []
        lines = [*head, *(f"{line}\t{judged.get(line, _UNJUDGED)}" for line in found)]
        GOLDEN.write_text("\n".join(lines) + "\n", "utf-8")
        judged = _judgements()
    assert found == list(judged)
    assert not [line for line, judgement in judged.items() if judgement.startswith(_UNJUDGED)]
