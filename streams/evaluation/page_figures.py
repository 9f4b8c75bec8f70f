"""Figures of one panel on the page of an evaluation."""

from collections.abc import Iterator, Sequence

from streams.drawing.charts import (
    Dot,
    Estimate,
    Polyline,
    Say,
    estimates_chart,
    line_chart,
    percent,
    plain_number,
    reliability_chart,
    scatter_chart,
)
from streams.drawing.elements import Node
from streams.drawing.heat_maps import heat_map
from streams.drawing.page import both_widths, figure, side_by_side, table
from streams.evaluation.page_tables import arms_table, confusion_table, curves_table, errors_table, subjects_table
from streams.evaluation.report import BEST_OF, ArmResult, Calibration, ConfusionCell, EvalReport

_TONES = {"single": 0, "choice": 5, "vote": 2, "rule": 1, "oracle": 4}
_KINDS = {
    "single": "one agent alone",
    "choice": "best agent as chosen on line",
    "vote": "plain vote",
    "rule": "merge rule",
    "oracle": "oracle: right if any agent is; no rule can pass it",
}
_MOST_CURVES = 8
"""Lines of one picture: so many tones can be told apart."""


def panel_figures(report: EvalReport, panel: str) -> list[Node]:
    """Draw what was found of one panel; every figure has its numbers as a table beneath."""
    arms = [arm for arm in report.arms if arm.panel == panel]
    drawn = [*_accuracy(arms), *_price(arms), *_subjects(arms), *_certainty(arms), *_early_exit(arms)]
    return [*drawn, *_agents(report, panel), *_curves(report, panel)]


def _lines(title: str, series: Sequence[Polyline], over: str, quantity: str, say: Say = percent) -> Node:
    return both_widths(lambda width: line_chart(title, series, over, quantity, say, width=width))


def _is_smaller_panel(arm: ArmResult) -> bool:
    """Whether the arm is the vote of the best of a panel: one of a series, which the picture of prices shows."""
    return arm.kind == "vote" and arm.name.startswith(BEST_OF)


def _accuracy(arms: list[ArmResult]) -> Iterator[Node]:
    rows = [
        Estimate(arm.name, arm.accuracy, arm.interval.low, arm.interval.high, _TONES[arm.kind], arm.kind == "oracle")
        for arm in sorted(arms, key=lambda arm: -arm.accuracy)
        if not _is_smaller_panel(arm)
    ]
    legend = [(_KINDS[kind], _TONES[kind]) for kind in _KINDS if any(arm.kind == kind for arm in arms)]
    yield figure(
        both_widths(lambda width: estimates_chart("Accuracy by arm", rows, width=width)),
        "Accuracy with its 95 % interval: mean over all orders; an undecided question counts as wrong.",
        arms_table(arms),
        legend,
    )


def _price(arms: list[ArmResult]) -> Iterator[Node]:
    shown = [arm for arm in arms if arm.kind not in ("oracle", "choice")]
    priced = all(arm.cost_usd is not None for arm in shown)

    def price(arm: ArmResult) -> float:
        return 1000 * (arm.cost_usd or 0.0) if priced else arm.calls

    front: list[tuple[float, float]] = []
    for arm in sorted(shown, key=lambda arm: (price(arm), -arm.accuracy)):
        if not front or arm.accuracy > front[-1][1]:
            front.append((price(arm), arm.accuracy))
    dots = [
        Dot(
            "" if _is_smaller_panel(arm) else arm.name,
            price(arm),
            arm.accuracy,
            _TONES[arm.kind],
            _is_smaller_panel(arm),
        )
        for arm in shown
    ]
    unit = "US dollars for 1,000 questions" if priced else "calls a question"
    yield figure(
        scatter_chart("Price and accuracy by arm", dots, unit, "accuracy", front),
        "What an arm costs, and how often it is right. Below the dashed front, another arm is at least as good for"
        " less. Rings are votes of the best agents of the panel alone, by their number.",
    )


def _subjects(arms: list[ArmResult]) -> Iterator[Node]:
    shown = [arm for arm in arms if len(arm.subjects) > 1 and arm.kind != "oracle" and not _is_smaller_panel(arm)]
    if not shown:
        return
    subjects = sorted({subject.subject for arm in shown for subject in arm.subjects})
    values = {(subject.subject, arm.name): subject.accuracy for arm in shown for subject in arm.subjects}
    yield figure(
        heat_map("Accuracy by subject", subjects, [arm.name for arm in shown], values, lambda v: f"{100 * v:.0f}"),
        "Accuracy in percent by subject. Look at the intervals in the table before you compare two subjects.",
        subjects_table(shown),
    )


def _certainty(arms: list[ArmResult]) -> Iterator[Node]:
    figures = []
    for arm in arms:
        if arm.calibration is None:
            continue
        found = arm.calibration
        rows = [[percent(sure), percent(right), f"{count:,}"] for sure, right, count in found.bins]
        caption = (
            f"Posterior of {arm.name} beside the share that was right; on the dashed line they are equal. Expected"
            f" calibration error {percent(found.ece)} of {found.answers:,} answers{_by_chance(found)}."
        )
        chart = reliability_chart(f"Calibration of {arm.name}", found.bins, _TONES[arm.kind])
        figures.append(figure(chart, caption, table(["posterior", "right", "answers"], rows, (0, 1, 2))))
    if figures:
        yield side_by_side(*figures)


