"""`orch models`: recorded model outputs behind OpenAI's interface."""

from typing import Any

import click

from infra.models.command_line import EPILOG, serve, with_options
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app


@command(
    examples=(
        "orch models --questions questions.jsonl --outputs outputs.jsonl",
        "orch models --questions questions.jsonl --outputs outputs.jsonl --fault rate-limit=0.05 --seed 7",
        "orch --format json models --questions questions.jsonl --outputs outputs.jsonl --latency-ms 300",
    ),
    epilog=EPILOG,
)
@with_options
@pass_app
def models(app: App, /, **options: Any) -> None:
    """
    Serve recorded model outputs over HTTP until told to stop.

    It implements OpenAI's chat completions, so agents of kind openai and litellm can be tried without keys and money:
    its URL, printed first, is their base_url. A request is answered with the model's recorded output for the question
    that is found in its messages; GET /stats counts requests. Needs the extra models. Ctrl-C and SIGTERM end it.
    """

    def started(url: str) -> None:
        if app.json:
            output.print_json({"url": url})
        else:
            click.echo(url)

    serve(options, started)
