"""`orch broker`: Apache Kafka on this machine, without docker."""

import shlex
from pathlib import Path
from typing import Any

import click

from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_ENVIRONMENT, App, pass_app
from streams.errors import UsageError

DEFAULT_FOLDER = ".kafka"


@command(
    examples=(
        "orch broker start",
        "orch broker status",
        "orch broker stop",
        "orch broker start /var/tmp/kafka --port 19092",
        "orch broker kill /var/tmp/kafka",
        "orch broker fetch",
    )
)
@click.argument("action", type=click.Choice(["start", "stop", "status", "kill", "fetch"]))
@click.argument(
    "folder",
    metavar="[DIR]",
    default=DEFAULT_FOLDER,
    required=False,
    type=click.Path(path_type=Path, file_okay=False),
)
@click.option(
    "--port", type=click.IntRange(1024, 65_535), metavar="N", help="For clients; else as before, 9092 or a free one."
)
@pass_app
def broker(app: App, action: str, folder: Path, port: int | None) -> int | None:
    """
    Run a Kafka broker on this machine, without docker.

    start runs one node in the background and prints its URL. stop shuts it down cleanly, kill ends it like a crash.
    status prints URL and process, with exit code 3 if no broker answers. fetch only downloads Kafka's jars, which start
    also does. DIR holds one broker's data, settings and log; the default is .kafka. The broker accepts connections from
    this machine only, without passwords, and needs Java 17 or newer, such as that of the extra broker.
    """
    if port is not None and action != "start":
        raise UsageError("--port is for a broker that is started", remedy="Give it with `orch broker start`")
    from infra.broker import jobs

    if action == "start":
        started = jobs.start(folder, port, output.say)
        _print(app, started.url, {"pid": started.pid})
        named = "" if folder == Path(DEFAULT_FOLDER) else f" {shlex.quote(str(folder))}"
        log = started.folder / "broker.log"
        output.say(f"Process {started.pid}, log in {log}. To stop it: orch broker stop{named}")
    elif action == "status":
        found, answers = jobs.status(folder, output.say)
        if found is not None:
            _print(app, found.url, {"pid": found.pid, "answers": answers})
        return 0 if answers else EXIT_ENVIRONMENT
    elif action == "stop":
        jobs.stop(folder, output.say)
    elif action == "kill":
        jobs.kill(folder)
    else:
        jars = jobs.fetch(output.say)
        if app.json:
            output.print_json({"jars": str(jars)})
        else:
            click.echo(jars)
    return None


def _print(app: App, url: str, facts: dict[str, Any]) -> None:
    if app.json:
        output.print_json({"url": url, **facts})
    else:
        click.echo(url)
