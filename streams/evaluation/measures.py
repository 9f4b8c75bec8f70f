"""Figures of one arm, from its outcomes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import pi, sqrt

from schemas.quantities import PPB
from streams.evaluation.derived import ArmSeries
from streams.evaluation.outcomes import ArmOutcome, GradedQuestion
from streams.evaluation.report import ArmResult, Calibration, CallsPoint, ErrorPair, Range, SubjectResult
from streams.evaluation.resampling import DrawnCluster, bootstrap
from streams.evaluation.significance import phi, wilson

_BINS = 10
_ONE_IN_TWENTY = 1.645
"""Standard deviations that a normal variable exceeds once in twenty times."""


def measured(
    series: ArmSeries,
    asked: Mapping[str, GradedQuestion],
    *,
    seed: int,
    resamples: int,
    rule: str | None,
    routing: str | None,
) -> ArmResult:
    """Sum up the outcomes of an arm; `vote_at_equal_calls` is filled in by `with_equal_calls`."""
    rows = [row for order in series.orders for row in order]
    right = {row.question_id: 0 for row in rows}
    for row in rows:
        right[row.question_id] += row.correct
    count, orders = len(rows), len(series.orders)
    if orders == 1:
        interval = wilson(sum(right.values()), count)
    else:
        interval = bootstrap([DrawnCluster(n, orders) for n in right.values()], seed=seed, resamples=resamples).interval
    shares = [sum(row.correct for row in order) / len(order) for order in series.orders]
    return ArmResult(
        panel=series.panel,
        name=series.name,
        kind=series.kind,  # type: ignore[arg-type]
        rule=rule,
        routing=routing,
        agents=series.asked,
        orders=orders,
        questions=len(right),
        accuracy=sum(right.values()) / count,
        interval=Range(low=interval.low, high=interval.high),
        by_order=Range(low=min(shares), high=max(shares)),
        undecided=sum(row.answer is None for row in rows) / count,
        calls=sum(row.calls for row in rows) / count,
        input_tokens=_mean(row.input_tokens for row in rows),
        output_tokens=_mean(row.output_tokens for row in rows),
        cost_usd=_cost(rows),
        unpriced_calls=sum(row.unpriced_calls for row in rows) / count,
        latency_ms=_mean(row.latency_ms for row in rows),
        subjects=_by_subject(right, orders, asked),
        calibration=calibration(rows),
        calls_taken=_by_calls(rows),
        vote_at_equal_calls=None,
    )


def _mean(amounts: Iterable[int | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) / len(known) if known else None


def _cost(rows: Sequence[ArmOutcome]) -> float | None:
    """Give the mean known cost in dollars; None if every call is unpriced."""
    if all(row.unpriced_calls == row.calls for row in rows):
        return None
    return sum(row.cost_nusd for row in rows) / 10**9 / len(rows)


def _by_subject(
    right: Mapping[str, int], orders: int, asked: Mapping[str, GradedQuestion]
) -> tuple[SubjectResult, ...]:
    """Give the accuracy on each subject; the interval is Wilson's of the mean count of an order."""
    by_subject: dict[str, list[int]] = {}
    for question_id, count in right.items():
        by_subject.setdefault(asked[question_id].subject, []).append(count)
    found = []
    for subject, counts in sorted(by_subject.items()):
        questions = len(counts)
        interval = wilson(round(sum(counts) / orders), questions)
        found.append(
            SubjectResult(
                subject=subject,
                questions=questions,
                accuracy=sum(counts) / orders / questions,
                interval=Range(low=interval.low, high=interval.high),
            )
        )
    return tuple(found)


