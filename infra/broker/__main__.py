"""`python -m infra.broker`: `orch broker` for a checkout."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from infra.broker import jobs
from streams.errors import OrchError

EXIT_ENVIRONMENT = 3
"""Also of `status` where no broker answers: a command that needs one would end with it."""

EXIT_INTERRUPTED = 130

_FOLDER = click.argument("folder", metavar="[DIR]", default=".kafka", type=click.Path(path_type=Path, file_okay=False))


def _told(function: Callable[..., int]) -> Callable[..., None]:
    """Turn an error that a person can mend into a message and an exit code."""

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
    broker = jobs.start(folder, port, _note)
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
    jobs.stop(folder, _note)
    return 0


@main.command()
@_FOLDER
@_told
def kill(folder: Path) -> int:
    """Kill it as a crash would. What it has acknowledged stays."""
    jobs.kill(folder)
    return 0


@main.command()
@_FOLDER
@_told
def status(folder: Path) -> int:
    """Print its URL and process; exit 3 if it does not answer."""
    broker, ready = jobs.status(folder, _note)
    if broker is not None:
        click.echo(broker.url)
    return 0 if ready else EXIT_ENVIRONMENT


@main.command()
@_told
def fetch() -> int:
    """Only get Kafka's jars, and print the folder they are in."""
    click.echo(jobs.fetch(_note))
    return 0


if __name__ == "__main__":
    main(prog_name="python -m infra.broker")
