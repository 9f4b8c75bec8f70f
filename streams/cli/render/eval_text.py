"""Evaluation report as text."""

from collections.abc import Sequence

from streams.app.amounts import counted, duration
from streams.app.compare_runs import RunComparison
from streams.cli import output
from streams.evaluation.report import ArmResult, Comparison, ErrorPair, EvalReport, Range

MOST_PAIRS = 6
"""Most pairs of agents whose errors are shown; JSON has all."""
MOST_FLIPS = 8
MOST_SUBJECT_ARMS = 8
_MINUS = str.maketrans("-", "−")


def print_report(report: EvalReport, folder: str) -> None:
    """Print a report for people."""
    source = report.source
    sampled = f", sampled: {source.sampling}" if source.sampling else ""
    left_out = f", {source.ungraded:,} without a right answer left out" if source.ungraded else ""
    refused = f", {counted(source.refused_rows, 'row')} refused" if source.refused_rows else ""
    proof = f"{report.replayed:,} of {report.logs:,} logs derived again, {report.different:,} events different"
    output.print_pairs(
        [
            ("questions", f"{source.questions:,}{sampled}{left_out}{refused}"),
            ("read as", ", ".join(f"{name} ({count:,})" for name, count in source.forms.items())),
            ("orders", f"{report.orders} of seed {report.seed}, {report.window} open at a time, gold fed back"),
            ("replay", proof),
            ("folder", folder),
        ]
    )
    for label, agents in report.panels.items():
        arms = [arm for arm in report.arms if arm.panel == label]
        output.print_text()
        output.print_text(output.clean(f"Panel {label}: {counted(len(agents), 'agent')}"), style="bold")
        _print_arms(arms)
        _print_comparisons([one for one in report.comparisons if one.panel == label])
        _print_subjects(arms)
        _print_errors([pair for pair in report.errors if pair.panel == label])
    _print_sentences(report.comparisons)
    if report.not_run:
        output.print_text()
        output.print_text("Not run", style="bold")
        output.print_pairs(list(report.not_run.items()))


def _print_arms(arms: Sequence[ArmResult]) -> None:
    best = max((arm.accuracy for arm in arms if arm.kind == "single"), default=None)
    columns: dict[str, list[str]] = {
        "right": [_percent(arm.accuracy) for arm in arms],
        "95 % interval": [_range(arm.interval) for arm in arms],
        "by order": [_range(arm.by_order) if arm.orders > 1 else "" for arm in arms],
        "calls": [f"{arm.calls:.2f}" for arm in arms],
        "vote at as many": [_percent(arm.vote_at_equal_calls) for arm in arms],
        "tokens in": [_amount(arm.input_tokens) for arm in arms],
        "out": [_amount(arm.output_tokens) for arm in arms],
        "$ for 1,000": [_dollars(arm) for arm in arms],
        "latency": ["" if arm.latency_ms is None else duration(arm.latency_ms / 1_000) for arm in arms],
        "ECE": [_percent(arm.calibration.ece) if arm.calibration else "" for arm in arms],
        "by chance": [_by_chance(arm) for arm in arms],
    }
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    names = [f"{arm.name} *" if arm.kind == "single" and arm.accuracy == best else arm.name for arm in arms]
    rows = [(name, *(cell or "-" for cell in cells)) for name, *cells in zip(names, *told.values(), strict=True)]
    output.print_table(("arm", *told), rows, right=tuple(told), names=1)
    output.print_text("  * best single agent, in hindsight")


def _print_comparisons(comparisons: Sequence[Comparison]) -> None:
    for family in dict.fromkeys(one.family for one in comparisons):
        members = [one for one in comparisons if one.family == family]
        columns: dict[str, list[str]] = {
            "points": [_points(one.difference) for one in members],
            "95 % interval": [_range(one.interval, signed=True) for one in members],
            "by subject": [_range(one.interval_by_subject, signed=True) for one in members],
            "p": [_p(one.p) for one in members],
            "Holm": [_p(one.p_holm) for one in members],
            "could show": [_percent(one.smallest_difference) for one in members],
            "only it": [f"{one.only_first:,}" for one in members],
            "only other": [f"{one.only_second:,}" for one in members],
            "calls an extra": [_price(one.calls_per_extra_right, "{:,.1f}") for one in members],
            "$ an extra": [_price(one.usd_per_extra_right, "${:,.4f}") for one in members],
        }
        told = {heading: cells for heading, cells in columns.items() if any(cells)}
        rows = [
            (one.first, *(cell or "-" for cell in cells)) for one, *cells in zip(members, *told.values(), strict=True)
        ]
        others = list(dict.fromkeys(one.second for one in members))
        against = f" ({others[0]})" if len(others) == 1 else ""
        output.print_text()
        output.print_text(output.clean(f"{family[0].upper()}{family[1:]}{against}"), style="bold")
        output.print_table(("arm", *told), rows, right=tuple(told), names=1)


