"""`python -m infra.chaos.backlog`: the command line of a backlog."""

import faulthandler
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from infra.chaos.backlog.trial import run
from infra.chaos.backlog.trial_spec import BacklogSpec
from infra.chaos.outcome import EXIT_WRONG
from infra.chaos.workers import ENGINES
from streams.errors import OrchError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--questions", type=click.IntRange(1), default=1_000, help="Open while all the rest happens.")
@click.option("--starts", type=click.IntRange(0), default=20, help="Ends and starts, with and without disks.")
@click.option("--kills", type=click.IntRange(0), default=50, help="Kills of workers.")
@click.option("--zombies", type=click.IntRange(0), default=5, help="Workers that go on after they were replaced.")
@click.option("--outages", type=click.IntRange(0), default=2, help="Kills of all workers at once, with their disks.")
@click.option("--seed", type=int, default=1, help="Fixes questions, troubles and targets.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], help="As of `orch worker`.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also write each trouble, as JSON.")
def main(report: Path | None, **plan: Any) -> None:
    """
    Keep questions open through restarts, kills, zombies and compaction, then have them decided, and check it all.

    Prints one JSON object. Exit code 0 if all is right, 4 if not, 3 if the trial could not begin.

    \b
    python -m infra.chaos.backlog
    python -m infra.chaos.backlog --questions 100 --starts 2 --kills 3 --zombies 1 --engine faust
    """
    # librdkafka is a C library: if it crashes, faulthandler shows where.
    faulthandler.enable()
    # SIGTERM must run the clean-up, which ends every process of the trial.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        outcome = run(BacklogSpec(**plan), lambda text: click.echo(text, err=True))
    except OrchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    found = outcome.as_json()
    if report is not None:
        each = {"each": [asdict(one) for one in outcome.troubles], "exits": [one._asdict() for one in outcome.exits]}
        report.write_text(json.dumps({**found, **each}, indent=1) + "\n")
    click.echo(json.dumps(found))
    sys.exit(0 if outcome.right else EXIT_WRONG)


if __name__ == "__main__":
    main()
