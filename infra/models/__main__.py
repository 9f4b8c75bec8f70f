"""`python -m infra.models`: serve recorded outputs over HTTP, from the command line."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from infra.models.app import ModelApp
from infra.models.behaviour import Behaviour
from infra.models.faults import FAULTS, FaultPlan
from infra.models.library import Library
from infra.models.server import HOST, serving
from streams.errors import OrchError

_FILE = click.Path(dir_okay=False, path_type=Path)
_EPILOG = "\b\nFaults:\n" + "\n".join(f"  {name:<15} {what}" for name, what in FAULTS.items())


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True}, epilog=_EPILOG)
@click.option("--questions", type=_FILE, required=True, multiple=True, help="JSON Lines, plain or gzip; repeatable.")
@click.option("--outputs", type=_FILE, required=True, multiple=True, help="JSON Lines, plain or gzip; repeatable.")
@click.option("--host", default=HOST, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one.")
@click.option("--latency-ms", type=click.FloatRange(0), default=0, help="Wait before each answer.")
@click.option("--spread-ms", type=click.FloatRange(0), default=0, help="At most added to it, fixed for each request.")
@click.option("--fault", metavar="CLASS=RATE", multiple=True, help="Share of requests with a fault; repeatable.")
@click.option("--fault-model", metavar="MODEL", multiple=True, help="Only this model has faults; repeatable.")
@click.option("--seed", type=int, default=0, help="Which requests get the faults.")
@click.option("--retry-after-s", type=click.IntRange(0), default=1, help="Told with a rate-limit.")
@click.option("--drip-s", type=click.FloatRange(0), default=5, help="Time a slow-drip takes.")
@click.option("--key", help="What callers must send as Authorization: Bearer KEY.")
@click.option("--model", metavar="MODEL", multiple=True, help="May be asked without recordings; repeatable.")
@click.option("--model-suffix", default="", help="Added to the model's name in answers, such as -2024-08-06.")
@click.option("--obey", is_flag=True, help="Say, after the output, each line of the data that reads like an order.")
@click.option("--leashed", is_flag=True, help="Also end when standard input, a pipe, does.")
def main(host: str, port: int, leashed: bool, **options: Any) -> None:
    """
    Serve recorded model outputs through OpenAI's interface, until SIGTERM or Ctrl-C.

    Prints its URL. Each request is answered with what the model gave to the question found in its messages;
    GET /stats counts them. Exit code 2 if a file cannot be used, 3 if the address cannot.

    \b
    python -m infra.models --questions questions.jsonl.gz --outputs outputs.jsonl.gz
    python -m infra.models --questions q.jsonl --outputs o.jsonl --latency-ms 300 --fault rate-limit=0.05 --seed 7
    """
    try:
        behaviour = _behaviour(options)
        library = Library(options["questions"], options["outputs"], behaviour.models)
        asyncio.run(_serve(ModelApp(library, behaviour), host, port, leashed=leashed))
    except OrchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


def _behaviour(options: Mapping[str, Any]) -> Behaviour:
    faults = FaultPlan(
        dict(map(_rate, options["fault"])), frozenset(options["fault_model"]) or None, seed=options["seed"]
    )
    same = ("latency_ms", "spread_ms", "key", "model_suffix", "retry_after_s", "drip_s", "obey")
    return Behaviour(faults=faults, models=options["model"], **{name: options[name] for name in same})


def _rate(given: str) -> tuple[str, float]:
    fault, _, rate = given.partition("=")
    try:
        return fault, float(rate)
    except ValueError:
        raise click.BadParameter(f"{given!r} is not CLASS=RATE", param_hint="--fault") from None


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4_096):
        stop.set()


async def _serve(app: ModelApp, host: str, port: int, *, leashed: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if leashed:
        loop.add_reader(sys.stdin, _stop_at_end, stop)
    async with serving(app, host, port) as url:
        click.echo(url)
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    main(prog_name="python -m infra.models")
