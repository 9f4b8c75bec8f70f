"""`orch eval`: whether a panel pays, measured."""

import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from streams.app.compare_runs import compare_runs
from streams.app.evaluate import DEFAULT_RULES, ROUTINGS, EvalJob, Replays, default_processes, evaluate
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.eval_text import print_comparison, print_report
from streams.cli.render.terminal import Terminal
from streams.errors import OperatorError, UsageError
from streams.evaluation.arms import NAMED_RULES, ArmRouting, parse_routing
from streams.evaluation.resampling import RESAMPLES
from streams.evaluation.run_folder import ROWS
from streams.evaluation.sampling import Sampling, parse_sampling

SAFE = "What is finished stays in {folder}; the same command goes on from there."
"""Advice for an interrupted evaluation."""


def _sampling(context: click.Context, option: click.Parameter, value: str | None) -> Sampling | None:
    return None if value is None else parse_sampling(value)


@command(
    name="eval",
    examples=(
        "orch eval questions.jsonl outputs.jsonl --orders 2 --run orch-eval-two",
        "orch eval questions.jsonl outputs.jsonl --orders 3 --rule vote --rule weighted --csv rows.csv",
        "orch --format json eval questions.jsonl outputs.jsonl --orders 3 --run orch-eval-small",
    ),
)
@click.argument("datasets", metavar="DATASET...", nargs=-1)
@click.option(
    "--run",
    "folder",
    metavar="DIR",
    default="orch-eval",
    show_default=True,
    help="Folder of the evaluation; one that was begun goes on.",
)
@click.option(
    "--panel",
    "panels",
    metavar="[LABEL=]AGENT,...",
    multiple=True,
    help="Agents of a panel, in the order that settles ties; AGENT*3 is an agent and two clones. Default: all.",
)
@click.option(
    "--random-panels",
    type=click.IntRange(0, 500),
    default=0,
    metavar="N",
    help="Also draw so many panels of two to five agents, by the seed.",
)
@click.option(
    "--rule",
    "rules",
    type=click.Choice(NAMED_RULES),
    metavar="RULE",
    multiple=True,
    help=f"One of {', '.join(NAMED_RULES)}; default: {', '.join(DEFAULT_RULES)}.",
)
@click.option(
    "--routing",
    "routings",
    metavar="ROUTING",
    callback=lambda context, option, given: tuple(map(parse_routing, given)),
    multiple=True,
    help="static: the panel as it is listed; ema: three of it, chosen by averages; ema=2: two. Default: both.",
)
@click.option("--orders", type=click.IntRange(1, 1_000), default=20, show_default=True, help="Orders of the questions.")
@click.option("--seed", type=click.IntRange(0), default=42, show_default=True, help="Of orders, sample and resamples.")
@click.option(
    "--window",
    type=click.IntRange(1, 100_000),
    default=1,
    show_default=True,
    metavar="N",
    help="Questions open at a time; with 1 each is learned before the next is asked.",
)
@click.option(
    "--sample",
    "sampling",
    metavar="SAMPLE",
    callback=_sampling,
    help="So many questions; subjects:10x30 or lengths:3x100; paper-subjects or paper-lengths: the paper's.",
)
@click.option(
    "--resamples",
    type=click.IntRange(200, 1_000_000),
    default=RESAMPLES,
    show_default=True,
    help="Of each bootstrap; the least p-value is 2 in so many.",
)
@click.option("--processes", type=click.IntRange(1, 64), metavar="N", help="Default: one for each core.")
@click.option(
    "--replay",
    "replays",
    type=click.Choice(["all", "first", "none"]),
    default="first",
    show_default=True,
    help="Whose logs are derived again: those of all orders, of the first, or none.",
)
@click.option("--keep-logs", is_flag=True, help="Keep the logs of the first order, in the folder's logs/.")
@click.option("--csv", "rows", metavar="FILE", help="Also copy the long form: a row for each question, order and arm.")
@click.option(
    "--compare",
    nargs=2,
    metavar="RUN_A RUN_B",
    help="Compare two logs on the questions that both decided, instead of an evaluation.",
)
@pass_app
def evaluation(
    app: App,
    datasets: tuple[str, ...],
    folder: str,
    panels: tuple[str, ...],
    random_panels: int,
    rules: tuple[str, ...],
    routings: tuple[ArmRouting, ...],
    orders: int,
    seed: int,
    window: int,
    sampling: Sampling | None,
    resamples: int,
    processes: int | None,
    replays: Replays,
    keep_logs: bool,
    rows: str | None,
    compare: tuple[str, str] | None,
) -> int:
    """
    Measure single agents, votes and merge rules on known answers.

    DATASET is a file or folder of questions, of recorded outputs, or of both: question and output lines as for `orch
    run`; MMLU, MMLU-Pro, GSM8K, GPQA and ARC as their authors or Hugging Face publish them (CSV, JSON, JSON Lines,
    Parquet); samples_*.jsonl of lm-evaluation-harness, .eval and JSON logs of Inspect, JSON of LLMRouterBench,
    cached_results of RouterArena. Each model of the outputs becomes an agent. Without outputs the configured agents are
    asked, once.

    Every rule runs through the same stages as in `orch run`, in several orders of the questions, and is told the right
    answer after each. All comparisons are paired by question; p-values are adjusted by Holm within the families that
    the report names. The folder keeps the report (report.json, and as a page with pictures report.html), the long form
    (rows.csv), the ids that were sampled and the log in which everybody was asked (everybody.db).
    """
    if compare is not None:
        return _compare(app, compare, datasets, seed, resamples)
    if not datasets:
        raise UsageError("no data set was named", remedy="Name files of questions and outputs, or --compare two logs")
    app.if_interrupted(SAFE.format(folder=folder))
    job = EvalJob(
        datasets,
        Path(folder),
        app.config,
        panels,
        rules=rules or DEFAULT_RULES,
        routings=routings or ROUTINGS,
        random_panels=random_panels,
        orders=orders,
        seed=seed,
        window=window,
        sampling=sampling,
        resamples=resamples,
        processes=processes or default_processes(),
        replays=replays,
        keep_logs=keep_logs,
        command=shlex.join(["orch", *sys.argv[1:]]),
    )
    found = evaluate(job, Terminal())
    if rows is not None:
        _copy(found.folder.file(ROWS), rows)
    if app.json:
        output.print_json(found.report.model_dump(mode="json"))
    else:
        print_report(found.report, folder)
    return EXIT_DIFFERENCE if found.report.different else 0


def _copy(source: Path, target: str) -> None:
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        remedy = f"The same rows are in {source}"
        raise OperatorError(f"{target}: {error.strerror}", remedy=remedy, file=target) from error


def _compare(app: App, logs: tuple[str, str], datasets: Any, seed: int, resamples: int) -> int:
    if datasets:
        raise UsageError("--compare takes two logs and no data set", remedy="Leave the data set out")
    found = compare_runs(*logs, seed=seed, resamples=resamples)
    if app.json:
        output.print_json(found.as_json())
    else:
        print_comparison(found)
    return 0