def calibration(rows: Iterable[ArmOutcome]) -> Calibration | None:
    """Compare posteriors with how often the answers were right; None without posteriors."""
    bins: list[list[tuple[str, float, bool]]] = [[] for _ in range(_BINS)]
    for row in rows:
        if row.posterior_ppb is not None and row.answer is not None:
            place = min(_BINS - 1, row.posterior_ppb * _BINS // PPB)
            bins[place].append((row.question_id, row.posterior_ppb / PPB, row.correct))
    answers = sum(map(len, bins))
    if not answers:
        return None
    means = [
        (sum(p for _, p, _ in held) / len(held), sum(right for *_, right in held) / len(held), len(held))
        for held in bins
        if held
    ]
    ece = sum(abs(posterior - accuracy) * size for posterior, accuracy, size in means) / answers
    mean, most = _ece_by_chance([_variance(held) for held in bins], answers)
    return Calibration(ece=ece, by_chance=mean, most_by_chance=most, answers=answers, bins=tuple(means))


def _variance(held: Iterable[tuple[str, float, bool]]) -> float:
    """
    Give the variance of the number of right answers of one bin if posteriors are true.

    The answers to one question in several orders are right together or wrong together, so their sum varies as one draw.
    """
    posteriors: dict[str, list[float]] = {}
    for question_id, posterior, _ in held:
        posteriors.setdefault(question_id, []).append(posterior)
    means = [(len(of_one), sum(of_one) / len(of_one)) for of_one in posteriors.values()]
    return sum(orders * orders * mean * (1 - mean) for orders, mean in means)


def _ece_by_chance(variances: Sequence[float], answers: int) -> tuple[float, float]:
    """
    Give mean and 95 % bound of the calibration error that sampling alone makes.

    Source: mean and variance of the half-normal distribution, bins taken as independent (Bröcker & Smith 2007 draw it).
    """
    mean = sum(sqrt(2 / pi * variance) for variance in variances) / answers
    deviation = sqrt(sum((1 - 2 / pi) * variance for variance in variances)) / answers
    return min(mean, 1.0), min(mean + _ONE_IN_TWENTY * deviation, 1.0)


def _by_calls(rows: Iterable[ArmOutcome]) -> tuple[CallsPoint, ...]:
    counts: dict[int, list[int]] = {}
    for row in rows:
        held = counts.setdefault(row.calls, [0, 0])
        held[0] += 1
        held[1] += row.correct
    return tuple(
        CallsPoint(calls=calls, answers=answers, accuracy=right / answers)
        for calls, (answers, right) in sorted(counts.items())
    )


def with_equal_calls(arms: Sequence[ArmResult], is_size: Callable[[ArmResult], bool]) -> list[ArmResult]:
    """
    Add to each rule the plain vote at as many calls.

    Args:
        arms: Results of all arms.
        is_size: Whether an arm is the plain vote of one panel size, best agents first.
    """
    found = []
    for arm in arms:
        curve = sorted((size.calls, size.accuracy) for size in arms if is_size(size) and size.panel == arm.panel)
        value = _between(curve, arm.calls) if arm.kind == "rule" else None
        found.append(arm.model_copy(update={"vote_at_equal_calls": value}))
    return found


def _between(curve: Sequence[tuple[float, float]], at: float) -> float | None:
    """Interpolate; beyond the ends the nearest value holds."""
    if not curve:
        return None
    before = [point for point in curve if point[0] <= at]
    after = [point for point in curve if point[0] >= at]
    if not before or not after:
        return (before[-1] if before else after[0])[1]
    (x0, y0), (x1, y1) = before[-1], after[0]
    return y0 if x0 == x1 else y0 + (y1 - y0) * (at - x0) / (x1 - x0)


def error_pairs(singles: Sequence[ArmSeries]) -> list[ErrorPair]:
    """Compare the errors of each two agents of a panel."""
    found = []
    for place, one in enumerate(singles):
        for other in singles[place + 1 :]:
            pairs = list(zip(one.orders[0], other.orders[0], strict=True))
            wrong = [(a, b) for a, b in pairs if not a.correct and not b.correct]
            same = sum(a.answer is not None and a.answer == b.answer for a, b in wrong)
            found.append(
                ErrorPair(
                    panel=one.panel,
                    first=one.name,
                    second=other.name,
                    correlation=phi([not a.correct for a, _ in pairs], [not b.correct for _, b in pairs]),
                    both_wrong=len(wrong) / len(pairs),
                    same_wrong=same / len(wrong) if wrong else None,
                )
            )
    return found
