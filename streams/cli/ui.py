"""`orch ui`: pages over a log, until stopped."""

import click

from streams.cli.command import command
from streams.cli.context import App, pass_app
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
@click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65_535), default=8000, show_default=True, help="Port; 0 takes any free one."
)
@click.option(
    "--token-file",
    metavar="FILE",
    help="File with the token that readers must give; else ORCH_SERVE_TOKEN, else ORCH_SERVE_TOKEN_FILE. On an address"
    " that other machines reach there must be one.",
)
@click.option(
    "--name",
    "names",
    multiple=True,
    metavar="HOST",
    help="Name by which browsers call the server, besides localhost and IP addresses; such as that of a proxy.",
)
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
