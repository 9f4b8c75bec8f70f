"""Paired comparisons of arms, in declared families."""

from collections.abc import Mapping, Sequence

from streams.evaluation.derived import ArmSeries
from streams.evaluation.outcomes import GradedQuestion
from streams.evaluation.report import ArmResult, Comparison, Range
from streams.evaluation.resampling import bootstrap, by_group, by_question
from streams.evaluation.significance import ALPHA, holm, mcnemar, smallest_difference

FEWEST_SUBJECTS = 5
"""Fewer clusters than this give no interval worth printing."""


def compared(
    family: str,
    first: tuple[ArmSeries, ArmResult],
    second: tuple[ArmSeries, ArmResult],
    asked: Mapping[str, GradedQuestion],
    *,
    seed: int,
    resamples: int,
) -> Comparison:
    """
    Compare two arms of one panel on the same questions.

    An arm that does not depend on the order stands beside each order of the other. `p_holm` and the sentence are filled
    in by `adjusted`.
    """
    (one, one_result), (other, other_result) = first, second
    orders = max(len(one.orders), len(other.orders))
    right = [_right(one), _right(other)]
    differences: dict[str, list[int]] = {question_id: [] for question_id in right[0][0]}
    to_right = to_wrong = 0
    for order in range(orders):
        a, b = (arm[order if len(arm) > 1 else 0] for arm in right)
        for question_id, values in differences.items():
            difference = a[question_id] - b[question_id]
            values.append(difference)
            to_right += difference > 0
            to_wrong += difference < 0
    table = mcnemar(
        sum(values[0] > 0 for values in differences.values()), sum(values[0] < 0 for values in differences.values())
    )
    spread = bootstrap(by_question(differences), seed=seed, resamples=resamples)
    groups = {question_id: asked[question_id].subject for question_id in differences}
    by_subject = None
    if len(set(groups.values())) >= FEWEST_SUBJECTS:
        drawn = bootstrap(by_group(differences, groups), seed=seed, resamples=resamples).interval
        by_subject = Range(low=drawn.low, high=drawn.high)
    answers = len(differences) * orders
    extra = one_result.accuracy - other_result.accuracy
    return Comparison(
        family=family,
        panel=one.panel,
        first=one.name,
        second=other.name,
        questions=len(differences),
        orders=orders,
        difference=spread.estimate,
        interval=Range(low=spread.interval.low, high=spread.interval.high),
        interval_by_subject=by_subject,
        only_first=table.only_first,
        only_second=table.only_second,
        mcnemar_p=table.p,
        mcnemar_mid_p=table.mid_p,
        p=table.p if orders == 1 else spread.p,
        test="exact McNemar" if orders == 1 else "bootstrap by question",
        p_holm=1.0,
        smallest_difference=smallest_difference(len(differences), (to_right + to_wrong) / answers),
        extra_right=1_000 * extra,
        calls_per_extra_right=_per_extra(one_result.calls, other_result.calls, extra),
        usd_per_extra_right=_per_extra(one_result.cost_usd, other_result.cost_usd, extra),
        flips_to_right=to_right / answers,
        flips_to_wrong=to_wrong / answers,
        sentence="",
    )


def _right(series: ArmSeries) -> list[dict[str, int]]:
    return [{row.question_id: int(row.correct) for row in order} for order in series.orders]


def _per_extra(amount: float | None, other: float | None, extra: float) -> float | None:
    """Give what one extra right answer takes; None where there is none, or an amount is not known."""
    return None if amount is None or other is None or extra <= 0 else (amount - other) / extra


def adjusted(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjust the p-values within each family, over all its panels, and write the sentences."""
    found: list[Comparison] = []
    for family in dict.fromkeys(comparison.family for comparison in comparisons):
        members = [comparison for comparison in comparisons if comparison.family == family]
        p_values = holm({str(place): member.p for place, member in enumerate(members)})
        for place, member in enumerate(members):
            known = member.model_copy(update={"p_holm": p_values[str(place)]})
            found.append(known.model_copy(update={"sentence": sentence(known, len(members))}))
    return found


def sentence(comparison: Comparison, family: int) -> str:
    """Write a comparison as one sentence for a paper; shares in percentage points."""
    points = 100 * comparison.difference
    interval = f"95 % CI {_signed(100 * comparison.interval.low)} to {_signed(100 * comparison.interval.high)}"
    over = f", {comparison.orders} question orders" if comparison.orders > 1 else ""
    adjustment = f", Holm over {family} comparisons" if family > 1 else ""
    p = "p < 0.001" if comparison.p_holm < 0.001 else f"p = {comparison.p_holm:.3f}"
    sizes = f"n = {comparison.questions:,}{over}"
    by = f"{_signed(points)} points ({interval}; {comparison.test}, {p}{adjustment}; {sizes})"
    pair = f"{comparison.first} and {comparison.second}"
    if comparison.p_holm >= ALPHA:
        least = comparison.smallest_difference
        told = (
            "too few questions are discordant for any difference to show"
            if least is None
            else f"a true difference of {100 * least:.1f} points would have been found with a power of 80 %"
        )
        return f"{pair} are not distinguishable at n = {comparison.questions:,}: {by}; {told}."
    better, worse = (comparison.first, comparison.second) if points > 0 else (comparison.second, comparison.first)
    return f"{better} is more accurate than {worse}: {by}."


def _signed(points: float) -> str:
    return f"{points:+.1f}".replace("-", "−")
