"""`orch backup`: a copy of a log file in use."""

from pathlib import Path

import click

from streams.app.backup import backup as back_up
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app


@command(examples=("orch backup orch-2026-05-01.db", "orch --format json backup copy.db"))
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@pass_app
def backup(app: App, file: Path) -> None:
    """
    Copy a log file while it is in use.

    The copy holds the log as of its last commit, with states and checkpoint, and is complete and on disk when it gets
    its name; nothing is overwritten. Whoever writes to the log does not wait. The copy is a log itself: `orch --log
    FILE replay` proves it, and after a loss the work goes on from it. Copying the file by other means loses what stands
    beside it in -wal. A log on Kafka has its replicas; `orch export` writes an archive of it.
    """
    done = back_up(app, file)
    if app.json:
        output.print_json({"file": str(file), "records": done.records, "bytes": done.size_bytes})
    else:
        output.print_text(f"{file}: {done.records:,} records, {done.size_bytes / 10**6:,.1f} MB.")
