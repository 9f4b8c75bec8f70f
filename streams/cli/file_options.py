"""Options of commands that read question files."""

from typing import Any

import click

from streams.app.foreign_fields import FieldMap, parse_map
from streams.app.question_file import FIELDS


def _parsed(context: click.Context, option: click.Parameter, value: str | None) -> FieldMap | None:
    return None if value is None else parse_map(value, FIELDS)


def map_option(function: Any) -> Any:
    """Add `--map`, whose value the command takes as *names*."""
    return click.option(
        "--map",
        "names",
        metavar="NAME=FIELD,...",
        callback=_parsed,
        help="Names of fields in the file, such as id=question_id,question=text,choices=options,answer=gold. Fields"
        " that are neither ours nor named here are left out.",
    )(function)