def _print_subjects(arms: Sequence[ArmResult]) -> None:
    """Print accuracies by subject, of the best single agent, the vote and the rules."""
    singles = [arm for arm in arms if arm.kind == "single"]
    shown = [max(singles, key=lambda arm: arm.accuracy)] if singles else []
    shown += [arm for arm in arms if arm.name == "vote of all" or arm.kind == "rule"]
    shown = shown[:MOST_SUBJECT_ARMS]
    if not shown or len(shown[0].subjects) < 2:
        return
    output.print_text()
    output.print_text("Right by subject", style="bold")
    names = [arm.name for arm in shown]
    rows = []
    for place, subject in enumerate(shown[0].subjects):
        cells = [_percent(arm.subjects[place].accuracy) for arm in shown]
        rows.append((subject.subject or "no subject", f"{subject.questions:,}", *cells))
    output.print_table(("subject", "n", *names), rows, right=("n", *names), names=1)


def _print_errors(pairs: Sequence[ErrorPair]) -> None:
    known = [(pair.correlation, pair) for pair in pairs if pair.correlation is not None]
    if not known:
        return
    mean = sum(correlation for correlation, _ in known) / len(known)
    output.print_text()
    output.print_text(f"Errors of two agents correlate by {mean:.2f} on average; most of all", style="bold")
    ranked = sorted(known, key=lambda item: -item[0])[:MOST_PAIRS]
    rows = [
        (f"{pair.first}, {pair.second}", f"{phi:.2f}", _percent(pair.both_wrong), _percent(pair.same_wrong))
        for phi, pair in ranked
    ]
    columns = ("agents", "correlation", "both wrong", "same answer then")
    output.print_table(columns, rows, right=columns[1:], names=1)


def _print_sentences(comparisons: Sequence[Comparison]) -> None:
    """Print the sentences of the first family, which a paper would want; JSON has all."""
    if not comparisons:
        return
    output.print_text()
    output.print_text("For a paper", style="bold")
    several = len({one.panel for one in comparisons}) > 1
    first = [one for one in comparisons if one.family == comparisons[0].family]
    output.print_pairs([(f"{one.panel}/{one.first}" if several else one.first, one.sentence) for one in first])


def print_comparison(found: RunComparison) -> None:
    """Print two logs beside each other."""
    one, arms = found.comparison, (found.first, found.second)
    rows = [
        (arm.name, _percent(arm.accuracy), _range(arm.interval), f"{arm.calls:.2f}", _dollars(arm) or "-")
        for arm in arms
    ]
    columns = ("log", "right", "95 % interval", "calls", "$ for 1,000")
    output.print_table(columns, rows, right=columns[1:], names=1)
    output.print_text()
    flips = [("only the first", found.to_right), ("only the second", found.to_wrong)]
    output.print_pairs(
        [
            ("questions", f"{one.questions:,} in both, {found.only_in_one:,} in one log alone"),
            *([("not graded", f"{found.ungraded:,} of both")] if found.ungraded else []),
            ("difference", f"{_points(one.difference)} points, {_range(one.interval, signed=True)}"),
            ("McNemar", f"exact p {_p(one.mcnemar_p)}, mid-p {_p(one.mcnemar_mid_p)}"),
            ("could show", f"{_percent(one.smallest_difference) or 'nothing'} with a power of 80 %"),
            *((label, _listed(ids)) for label, ids in flips),
            ("for a paper", one.sentence),
        ]
    )


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - MOST_FLIPS:,} more" if len(ids) > MOST_FLIPS else ""
    return f"{len(ids):,}" + (f": {', '.join(ids[:MOST_FLIPS])}{more}" if ids else "")


def _by_chance(arm: ArmResult) -> str:
    """Write the calibration error that the sample alone makes, and the one that is exceeded once in twenty samples."""
    found = arm.calibration
    if found is None or found.by_chance is None or found.most_by_chance is None:
        return ""
    return f"{100 * found.by_chance:.1f}, < {100 * found.most_by_chance:.1f}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}%"


def _points(difference: float) -> str:
    return f"{100 * difference:+.1f}".translate(_MINUS)


def _range(interval: Range | None, *, signed: bool = False) -> str:
    if interval is None:
        return ""
    return " to ".join((_points if signed else lambda x: f"{100 * x:.1f}")(x) for x in (interval.low, interval.high))


def _p(value: float) -> str:
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _amount(value: float | None) -> str:
    return "" if value is None else f"{value:,.1f}"


def _price(value: float | None, form: str) -> str:
    """Write what an extra right answer takes; an arm that has more right for less saves something."""
    return "" if value is None else form.format(value) if value >= 0 else "saves"


def _dollars(arm: ArmResult) -> str:
    """Give the cost of 1,000 questions, as a lower bound where calls are unpriced."""
    if arm.cost_usd is None:
        return ""
    return f"{'≥ ' if arm.unpriced_calls else ''}${1_000 * arm.cost_usd:,.3f}"
