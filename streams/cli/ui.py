"""`orch ui`: pages over a log, until stopped."""

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.listening_options import listening_options
from streams.cli.serve import serve_log
from streams.cli.traces_option import traces_option
from streams.instruments.address import Address


@command(
    examples=(
        "orch ui",
        "orch --log kafka://localhost:9092 ui --port 8080",
        "orch --log parquet:archive ui",
        "orch ui --checkpoints checkpoints.jsonl",
    )
)
@listening_options("readers must give", "browsers")
@click.option(
    "--checkpoints",
    metavar="WHERE",
    help="Place to which `orch seal --anchor` copies checkpoints: for receipts while this server holds a file.",
)
@traces_option
@pass_app
def ui(
    app: App,
    host: str,
    port: int,
    token_file: str | None,
    names: tuple[str, ...],
    checkpoints: str | None,
    traces: str | None,
) -> int:
    """
    Serve pages over the log: decisions as they are made, why, what it costs.

    Open the address that it prints. Everything that `orch serve` answers is there too. Where the log can be written to,
    the pages ask questions and take feedback; an archive, a file that another process writes to, or a log without
    agents is read-only, and the pages say why. Without --host only this machine reaches it. Ctrl-C and SIGTERM stop it.
    """
    return serve_log(
        app, Address(host, port), token_file, names, None, traces, with_pages=True, checkpoints=checkpoints
    )
