"""Report of an evaluation, from its run folder."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import orjson

from streams.app.evaluation_data import EvalData
from streams.evaluation import derived
from streams.evaluation.arms import Arm, Panel, Plan
from streams.evaluation.comparing import adjusted, compared
from streams.evaluation.derived import ArmSeries
from streams.evaluation.measures import error_pairs, measured, with_equal_calls
from streams.evaluation.outcomes import Answers, ArmOutcome, GradedQuestion
from streams.evaluation.report import BEST_OF, ArmResult, Comparison, ConfusionCell, Curve, EvalReport, Source
from streams.evaluation.run_folder import RunFolder
from streams.evaluation.sampling import Sampling
from streams.version import installed_version

AGAINST_BEST = "rules against the best single agent in hindsight"
AGAINST_CHOSEN = "rules against the single agent chosen on line"
AGAINST_VOTE = "rules against the plain vote of all"


class ReportInputs(NamedTuple):
    """What a report is built from."""

    folder: RunFolder
    plan: Plan
    data: EvalData
    answers: Answers
    datasets: Sequence[str]
    sampling: Sampling | None
    resamples: int
    command: str


class _Measured(NamedTuple):
    series: ArmSeries
    result: ArmResult


def build_report(given: ReportInputs, advance: Callable[[int], None]) -> tuple[list[ArmSeries], EvalReport]:
    """Measure every arm, compare the rules with the baselines, and adjust for the number of comparisons."""
    plan = given.plan
    questions = given.data.asked
    asked = {question.question_id: question for question in questions}
    arms: list[_Measured] = []
    comparisons: list[Comparison] = []
    errors, curves = [], []
    replays: list[dict[str, int]] = []
    for panel in plan.panels:
        members: list[_Measured] = []

        def add(series: ArmSeries, rule: str | None = None, routing: str | None = None) -> _Measured:
            result = measured(series, asked, seed=plan.seed, resamples=given.resamples, rule=rule, routing=routing)
            advance(1)
            members.append(_Measured(series, result))  # noqa: B023
            return members[-1]  # noqa: B023

        singles = [add(series) for series in derived.singles(panel, questions, given.answers)]
        baselines = _baselines(panel, given, add)
        rules = []
        for arm in (arm for arm in plan.arms if arm.panel == panel):
            series, kept, points = _read_arm(given.folder, arm, plan.orders)
            rules.append(add(series, arm.rule, str(arm.routing)))
            replays += kept
            curves += points
        best = max(singles, key=lambda single: single.result.accuracy)
        for family, other in ((AGAINST_BEST, best), *baselines.items()):
            for rule in [*rules, *([baselines[AGAINST_VOTE]] if family != AGAINST_VOTE else [])]:
                comparisons.append(compared(family, rule, other, asked, seed=plan.seed, resamples=given.resamples))
                advance(1)
        errors += error_pairs([single.series for single in singles])
        arms += members
    results = with_equal_calls([arm.result for arm in arms], lambda arm: arm.name.startswith(BEST_OF))
    report = EvalReport(
        version=installed_version() or "from source",
        command=given.command,
        seed=plan.seed,
        orders=plan.orders,
        window=plan.window,
        resamples=given.resamples,
        source=_source(given),
        panels={panel.label: panel.agents for panel in plan.panels},
        arms=tuple(results),
        comparisons=tuple(adjusted(comparisons)),
        errors=tuple(errors),
        confusion=tuple(_confusion([arm.series for arm in arms], asked)),
        curves=tuple(curves),
        logs=len(plan.arms) * plan.orders + 1,
        replayed=len(replays) + 1,
        different=sum(replay["different"] for replay in replays) + _everybody_different(given.folder),
        not_run={item.name: item.reason for item in plan.not_run},
    )
    return [arm.series for arm in arms], report


def _baselines(panel: Panel, given: ReportInputs, add: Callable[[ArmSeries], _Measured]) -> dict[str, _Measured]:
    """Measure what is counted from the log in which everybody was asked; give those that rules are compared with."""
    asked, answers = given.data.asked, given.answers
    ranked = derived.best_first(panel, asked, answers)
    chosen = add(derived.chosen_online(panel, asked, answers, seed=given.plan.seed, orders=given.plan.orders))
    vote = add(derived.vote_of(panel, panel.agents, asked, answers, "vote of all"))
    for size in range(1, len(ranked) + 1):
        add(derived.vote_of(panel, ranked[:size], asked, answers, f"{BEST_OF}{size}"))
    for agent in panel.agents:
        if f"{agent}@2" in panel.members:
            pair = [agent, f"{agent}@2"]
            add(derived.vote_of(panel, pair, asked, answers, f"self-consistency K=2 of {agent}"))
    add(derived.oracle(panel, asked, answers))
    return {AGAINST_CHOSEN: chosen, AGAINST_VOTE: vote}


def _read_arm(folder: RunFolder, arm: Arm, orders: int) -> tuple[ArmSeries, list[dict[str, int]], list[Curve]]:
    found, replays, curves = [], [], []
    for order in range(1, orders + 1):
        stored = orjson.loads(folder.arm_file(arm.file_name, order).read_bytes())
        found.append([ArmOutcome(*row) for row in stored["rows"]])
        if stored["replay"] is not None:
            replays.append(stored["replay"])
        curves += [
            Curve(
                panel=arm.panel.label, arm=_name(arm), agent=agent, quantity=quantity, points=tuple(map(tuple, points))
            )
            for agent, quantity, points in stored["curves"]
        ]
    return ArmSeries(arm.panel.label, _name(arm), "rule", found, arm.panel.agents), replays, curves


def _name(arm: Arm) -> str:
    """Name an arm within its panel."""
    return arm.name.removeprefix(f"{arm.panel.label}/")


def _everybody_different(folder: RunFolder) -> int:
    return int(orjson.loads(folder.file("everybody.json").read_bytes())["different"])


def _source(given: ReportInputs) -> Source:
    sampling = given.sampling
    return Source(
        files=tuple(map(str, given.datasets)),
        forms=given.data.found.forms,
        sha256=given.data.digest,
        questions=len(given.data.lines),
        ungraded=given.data.ungraded,
        refused_rows=len(given.data.found.problems),
        sampling=None if sampling is None else f"{sampling.kind}, {sampling.groups} x {sampling.each}",
    )


def _confusion(series: Sequence[ArmSeries], asked: dict[str, GradedQuestion]) -> list[ConfusionCell]:
    """Count answers by right answer, of questions with options, in the first order."""
    cells: dict[tuple[str, str, str, str | None], int] = {}
    for arm in series:
        for row in arm.orders[0]:
            gold = asked[row.question_id].gold
            if len(gold) == 1 and gold.isalpha():
                cell = (arm.panel, arm.name, gold, row.answer)
                cells[cell] = cells.get(cell, 0) + 1
    ranked = sorted(cells.items(), key=lambda item: (*item[0][:3], item[0][3] or ""))
    return [
        ConfusionCell(panel=panel, arm=arm, gold=gold, answer=answer, answers=count)
        for (panel, arm, gold, answer), count in ranked
    ]
