"""The options of commands that serve HTTP."""

from collections.abc import Callable
from typing import Any

import click


def listening_options(sender: str, caller: str) -> Callable[[Any], Any]:
    """
    Add `--host`, `--port`, `--token-file` and `--name`; the command takes *host*, *port*, *token_file* and *names*.

    Args:
        sender: Who must send the token, and how it says so.
        caller: Who calls the server by a name.
    """
    options = (
        click.option("--host", default="127.0.0.1", show_default=True, metavar="ADDRESS", help="Address to listen on."),
        click.option(
            "--port",
            type=click.IntRange(0, 65_535),
            default=8000,
            show_default=True,
            help="Port; 0 takes any free one.",
        ),
        click.option(
            "--token-file",
            metavar="FILE",
            help=f"File with the token that {sender}; else ORCH_SERVE_TOKEN, else ORCH_SERVE_TOKEN_FILE. On an address"
            " that other machines reach there must be one.",
        ),
        click.option(
            "--name",
            "names",
            multiple=True,
            metavar="HOST",
            help=f"Name by which {caller} call the server, besides localhost and IP addresses; such as that of a"
            " proxy.",
        ),
    )

    def add(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return add
