"""`orch schemas`: JSON Schemas and AsyncAPI of the events."""

from typing import Any

import click
import orjson

from schemas.registry import KINDS
from streams.app.asyncapi import asyncapi
from streams.app.event_schemas import schema_of
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError


@command(
    examples=("orch schemas", "orch schemas question.asked.v1", "orch --format json schemas", "orch schemas --asyncapi")
)
@click.argument("kind", required=False)
@click.option("--asyncapi", "whole", is_flag=True, help="One AsyncAPI 3 document for all topics.")
@pass_app
def schemas(app: App, kind: str | None, whole: bool) -> None:
    """
    Print the JSON Schema of each kind of event.

    Without KIND the kinds are listed; with --format json every schema is printed, one a line. Producers may leave out
    fields that a schema does not require; of kinds that only orch writes, every field is there. --asyncapi describes
    topics, messages and operations for generators of clients and documentation.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}", remedy=f"There are {', '.join(KINDS)}")
    if kind is not None and whole:
        raise UsageError("--asyncapi describes all kinds", remedy="Leave out KIND")
    if whole:
        _print_document(app, asyncapi())
    elif kind is not None:
        _print_document(app, schema_of(KINDS[kind]))
    elif app.json:
        for name, model in KINDS.items():
            output.print_json({"kind": name, "topic": model.topic, "schema": schema_of(model)})
    else:
        rows = [(name, model.topic, (model.__doc__ or "").strip().splitlines()[0]) for name, model in KINDS.items()]
        output.print_table(("kind", "topic", "what it is"), rows)
        output.say("`orch schemas KIND` prints one schema.")


def _print_document(app: App, document: dict[str, Any]) -> None:
    """Print a document on one line for programs, and indented for people."""
    options = orjson.OPT_SORT_KEYS | (0 if app.json else orjson.OPT_INDENT_2)
    output.print_bytes(orjson.dumps(document, option=options))
