"""`orch bench`: benchmarks of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from streams.app.require_kafka import connection_of, require_engine
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.worker import STAGES
from streams.errors import UsageError

if TYPE_CHECKING:
    from infra.bench.figures import Figure
    from infra.bench.runtimes import Measurable

NAMES = ("decided", "latency", "watched", "replay", "scale", "archive", "start", "hostile", "live")
KAFKA_NAMES = ("decided", "latency", "inputs", "restart")
PARTS = tuple(dict.fromkeys((*NAMES, *KAFKA_NAMES)))


@command(
    examples=[
        "orch bench --only start",
        "orch bench --quick --only decided --runs 1",
        "orch bench --only watched",
        "orch bench --report figures.md",
        "orch bench --quick --only live --runs 1",
        "orch bench --quick --profile",
        "orch --log kafka://localhost:9092 bench --quick --only decided",
        "orch --log kafka://localhost:9092 bench --worker route,merge,learn,rank,tune --worker agents,deadlines",
    ]
)
@click.option(
    "--only",
    metavar="PART",
    type=click.Choice(PARTS),
    multiple=True,
    help=f"Run this one; may be given several times. Parts: {', '.join(PARTS)}.",
)
@click.option("--runs", type=click.IntRange(1, 100), help="Runs of each; the default is 5, or 3 with --quick.")
@click.option("--quick", is_flag=True, help="Measure less; such figures compare with each other only.")
@click.option("--report", metavar="FILE", type=click.Path(dir_okay=False), help="Also write the figures as Markdown.")
@click.option("--profile", is_flag=True, help="Show what one run of `decided` spends its time on, and measure nothing.")
@click.option(
    "--worker",
    metavar="STAGES",
    multiple=True,
    help="On Kafka: stages of a worker process, with commas; once for each process.",
)
@click.option(
    "--engine",
    type=click.Choice(["aiokafka", "faust"]),
    default="aiokafka",
    show_default=True,
    help="On Kafka: engine that delivers records to the stages.",
)
@pass_app
def bench(
    app: App,
    only: tuple[str, ...],
    runs: int | None,
    quick: bool,
    report: str | None,
    profile: bool,
    worker: tuple[str, ...],
    engine: Literal["aiokafka", "faust"],
) -> None:
    """
    Measure speed and added latency on this machine.

    Everything runs on new durable logs that are removed afterwards: in the usual place for temporary files, or in the
    directory of --log. If --log is on Kafka, that runtime is measured, with workers on this machine and topics under a
    random prefix on that cluster. `live` has agents of kind openai and litellm call recorded models over HTTP on
    loopback, and needs the extras of both and `models`; `watched` compares runs with and without --metrics and
    --traces in pairs, and needs `metrics` and `otel`. Each figure is the median of several runs, beside the product's
    target and, where it makes sense, beside a plain baseline. Other work on the machine makes figures worse, never
    better.
    """
    from infra.bench import runtimes
    from infra.bench.report import machine_line, markdown
    from streams.cli import output

    on_kafka = app.names_log and app.log.scheme == "kafka"
    if app.names_log and app.log.scheme not in ("sqlite", "kafka"):
        raise UsageError(f"{app.log_url}: an archive is not measured", remedy="Name a file, or leave --log out")
    if not on_kafka and (worker or engine != "aiokafka"):
        option = "--worker" if worker else "--engine"
        raise UsageError(f"{option} is for logs on Kafka", remedy="Give --log kafka://HOST:PORT")
    names = KAFKA_NAMES if on_kafka else NAMES
    for name in only:
        if name not in names:
            raise UsageError(f"{name!r} is not measured on this log", remedy=f"Choose from {', '.join(names)}")
    app.if_interrupted("Nothing was kept; the logs of the benchmark are removed.")
    if on_kafka:
        connection = connection_of(app, "bench")
        require_engine(engine)
        measurable = runtimes.on_kafka(connection, _worker_stages(worker), engine, quick=quick, runs=runs)
    else:
        place = app.log.path.absolute().parent if app.names_log else None
        measurable = runtimes.embedded(place, quick=quick, runs=runs)
    chosen = [] if profile else measurable.chosen(only, names, output.say)
    if app.json:
        output.print_json({"machine": measurable.about})
    else:
        output.print_text(machine_line(measurable.about))
    if profile:
        _print_profiles(app, measurable)
        return
    measured = []
    for one in chosen:
        with output.progress(one.title, one.steps) as advance:
            figures = one.run(advance)
        measured.append((one.title, figures))
        _print_figures(app, one.title, figures)
    if report is not None:
        Path(report).write_text(markdown(measurable.about, measured), "utf-8")


def _worker_stages(workers: tuple[str, ...]) -> tuple[tuple[str, ...], ...]:
    """Read the stages of each worker process."""
    worker_stages = tuple(tuple(stages.split(",")) for stages in workers)
    for stages in worker_stages:
        if unknown := [stage for stage in stages if stage not in STAGES]:
            raise UsageError(f"--worker {','.join(stages)}: there is no stage {unknown[0]!r}", remedy=", ".join(STAGES))
    return worker_stages


def _print_figures(app: App, title: str, figures: "list[Figure]") -> None:
    from infra.bench.report import COLUMNS, notes, row
    from streams.cli import output

    if app.json:
        for figure in figures:
            output.print_json(figure.as_json())
    else:
        output.print_text()
        right = ("median", "min", "max", "target")
        output.print_table(COLUMNS, [row(figure) for figure in figures], right=right, title=title)
        for note in notes(figures):
            output.print_text(f"  {note}")
    output.flush()


def _print_profiles(app: App, measurable: "Measurable") -> None:
    from streams.cli import output

    for process, shares, functions in measurable.profile():
        if app.json:
            named = {"process": process} if process else {}
            output.print_json({**named, "shares": {part: round(share, 4) for part, share in shares}})
            continue
        title = f"Where the time goes{f' in {process}' if process else ''} (under a profiler)"
        rows = [(part, f"{share:.1%}") for part, share in shares]
        output.print_table(("part", "share"), rows, right=("share",), title=title)
        output.print_text(functions)
