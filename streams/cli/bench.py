"""The command `bench`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError

NAMES = ("decided", "latency", "replay", "scale", "start")


@command(
    examples=[
        "orch bench --only start",
        "orch bench --quick --only decided --runs 1",
        "orch bench --report figures.md",
        "orch bench --quick --profile",
    ]
)
@click.option("--only", type=click.Choice(NAMES), multiple=True, help="Run this one; may be given several times.")
@click.option("--runs", type=click.IntRange(1, 100), help="Runs of each; the default is 5, or 3 with --quick.")
@click.option("--quick", is_flag=True, help="Measure less; such figures compare with each other only.")
@click.option("--report", metavar="FILE", type=click.Path(dir_okay=False), help="Also write the figures as Markdown.")
@click.option("--profile", is_flag=True, help="Show what one run of `decided` spends its time on, and measure nothing.")
@pass_app
def bench(app: App, only: tuple[str, ...], runs: int | None, quick: bool, report: str | None, profile: bool) -> None:
    """
    Measure speed and added latency on this machine.

    Everything runs on new durable logs that are removed afterwards: in the usual place for temporary files, or in the
    directory of --log. Each figure is the median of several runs, beside the product's target and, where it makes
    sense, beside a plain baseline. Other work on the machine makes figures worse, never better.
    """
    from infra.bench.figures import QUICK, Sizes, machine
    from infra.bench.report import machine_line, markdown
    from infra.bench.suite import BENCHES, disk, run
    from streams.cli import output

    if app.names_log and app.log.scheme != "sqlite":
        raise UsageError(f"{app.log_url}: only embedded logs are measured", remedy="Name a file, or leave --log out")
    sizes = QUICK if quick else Sizes()
    if runs is not None:
        sizes = replace(sizes, runs=runs)
    place = app.log.path.absolute().parent if app.names_log else disk(Path.cwd())
    app.if_interrupted("Nothing was kept; the logs of the benchmark are removed.")
    about = machine(place)
    if app.json:
        output.print_json({"machine": about})
    else:
        output.print_text(machine_line(about))
    if profile:
        _profile(app, place, quick)
        return
    measured = []
    for name in only or NAMES:
        chosen = BENCHES[name]
        with output.progress(chosen.title, chosen.steps(sizes)) as advance:
            figures = run(chosen, place, sizes, advance)
        measured.append((chosen.title, figures))
        _print_figures(app, chosen.title, figures)
    if report is not None:
        Path(report).write_text(markdown(about, measured), "utf-8")


def _print_figures(app: App, title: str, figures: list[Any]) -> None:
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


def _profile(app: App, place: Path, quick: bool) -> None:
    import tempfile

    from infra.bench.decided import profile
    from infra.bench.figures import QUICK, Sizes
    from streams.cli import output

    with tempfile.TemporaryDirectory(prefix="orch-bench-", dir=place) as directory:
        shares, functions = profile(Path(directory), QUICK if quick else Sizes())
    if app.json:
        output.print_json({"shares": {part: round(share, 4) for part, share in shares}})
        return
    rows = [(part, f"{share:.1%}") for part, share in shares]
    output.print_table(("part", "share"), rows, right=("share",), title="Where the time goes (under a profiler)")
    output.print_text(functions)
