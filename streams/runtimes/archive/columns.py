"""Typed columns of each topic, taken from its event models."""

import json
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin

from pydantic import BaseModel

from schemas.registry import KINDS_OF_TOPIC

RENAMED = {"partition": "source_partition", "offset": "source_offset"}
"""Fields of dead letters and checkpoints that name the place of another record, not of their own."""
_FIELDS = {column: field for field, column in RENAMED.items()}

Shape = str | list["Shape"] | dict[str, "Shape"] | tuple[str, "Shape"]
"""A DuckDB type: a scalar's name, a list of one shape, a struct by field, or `("MAP", shape of the values)`."""


class RecordColumn(NamedTuple):
    """A column that every topic's files have: its name, DuckDB type and meaning."""

    name: str
    type: str
    meaning: str


RECORD_COLUMNS = (
    RecordColumn("seq", "BIGINT", "place in the order of the whole archive, from 1 without gaps"),
    RecordColumn("partition", "INTEGER", "partition of the topic"),
    RecordColumn("offset", "BIGINT", "place in the partition"),
    RecordColumn("timestamp_ms", "BIGINT", "timestamp of the record, milliseconds since 1970-01-01 UTC; -1 for none"),
    RecordColumn("timestamp_type", "VARCHAR", "CreateTime (the producer's clock) or LogAppendTime (the log's)"),
    RecordColumn("key", "BLOB", "original bytes of the key; NULL for a record without one"),
    RecordColumn("value", "BLOB", "original bytes of the value; NULL for a tombstone"),
    RecordColumn("headers", "STRUCT(name VARCHAR, value BLOB)[]", "headers as the log holds them, in their order"),
    RecordColumn("correlation", "VARCHAR", "the question that the record is about, else its key or its place"),
    RecordColumn("form", "VARCHAR", "event, converted, invalid or misplaced: see the README of the room"),
)


@cache
def event_columns(topic: str) -> Mapping[str, Shape]:
    """Give name and shape of the typed columns of a topic: the fields of all its kinds, those of v1 first."""
    merged: dict[str, Shape] = {}
    for model in KINDS_OF_TOPIC[topic]:
        for name, field in model.model_fields.items():
            column = RENAMED.get(name, name)
            shape = _shape(field.annotation)
            merged[column] = _merged(merged[column], shape) if column in merged else shape
    return merged


def transform_spec(topic: str) -> str:
    """Write the structure that DuckDB's `json_transform` takes for the events of a topic."""
    return json.dumps({field_of(name): _spec(shape) for name, shape in event_columns(topic).items()})


def field_of(column: str) -> str:
    """Name the event's field that a typed column holds."""
    return _FIELDS.get(column, column)


def sql_type(shape: Shape) -> str:
    """Write a shape as DuckDB's SQL does."""
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return f"{sql_type(shape[0])}[]"
    if isinstance(shape, tuple):
        return f"MAP(VARCHAR, {sql_type(shape[1])})"
    return f"STRUCT({', '.join(f'{quoted(name)} {sql_type(inner)}' for name, inner in shape.items())})"


def extracted(topic: str, struct: str) -> Sequence[str]:
    """Write the expressions of the typed columns, from a column *struct* that `parsed` makes."""
    return [f"{struct}.{quoted(field_of(name))} AS {quoted(name)}" for name in event_columns(topic)]


def parsed(topic: str, source: str) -> str:
    """
    Write the expression that parses the bytes of an event into a struct, in one pass.

    Bytes that are no JSON object give NULL; a member of another type gives NULL in its column.
    """
    text = f"try(decode({source}))"
    return f"json_transform(CASE WHEN json_valid({text}) THEN {text} END, {literal(transform_spec(topic))})"


def quoted(name: str) -> str:
    """Quote an identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text."""
    return "'" + text.replace("'", "''") + "'"


def _spec(shape: Shape) -> Any:
    if isinstance(shape, str):
        return shape
    if isinstance(shape, list):
        return [_spec(shape[0])]
    if isinstance(shape, tuple):
        return sql_type(shape)
    return {name: _spec(inner) for name, inner in shape.items()}


def _shape(annotation: Any) -> Shape:
    """Give the shape of a field's type; JSON where it may be several things."""
    origin = get_origin(annotation)
    if origin is Literal:
        return _one([_SCALARS[type(value)] for value in get_args(annotation)])
    if origin in (Union, types.UnionType):
        return _one([_shape(part) for part in get_args(annotation) if part is not type(None)])
    if origin is tuple:
        inner = [part for part in get_args(annotation) if part is not Ellipsis]
        return [_one([_shape(part) for part in inner])]
    if origin is dict:
        return ("MAP", _shape(get_args(annotation)[1]))
    if origin is not None and hasattr(annotation, "__metadata__"):
        return _shape(get_args(annotation)[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: _shape(field.annotation) for name, field in annotation.model_fields.items()}
    return _SCALARS[annotation]


_SCALARS: Mapping[type, str] = {str: "VARCHAR", int: "BIGINT", bool: "BOOLEAN"}


def _one(shapes: Sequence[Shape]) -> Shape:
    """Give the shape that all of these are; JSON if they differ."""
    return shapes[0] if all(shape == shapes[0] for shape in shapes) else "JSON"


def _merged(one: Shape, other: Shape) -> Shape:
    """Give the shape that holds both: structs and lists of structs have the members of both."""
    if one == other:
        return one
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _both(one, other, name) for name in dict.fromkeys((*one, *other))}
    if isinstance(one, list) and isinstance(other, list):
        return [_merged(one[0], other[0])]
    return "JSON"


def _both(one: dict[str, Shape], other: dict[str, Shape], name: str) -> Shape:
    if name in one and name in other:
        return _merged(one[name], other[name])
    return one.get(name) or other[name]


def described(topic: str) -> Iterator[tuple[str, str]]:
    """Iterate name and SQL type of every column of a topic's files, in their order."""
    yield from ((column.name, column.type) for column in RECORD_COLUMNS)
    yield from ((name, sql_type(shape)) for name, shape in event_columns(topic).items())
