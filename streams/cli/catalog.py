"""`orch topics` and `orch schemas`: the shape of the log, for whoever writes to it or reads it."""

from typing import Any

import click
import orjson

from schemas.registry import KINDS
from streams.cli import output
from streams.cli.asyncapi import asyncapi, schema_of
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.errors import UsageError
from streams.topology import TOPICS


@command(examples=("orch topics", "orch --format json topics"))
@pass_app
def topics(app: App) -> None:
    """
    List the topics of the log and what is in them.

    Events are counted where the log exists; each topic has the same name, key and number of partitions on every log.
    """
    counts: dict[str, int] = {}
    there = app.log_exists
    if there:
        with app.open_reader() as reader:
            for (name, _), end in reader.ends().items():
                counts[name] = counts.get(name, 0) + end
    if app.json:
        for topic in TOPICS.values():
            output.print_json(
                {
                    "topic": topic.name,
                    "key": topic.key,
                    "partitions": topic.partitions,
                    "cleanup": topic.cleanup,
                    "kinds": topic.kinds,
                    "writers": topic.writers,
                    "readers": topic.readers,
                    "events": counts.get(topic.name, 0) if there else None,
                }
            )
        return
    rows = [
        (
            topic.name,
            topic.key,
            str(topic.partitions),
            topic.cleanup,
            f"{counts.get(topic.name, 0):,}" if there else "-",
            ", ".join(topic.writers),
        )
        for topic in TOPICS.values()
    ]
    output.print_table(
        ("topic", "key", "partitions", "cleanup", "events", "written by"), rows, right=("partitions", "events")
    )
    if not there:
        output.say(f"{app.log_url} is not there yet.")


@command(
    examples=("orch schemas", "orch schemas question.asked.v1", "orch --format json schemas", "orch schemas --asyncapi")
)
@click.argument("kind", required=False)
@click.option("--asyncapi", "whole", is_flag=True, help="One AsyncAPI 3 document for all topics.")
@pass_app
def schemas(app: App, kind: str | None, whole: bool) -> None:
    """
    Print the JSON Schema of each kind of event.

    Without KIND the kinds are listed; with --format json every schema is printed, one a line. A kind that producers
    write may leave out what its schema does not require.
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