def _by_chance(found: Calibration) -> str:
    """Say what the sample alone would make of true posteriors."""
    if found.by_chance is None or found.most_by_chance is None:
        return ""
    mean, most = percent(found.by_chance), percent(found.most_by_chance)
    return f"; with true posteriors the sample alone makes it {mean} on average, and above {most} once in twenty times"


def _early_exit(arms: list[ArmResult]) -> Iterator[Node]:
    shown = [arm for arm in arms if arm.kind == "rule" and _varies(arm)]
    if not shown:
        return
    series, rows = [], []
    for place, arm in enumerate(shown[:_MOST_CURVES]):
        total, done = sum(point.answers for point in arm.calls_taken), 0
        points = [(0.0, 0.0)]
        for point in sorted(arm.calls_taken, key=lambda point: point.calls):
            done += point.answers
            points.append((float(point.calls), done / total))
            rows.append([arm.name, f"{point.calls}", f"{point.answers:,}", percent(point.accuracy)])
        series.append(Polyline(arm.name, points, 1 + place))
    yield figure(
        _lines("Early exit", series, "calls", "share of the questions that are decided"),
        "Share of the questions that were decided after so many calls. The table says how often each group was right.",
        table(["arm", "calls", "answers", "right"], rows, (1, 2, 3)),
        [(one.label, one.tone) for one in series],
    )


def _varies(arm: ArmResult) -> bool:
    """Whether a stage rule, and not the warm-up alone, decides how many are asked: two numbers of calls are common."""
    total = sum(point.answers for point in arm.calls_taken)
    return sum(point.answers >= total / 20 for point in arm.calls_taken) > 1


def _agents(report: EvalReport, panel: str) -> Iterator[Node]:
    pairs = [pair for pair in report.errors if pair.panel == panel]
    known = {(pair.first, pair.second): pair.correlation for pair in pairs if pair.correlation is not None}
    values = known | {(second, first): value for (first, second), value in known.items()}
    if values:
        agents = list(report.panels[panel])
        yield figure(
            heat_map("Correlation of errors", agents, agents, values, lambda v: f"{v:.2f}", ends=(-1, 1)),
            "Correlation (phi) of two agents being wrong. At 0 their errors are independent; near 1 a panel of both is"
            " no better than one.",
            errors_table(pairs),
        )
    cells: dict[str, list[ConfusionCell]] = {}
    for cell in report.confusion:
        if cell.panel == panel:
            cells.setdefault(cell.arm, []).append(cell)
    shown = _to_confuse([arm for arm in report.arms if arm.panel == panel and arm.name in cells])
    if shown:
        yield side_by_side(*(_confusion(arm, cells[arm]) for arm in shown))


def _to_confuse(arms: list[ArmResult]) -> list[str]:
    """Name the best single agent, the vote of all and the best rule."""
    kinds: dict[str, ArmResult] = {}
    for arm in arms:
        known = kinds.get(arm.kind)
        if not _is_smaller_panel(arm) and (known is None or arm.accuracy > known.accuracy):
            kinds[arm.kind] = arm
    return [kinds[kind].name for kind in ("single", "vote", "rule") if kind in kinds]


def _confusion(arm: str, cells: list[ConfusionCell]) -> Node:
    letters = sorted({cell.gold for cell in cells})
    answers = sorted({cell.answer for cell in cells if cell.answer is not None})
    none = ["none"] if any(cell.answer is None for cell in cells) else []
    sums = {gold: sum(cell.answers for cell in cells if cell.gold == gold) for gold in letters}
    shares = {(cell.gold, cell.answer or "none"): cell.answers / sums[cell.gold] for cell in cells if sums[cell.gold]}
    return figure(
        heat_map(f"Answers of {arm}", letters, [*answers, *none], shares, lambda v: f"{100 * v:.0f}", ends=(0, 1)),
        f"Of the questions whose right answer is the row's letter, the percentage to which {arm} gave the column's.",
        confusion_table(cells),
    )


def _curves(report: EvalReport, panel: str) -> Iterator[Node]:
    groups = dict.fromkeys((curve.arm, curve.quantity) for curve in report.curves if curve.panel == panel)
    for arm, quantity in groups:
        curves = [
            curve for curve in report.curves if (curve.panel, curve.arm, curve.quantity) == (panel, arm, quantity)
        ]
        series = [
            Polyline(curve.agent, [(float(at), value) for at, value in curve.points], 1 + place)
            for place, curve in enumerate(curves[:_MOST_CURVES])
        ]
        is_share = all(0 <= value <= 1 for one in series for _, value in one.points)
        say = percent if is_share else plain_number
        yield figure(
            _lines(f"{quantity} under {arm}", series, "questions", quantity, say),
            f"Course of {quantity} under {arm}, in the first order of the questions.",
            curves_table(curves),
            [(one.label, one.tone) for one in series],
        )
