"""JSON Schemas of events, and their AsyncAPI 3 document."""

from typing import Any

from pydantic.json_schema import models_json_schema

from schemas.event import Event
from schemas.registry import EVENTS, INPUTS, KINDS_OF_TOPIC, kind_of
from streams.topology import TOPICS

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_GIVEN_TIME = {
    "anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer"}],
    "description": "RFC 3339 with an offset, or milliseconds since 1970-01-01 UTC; by default the record's timestamp.",
}


def schema_of(model: type[Event]) -> dict[str, Any]:
    """Give the JSON Schema of one kind: an input as producers may write it, any other kind as the log holds it."""
    return {"$schema": DIALECT, **_relaxed(model, model.model_json_schema())}


def _relaxed(model: type[Event], schema: dict[str, Any]) -> dict[str, Any]:
    """Relax the schema of an input: a producer may leave out the event's time, or give it with any UTC offset."""
    if model not in INPUTS:
        return schema
    required = [name for name in schema.get("required", ()) if name != "occurred_at"]
    return {**schema, "required": required, "properties": {**schema["properties"], "occurred_at": _GIVEN_TIME}}


def asyncapi() -> dict[str, Any]:
    """
    Describe all topics and their events as an AsyncAPI 3 document.

    Operations are those of an external program: it may send inputs, and receive everything.
    """
    _, definitions = models_json_schema(
        [(model, "validation") for model in EVENTS], ref_template="#/components/schemas/{model}"
    )
    components: dict[str, Any] = definitions["$defs"]
    for model in EVENTS:
        components[model.__name__] = _relaxed(model, components[model.__name__])
    operations: dict[str, Any] = {}
    for name in TOPICS:
        channel = {"$ref": f"#/channels/{name}"}
        operations[f"receive {name}"] = {"action": "receive", "channel": channel}
        if any(model in INPUTS for model in KINDS_OF_TOPIC[name]):
            operations[f"send {name}"] = {"action": "send", "channel": channel}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "ORCH",
            "version": "1",
            "description": "Questions, decisions and all that leads from one to the other.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name) for name in TOPICS},
        "operations": operations,
        "components": {"messages": {kind_of(model): _message(model) for model in EVENTS}, "schemas": components},
    }


def _channel(name: str) -> dict[str, Any]:
    topic = TOPICS[name]
    return {
        "address": name,
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"} for kind in topic.kinds},
        "bindings": {
            "kafka": {
                "topic": name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": ["compact" if topic.cleanup == "compact" else "delete"]},
                "bindingVersion": "0.5.0",
            }
        },
    }


def _message(model: type[Event]) -> dict[str, Any]:
    topic = TOPICS[model.topic]
    return {
        "name": kind_of(model),
        "summary": (model.__doc__ or "").strip().splitlines()[0],
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
        "bindings": {"kafka": {"key": {"type": "string", "description": topic.key}, "bindingVersion": "0.5.0"}},
    }
