"""`orch worker`: stages of a Kafka log, until stopped."""

import os
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Literal

import click
import structlog
from structlog.typing import FilteringBoundLogger

from streams.app.require_kafka import connection_of
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.metrics_option import metrics_option
from streams.cli.traces_option import traces_option
from streams.errors import OrchError, UsageError
from streams.instruments.address import Address
from streams.processors import PROCESSORS

DEFAULT_STATE = ".orch-state"
STAGES = ("route", "merge", "learn", "rank", "tune", "agents", "deadlines", "all")
EXIT_BUG = 1

_log: FilteringBoundLogger = structlog.get_logger("orch.worker")


@command(
    examples=(
        "orch --log kafka://localhost:9092 worker all",
        "orch --log kafka://broker-1:9092,broker-2:9092 worker route merge learn rank tune --state /var/lib/orch",
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
    "--cache",
    type=click.IntRange(1, 1_000_000),
    metavar="MIB",
    help="Memory for loaded states, one bound for all partitions and stages of the process (default 256).",
)
@click.option(
    "--grace",
    type=click.FloatRange(0, 3600),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="Time that calls in flight get to end after a stop.",
)
@click.option(
    "--give-up",
    type=click.FloatRange(1, 86_400),
    default=600.0,
    show_default=True,
    metavar="SECONDS",
    help="Longest time without a broker that can be used; then the worker ends with exit code 3.",
)
@metrics_option
@traces_option
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
    cache: int | None,
    grace: float,
    give_up: float,
    metrics: Address | None,
    traces: str | None,
) -> int:
    """
    Run stages of a log on Kafka until told to stop.

    Stages: route (choose panels), agents (call them), merge (decide), learn and rank (from decisions and feedback to
    the router table), tune (from feedback to the weights of the merge rule odds), deadlines (end the wait for agents
    that hang), or all. Any number of processes may run the same stages; they share the partitions. Ctrl-C and SIGTERM
    stop it cleanly; after a crash, another process or a restart continues its work.

    Where stderr is no terminal, each line there is a JSON object. Once a minute it tells what was decided, failed and
    spent, and how far each stage is behind (worker_progress); an outage of all brokers is told with its reason when it
    begins and when it ends (broker_lost, broker_back), and so is a broker that refuses (broker_unusable). --metrics
    serves the same to Prometheus, and says on /readyz whether the worker owns its partitions and makes progress.
    --traces sends a span for each question, call and decision.
    """
    connection = connection_of(app, "worker")
    from streams.app.kafka_worker import STAGES as WORKING
    from streams.app.kafka_worker import WorkerSpec, run_until_told
    from streams.app.metrics import instruments
    from streams.app.traces import traces as sending
    from streams.app.worker_progress import LINE_S

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
        cache_mib=cache or app.config.run.state_cache_mib,
        calls_in_flight=calls or app.config.run.calls_in_flight,
        grace_s=grace,
        replies=app.config.run.replies,
        give_up_s=give_up,
        line_s=LINE_S,
    )
    app.if_interrupted("")

    told = _WorkerVoice(",".join(chosen), terminal=sys.stderr.isatty())
    names = ", ".join(chosen)
    try:
        with (
            instruments(
                metrics, "worker", chosen, lambda url, text: told.say("metrics_served", text, url=url, told=text)
            ) as shown,
            sending(
                traces, "worker", lambda url, text: told.say("traces_sent", text, url=url, told=text), shown
            ) as tracer,
        ):
            run_until_told(
                replace(given, instruments=shown, tracer=tracer),
                started=lambda: told.say(
                    "worker_started",
                    f"Working on {names} of {app.log_url}, process {os.getpid()}. Stop with Ctrl-C.",
                    log=app.log_url,
                    pid=os.getpid(),
                ),
                stopping=lambda: told.say(
                    "worker_stopping", "Stopping: calls in flight get time to end, and finished work is committed."
                ),
            )
    except OrchError as error:
        if told.terminal or error.exit_code == EXIT_BUG:
            raise
        _log.error("worker_failed", stage=told.stage, why=error.message, remedy=error.remedy, exc_info=app.verbose)
        return error.exit_code
    told.say("worker_stopped", "Stopped.")
    return 0


class _WorkerVoice:
    """Tells people what the worker does, and programs by log lines."""

    def __init__(self, stage: str, *, terminal: bool) -> None:
        self.stage = stage
        self.terminal = terminal

    def say(self, event: str, text: str, **values: object) -> None:
        """Write a text on a terminal, else a line with the event."""
        if self.terminal:
            output.say(text)
        else:
            _log.info(event, stage=self.stage, **values)


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
