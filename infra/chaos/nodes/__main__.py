"""`python -m infra.chaos.nodes`: three brokers, of which some are killed."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import click

from infra.chaos.nodes.trial import NodeTrialSpec, run
from infra.chaos.outcome import EXIT_WRONG
from infra.chaos.workers import DUTIES
from streams.errors import OrchError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--kills", type=click.IntRange(0), default=3, help="Kills of one node.")
@click.option("--restarts", type=click.IntRange(0), default=1, help="Restarts of all nodes, one after the other.")
@click.option("--outages", type=click.IntRange(0), default=1, help="Kills of two nodes at once.")
@click.option("--away-s", type=click.FloatRange(1, 600), default=20.0, help="Seconds until killed nodes come back.")
@click.option("--rate", type=click.FloatRange(0.1, 1_000), default=8.0, help="Questions a second.")
@click.option("--workers", type=click.IntRange(1, len(DUTIES)), default=2, help="Worker processes.")
@click.option("--seed", type=int, default=1, help="Fixes questions, order and targets.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also write the outcome to a file.")
def main(report: Path | None, **plan: Any) -> None:
    """
    Kill brokers of a cluster of three under load, and check that nothing is lost, doubled or different.

    Prints one JSON object with the longest stall of each kind of fault. Exit code 0 if all is right, 4 if not, 3 if the
    trial could not begin.

    \b
    python -m infra.chaos.nodes
    python -m infra.chaos.nodes --kills 10 --restarts 3 --outages 3 --seed 7 --report nodes.json
    """
    # SIGTERM must run the clean-up, which ends every process of the trial.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        outcome = run(NodeTrialSpec(**plan), lambda text: click.echo(text, err=True))
    except OrchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    found = json.dumps(outcome.as_json())
    if report is not None:
        report.write_text(found + "\n")
    click.echo(found)
    sys.exit(0 if outcome.right else EXIT_WRONG)


if __name__ == "__main__":
    main()
