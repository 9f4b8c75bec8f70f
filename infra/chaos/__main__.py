"""`python -m infra.chaos`: one trial under kills."""

import faulthandler
import json
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from infra.chaos.outcome import EXIT_WRONG
from infra.chaos.trial import run
from infra.chaos.trial_spec import TrialSpec
from infra.chaos.workers import DUTIES, ENGINES
from streams.errors import OrchError


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--questions", type=click.IntRange(1), default=300, help="Asked at least; more until the last fault.")
@click.option("--rate", type=click.FloatRange(0.1, 10_000), default=8.0, help="Questions a second.")
@click.option("--worker-kills", type=click.IntRange(0), default=10, help="Workers killed, with work in hand.")
@click.option("--broker-kills", type=click.IntRange(0), default=2, help="Kills of the broker.")
@click.option("--stops", type=click.IntRange(0), default=2, help="Workers stopped for longer than their session.")
@click.option("--seed", type=int, default=1, help="Fixes questions, faults and targets.")
@click.option("--workers", type=click.IntRange(1, len(DUTIES)), default=4, help="Worker processes.")
@click.option("--engine", type=click.Choice(ENGINES), default=ENGINES[0], help="As of `orch worker`.")
@click.option("--compaction/--no-compaction", default=True, help="Compact within a second; replace disks.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Also write each fault, as JSON.")
def main(report: Path | None, **plan: Any) -> None:
    """
    Kill workers and the broker of a log at work, and check that nothing is lost, doubled or different.

    Prints one JSON object. Exit code 0 if all is right, 4 if not, 3 if the trial could not begin.

    \b
    python -m infra.chaos
    python -m infra.chaos --worker-kills 500 --broker-kills 50 --stops 50 --report chaos.json
    """
    # librdkafka is a C library: if it crashes, faulthandler shows where.
    faulthandler.enable()
    # SIGTERM must run the clean-up, which ends every process of the trial.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        outcome = run(TrialSpec(**plan), lambda text: click.echo(text, err=True))
    except OrchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    found = outcome.as_json()
    if report is not None:
        each = {"each": [asdict(fault) for fault in outcome.faults], "exits": [one._asdict() for one in outcome.exits]}
        report.write_text(json.dumps({**found, **each}, indent=1) + "\n")
    click.echo(json.dumps(found))
    sys.exit(0 if outcome.right else EXIT_WRONG)


if __name__ == "__main__":
    main()
