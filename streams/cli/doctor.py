"""`orch doctor`: checks of machine, configuration and log."""

import click

from streams.app.doctor.checks import run_checks
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_ENVIRONMENT, App, pass_unchecked_app

_STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


@command(examples=("orch doctor", "orch --format json doctor --max-lag 1000", "orch doctor --call"))
@click.option("--call", is_flag=True, help="Make one small call to each live agent; this costs money.")
@click.option(
    "--max-lag", type=click.IntRange(0), metavar="N", help="Fail if a stage has more than N records still to fold."
)
@pass_unchecked_app
def doctor(app: App, call: bool, max_lag: int | None) -> int:
    """
    Check this machine, the configuration and the log.

    Prints one line for each check: ok, warn or fail, with a remedy. If a check fails, the exit code is 3. Nothing is
    changed. For each live agent it checks that the key is set and that the endpoint answers and has the model, and it
    estimates the cost of a question; no model is called unless --call is given. No key is ever shown.

    Of a log on Kafka it checks rights, clock, topics, replicas, the workers' versions and lags.
    """
    failed = False
    for check in run_checks(app, call=call, most_lag=max_lag):
        failed = failed or check.state == "fail"
        if app.json:
            output.print_json(check._asdict())
            continue
        remedy = f"\n{check.remedy}" if check.remedy else ""
        output.print_state(check.state, _STYLES[check.state], check.name, f"{check.finding}{remedy}")
    return EXIT_ENVIRONMENT if failed else 0
