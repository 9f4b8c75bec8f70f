"""Tables beneath the pictures of an evaluation."""

from collections.abc import Sequence

from streams.drawing.charts import percent, plain_number
from streams.drawing.elements import Node
from streams.drawing.page import table
from streams.evaluation.report import ArmResult, Comparison, ConfusionCell, Curve, ErrorPair, Range


def arms_table(arms: Sequence[ArmResult]) -> Node:
    """List accuracy, calls and price of each arm."""
    head = ["arm", "accuracy", "95 %", "orders", "undecided", "calls", "tokens", "dollars for 1,000", "latency"]
    rows = [
        [
            arm.name,
            percent(arm.accuracy),
            _between(arm.interval),
            f"{arm.orders}",
            percent(arm.undecided),
            plain_number(arm.calls),
            _or_unknown(None if arm.output_tokens is None else (arm.input_tokens or 0) + arm.output_tokens),
            _or_unknown(None if arm.cost_usd is None else 1000 * arm.cost_usd),
            "unknown" if arm.latency_ms is None else f"{plain_number(arm.latency_ms)} ms",
        ]
        for arm in sorted(arms, key=lambda arm: -arm.accuracy)
    ]
    return table(head, rows, range(1, 9))


def comparisons_table(comparisons: Sequence[Comparison]) -> Node:
    """List differences with their tests and prices."""
    head = ["first", "second", "points", "95 %", "p", "test", "p (Holm)", "could show", "dollars per extra right"]
    rows = [
        [
            one.first,
            one.second,
            f"{100 * one.difference:+.2f}",
            _between(one.interval),
            _p(one.p),
            one.test,
            _p(one.p_holm),
            "none" if one.smallest_difference is None else f"{100 * one.smallest_difference:.2f}",
            _or_unknown(one.usd_per_extra_right),
        ]
        for one in comparisons
    ]
    return table(head, rows, (2, 3, 4, 6, 7, 8))


def subjects_table(arms: Sequence[ArmResult]) -> Node:
    """List accuracy by arm and subject."""
    found = sorted(
        ((subject.subject, arm.name, subject) for arm in arms for subject in arm.subjects), key=lambda f: f[:2]
    )
    rows = [
        [name, arm, f"{subject.questions:,}", percent(subject.accuracy), _between(subject.interval)]
        for name, arm, subject in found
    ]
    return table(["subject", "arm", "questions", "accuracy", "95 %"], rows, (2, 3, 4))


def errors_table(pairs: Sequence[ErrorPair]) -> Node:
    """List how the errors of two agents go together."""
    rows = [
        [
            pair.first,
            pair.second,
            "unknown" if pair.correlation is None else f"{pair.correlation:.3f}",
            percent(pair.both_wrong),
            "unknown" if pair.same_wrong is None else percent(pair.same_wrong),
        ]
        for pair in pairs
    ]
    return table(["agent", "agent", "phi", "both wrong", "of these the same answer"], rows, (2, 3, 4))


def confusion_table(cells: Sequence[ConfusionCell]) -> Node:
    """List how often a right answer got an answer."""
    rows = [[cell.gold, cell.answer or "none", f"{cell.answers:,}"] for cell in cells]
    return table(["right answer", "answer", "times"], rows, (2,))


def curves_table(curves: Sequence[Curve]) -> Node:
    """List the course of a quantity at ten places."""
    rows = []
    for curve in curves:
        stride = max(len(curve.points) // 10, 1)
        rows += [[curve.agent, f"{at:,}", f"{value:.4f}"] for at, value in curve.points[::stride]]
    return table(["agent", "questions", "value"], rows, (1, 2))


def _between(interval: Range) -> str:
    return f"{100 * interval.low:.1f} to {100 * interval.high:.1f}"


def _or_unknown(value: float | None) -> str:
    return "unknown" if value is None else plain_number(value)


def _p(value: float) -> str:
    return "< 0.0001" if value < 0.0001 else f"{value:.4f}"
