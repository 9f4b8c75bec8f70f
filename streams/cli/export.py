"""`orch export`: the log as Parquet files, for an auditor."""

from pathlib import Path

import click

from streams.app import amounts
from streams.app.export import ExportResult
from streams.app.export import export as export_to
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal


@command(
    examples=(
        "orch export archive",
        "orch export archive && orch --log parquet:archive replay",
        "orch --format json export archive",
    )
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@pass_app
def export(app: App, folder: Path) -> None:
    """
    Export the log as Parquet files, for an auditor.

    The folder DIR becomes an archive: every record as the log holds it, with its place and with typed columns; the
    policies, the schemas, views in SQL, and a README for whoever reads it. Every command that only reads takes it as
    --log parquet:DIR, without a broker and without a network.

    A second export adds what is new. One that was killed goes on where it was; until it ends, the archive is that of
    the export before.
    """
    app.if_interrupted(f"`{app.orch} export {folder}` goes on from here.")
    done = export_to(app, folder, Terminal())
    if app.json:
        output.print_json(done.as_json())
        return
    _print(done)


def _print(done: ExportResult) -> None:
    went_on = f", {done.resumed:,} of them by an export that was ended" if done.resumed else ""
    output.print_pairs(
        [
            ("archive", f"{done.folder}: {done.files:,} files, {done.bytes / 2**20:,.1f} MiB"),
            ("records", f"{done.records:,}"),
            ("added", f"{done.added:,}{went_on}"),
            ("time", amounts.duration(done.seconds)),
        ]
    )
    if done.faults:
        output.say(
            f"{amounts.counted(done.faults, 'place')} of the log's file is not as its writer leaves it: `orch replay`"
        )
