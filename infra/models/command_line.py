"""Options and work of the commands that serve recorded models."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click

from infra.models.behaviour import Behaviour
from infra.models.faults import FAULTS, FaultPlan
from infra.models.library import Library
from streams.errors import OperatorError
from streams.extras import install_command

F = TypeVar("F", bound=Callable[..., Any])

EPILOG = "\b\nFaults:\n" + "\n".join(f"  {name:<15} {what}" for name, what in FAULTS.items())

_FILE = click.Path(dir_okay=False, path_type=Path)
_option = partial(click.option, show_default=True)

_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    _option("--questions", type=_FILE, required=True, multiple=True, help="JSON Lines, plain or gzip; repeatable."),
    _option("--outputs", type=_FILE, required=True, multiple=True, help="JSON Lines, plain or gzip; repeatable."),
    _option("--host", default="127.0.0.1", help="Address to listen on."),
    _option("--port", type=click.IntRange(0, 65_535), default=0, help="0 takes a free one."),
    _option("--latency-ms", type=click.FloatRange(0), default=0, help="Wait before each answer."),
    _option("--spread-ms", type=click.FloatRange(0), default=0, help="At most added to it, fixed for each request."),
    _option("--fault", metavar="CLASS=RATE", multiple=True, help="Share of requests with a fault; repeatable."),
    _option("--fault-model", metavar="MODEL", multiple=True, help="Only this model has faults; repeatable."),
    _option("--seed", type=int, default=0, help="Which requests get the faults."),
    _option("--retry-after-s", type=click.IntRange(0), default=1, help="Told with a rate-limit."),
    _option("--drip-s", type=click.FloatRange(0), default=5, help="Time a slow-drip takes."),
    _option("--key", help="What callers must send as Authorization: Bearer KEY."),
    _option("--model", metavar="MODEL", multiple=True, help="May be asked without recordings; repeatable."),
    _option("--model-suffix", default="", help="Added to the model's name in answers, such as -2024-08-06."),
    _option("--obey", is_flag=True, help="Say, after the output, each line of the data that reads like an order."),
    _option("--leashed", is_flag=True, help="Also end when standard input, a pipe, does."),
)


def with_options(function: F) -> F:
    """Give a command's function every option of the server."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def serve(options: Mapping[str, Any], started: Callable[[str], None]) -> None:
    """
    Serve recorded models until SIGTERM or SIGINT.

    Args:
        options: As `with_options` gives them.
        started: Called with the base URL once the server listens.

    Raises:
        UsageError: A file or a fault cannot be used.
        OperatorError: The address cannot be listened on, or the extra `models` is not installed.
    """
    behaviour = _behaviour(options)
    library = Library(options["questions"], options["outputs"], behaviour.models)
    asyncio.run(_serve(library, behaviour, options, started))


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


async def _serve(
    library: Library, behaviour: Behaviour, options: Mapping[str, Any], started: Callable[[str], None]
) -> None:
    try:
        from infra.models.app import ModelApp
        from infra.models.server import serving
    except ModuleNotFoundError as error:
        raise OperatorError(
            f"recorded models need {error.name}, which is not installed", remedy=install_command("models")
        ) from error
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options["leashed"]:
        loop.add_reader(sys.stdin, _stop_at_end, stop)
    async with serving(ModelApp(library, behaviour), options["host"], options["port"]) as url:
        started(url)
        sys.stdout.flush()
        await stop.wait()


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4_096):
        stop.set()
