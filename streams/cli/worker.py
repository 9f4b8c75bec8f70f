"""`orch worker`: stages of a Kafka log, until stopped."""

import os
from pathlib import Path
from typing import Literal

import click

from streams.app.require_kafka import connection_of
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app

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
    help="Folder of local copies of the states, so that a restart takes seconds; - for none.",
)
@click.option("--outputs", metavar="FILE", multiple=True, help="Recorded outputs, for agents that play them back.")
@click.option(
    "--instance",
    metavar="NAME",
    help="Fixed name of this process: when it comes back under it, nobody waits for a rebalance.",
)
@click.option(
    "--engine",
    type=click.Choice(["aiokafka", "faust"]),
    default="aiokafka",
    show_default=True,
    help="What brings records to the folding stages; the same in every worker of a log.",
)
@click.option(
    "--rebuild",
    is_flag=True,
    help="Derive the states again from the topics, where a changelog cannot tell them; what was decided stays.",
)
@click.option("--calls", type=click.IntRange(1, 100_000), metavar="N", help="Calls of agents under way at a time.")
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time for calls under way to end when it is told to stop.",
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
    calls: int | None,
    grace: float,
) -> None:
    """
    Run stages of a log on Kafka until told to stop.

    Stages: route (choose panels), agents (ask them), merge (decide), learn and rank (from decisions and feedback to the
    router table), deadlines (end the wait for agents that hang), or all. Any number of processes may run the same
    stages; they share the partitions. Ctrl-C and SIGTERM end it in order; killed, another or the same again goes on.
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
        stopping=lambda: output.say("Stopping: calls under way get their time, and what is done is committed."),
    )
    output.say("Stopped.")
