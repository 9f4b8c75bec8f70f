"""`python -m infra.models`: `orch models` for a checkout."""

import sys
from typing import Any

import click

from infra.models.command_line import EPILOG, serve, with_options
from streams.errors import OrchError


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=EPILOG)
@with_options
def main(**options: Any) -> None:
    """
    Serve recorded model outputs through OpenAI's interface, until SIGTERM or Ctrl-C.

    Prints its URL. Each request is answered with what the model gave to the question found in its messages;
    GET /stats counts them. Exit code 2 if a file cannot be used, 3 if the address cannot.

    \b
    python -m infra.models --questions questions.jsonl.gz --outputs outputs.jsonl.gz
    python -m infra.models --questions q.jsonl --outputs o.jsonl --latency-ms 300 --fault rate-limit=0.05 --seed 7
    """
    try:
        serve(options, click.echo)
    except OrchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main(prog_name="python -m infra.models")
