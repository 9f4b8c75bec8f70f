"""`python -m infra.broker`: start, stop, kill and look at a Kafka broker on this machine."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from infra.broker import jars
from infra.broker.folder import USUAL_PORT, Folder, is_free
from infra.broker.java import find_java
from infra.broker.node import Broker
from streams.errors import OrchError

EXIT_ENVIRONMENT = 3
"""Also of `status` where no broker answers: a command that needs one would end with it."""

EXIT_INTERRUPTED = 130

_FOLDER = click.argument("folder", metavar="[DIR]", default=".kafka", type=click.Path(path_type=Path, file_okay=False))


def _told(function: Callable[..., int]) -> Callable[..., None]:
    """Turn what a person can mend into a message and an exit code."""

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> None:
        try:
            code = function(*arguments, **named)
        except OrchError as error:
            click.echo(f"Error: {error.message}", err=True)
            if error.remedy:
                click.echo(error.remedy, err=True)
            code = error.exit_code
        except OSError as error:
            click.echo(f"Error: {error}", err=True)
            code = EXIT_ENVIRONMENT
        except KeyboardInterrupt:
            code = EXIT_INTERRUPTED
        sys.exit(code)

    return call


def _note(text: str) -> None:
    click.echo(text, err=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """
    Run Apache Kafka on this machine, without docker, for tests and trials.

    DIR holds one broker's data, settings and log; it is .kafka unless given. The broker takes connections from this
    machine only, without passwords. The exit code is 3 where something is missing on this machine.
    """


@main.command()
@_FOLDER
@click.option("--port", type=click.IntRange(1024, 65_535), help="For clients. [default: as before, else 9092 or free]")
@_told
def start(folder: Path, port: int | None) -> int:
    """
    Start a broker in the background and print its URL.

    \b
    python -m infra.broker start
    python -m infra.broker start /var/tmp/kafka --port 19092
    """
    if port is None and Folder(folder).ports is None and is_free(USUAL_PORT):
        port = USUAL_PORT
    find_java()
    jars.fetch(note=_note)
    broker = Broker(folder, port=port, outlives=True)
    broker.start()
    click.echo(broker.url)
    _note(
        f"Process {broker.pid}, log in {broker.folder / 'broker.log'}. To stop it: python -m infra.broker stop {folder}"
    )
    return 0


@main.command()
@_FOLDER
@_told
def stop(folder: Path) -> int:
    """Stop it in order. Its data stay."""
    broker = Broker(folder)
    if not broker.running:
        _note(f"No broker runs from {broker.folder}")
    elif not broker.stop():
        _note("It did not stop in time and was killed")
    return 0


@main.command()
@_FOLDER
@_told
def kill(folder: Path) -> int:
    """Kill it as a crash would. What it has acknowledged stays."""
    Broker(folder).kill()
    return 0


@main.command()
@_FOLDER
@_told
def status(folder: Path) -> int:
    """Print its URL and process; exit 3 if it does not answer."""
    broker = Broker(folder)
    if not broker.running:
        _note(f"No broker runs from {broker.folder}")
        return EXIT_ENVIRONMENT
    ready = broker.ready
    click.echo(broker.url)
    _note(f"Process {broker.pid} {'answers' if ready else 'does not answer'}")
    return 0 if ready else EXIT_ENVIRONMENT


@main.command()
@_told
def fetch() -> int:
    """Only get Kafka's jars, and print the folder they are in."""
    jars.fetch(note=_note)
    click.echo(jars.cache())
    return 0


if __name__ == "__main__":
    main(prog_name="python -m infra.broker")
