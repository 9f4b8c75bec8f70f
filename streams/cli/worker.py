"""`orch worker`: stages of a Kafka log, until stopped."""

import os
import re
from pathlib import Path
from typing import Literal

import click

from streams.app.require_kafka import connection_of
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError
from streams.processors import PROCESSORS

DEFAULT_STATE = ".orch-state"
STAGES = ("route", "merge", "learn", "rank", "agents", "deadlines", "all")


@command(
    examples=(
        "orch --log kafka://localhost:9092 worker all",
        "orch --log kafka://broker-1:9092,broker-2:9092 worker route merge learn rank --state /var/lib/orch",
        "orch --log kafka://localhost:9092 worker agents --outputs outputs.jsonl",
    )
)
@click.argument("stages", metavar="STAGE...", nargs=-1, required=True, type=click.Choice(STAGES))
@click.option(
    "--state",
    metavar="DIR",
    default=DEFAULT_STATE,
    show_default=True,
    help="Folder of the local state stores, so that a restart takes seconds; - keeps them in memory.",
)
@click.option("--outputs", metavar="FILE", multiple=True, help="Recorded outputs, for agents that play them back.")
@click.option(
    "--instance",
    metavar="NAME",
    help="Fixed name of this process (static membership): a restart under it causes no rebalance.",
)
@click.option(
    "--engine",
    type=click.Choice(["aiokafka", "faust"]),
    default="aiokafka",
    show_default=True,
    help="Engine that delivers records to the folding stages; the same in every worker of a log.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Rebuild the states from the topics if a changelog cannot; stop the stage's other workers first.",
)
@click.option(
    "--skip",
    metavar="TOPIC/PARTITION/OFFSET",
    multiple=True,
    help="Make a dead letter of a record that the error of a stage names, and go on behind it.",
)
@click.option("--calls", type=click.IntRange(1, 100_000), metavar="N", help="Limit of concurrent calls to agents.")
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time that calls in flight get to end after a stop.",
)
@pass_app
def worker(
    app: App,
    stages: tuple[str, ...],
    state: str,
    outputs: tuple[str, ...],
    instance: str | None,
    engine: Literal["aiokafka", "faust"],
    rebuild: bool,
    skip: tuple[str, ...],
    calls: int | None,
    grace: float,
) -> None:
    """
    Run stages of a log on Kafka until told to stop.

    Stages: route (choose panels), agents (call them), merge (decide), learn and rank (from decisions and feedback to
    the router table), deadlines (end the wait for agents that hang), or all. Any number of processes may run the same
    stages; they share the partitions. Ctrl-C and SIGTERM stop it cleanly; after a crash, another process or a restart
    continues its work.
    """
    connection = connection_of(app, "worker")
    from streams.app.kafka_worker import STAGES as WORKING
    from streams.app.kafka_worker import WorkerSpec, run_until_told

    chosen = WORKING if "all" in stages else tuple(dict.fromkeys(stages))
    files = outputs or app.config.run.outputs
    given = WorkerSpec(
        connection,
        chosen,
        outputs=tuple(files),
        state=None if state == "-" else Path(state),
        instance=instance,
        engine=engine,
        rebuild=rebuild,
        skipped=frozenset(map(place_of, skip)),
        calls_in_flight=calls or app.config.run.calls_in_flight,
        grace_s=grace,
        replies=app.config.run.replies,
    )
    app.if_interrupted("")

    run_until_told(
        given,
        started=lambda: output.say(
            f"Working on {', '.join(chosen)} of {app.log_url}, process {os.getpid()}. Stop with Ctrl-C."
        ),
        stopping=lambda: output.say("Stopping: calls in flight get time to end, and finished work is committed."),
    )
    output.say("Stopped.")


def place_of(text: str) -> tuple[str, int, int]:
    """
    Parse the place of a record.

    Raises:
        UsageError: It is no place in a topic that a stage folds.
    """
    match = re.fullmatch(r"(?P<topic>[a-z.-]+)/(?P<partition>\d{1,9})/(?P<offset>\d{1,18})", text)
    folded = [topic for processor in PROCESSORS for topic in processor.reads]
    if match is None or match["topic"] not in folded:
        raise UsageError(
            f"--skip {text}: no place of a record that a stage folds",
            remedy=f"Write TOPIC/PARTITION/OFFSET, as the error of the stage does; topics are {', '.join(folded)}",
        )
    return match["topic"], int(match["partition"]), int(match["offset"])
