"""Rules for every kind of event: encoding, ids, strictness, schema."""

import hashlib
import json
from copy import copy
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from schemas.event import Event, Fact, latest
from schemas.registry import EVENTS as MODELS
from schemas.registry import INPUTS, KINDS, KINDS_OF_TOPIC, decode, decode_canonical, kind_of
from schemas.router import router_key

from ..strategies import agent_names, instants, names
from ..v2_strategies import EVENTS, any_event
from ..worlds import policy

each_kind = pytest.mark.parametrize("kind", sorted(KINDS))
some_examples = settings(max_examples=40)


def body_of(event: Event) -> dict[str, Any]:
    """Give the fields of an event as JSON has them, without the id."""
    fields = json.loads(event.encode())
    del fields["event_id"]
    return fields


def numbers_in(schema: Any) -> list[Any]:
    """List the parts of a JSON schema that would allow a float."""
    if isinstance(schema, dict):
        here = [schema] if "number" in (schema.get("type"), *(schema.get("type") or ())) else []
        return here + [found for part in schema.values() for found in numbers_in(part)]
    return [found for part in schema for found in numbers_in(part)] if isinstance(schema, list) else []


def test_every_kind_has_a_strategy() -> None:
    """No kind is left out of the tests of this file."""
    assert EVENTS.keys() == KINDS.keys()


def test_kinds_are_unique() -> None:
    """No two models share a published name."""
    assert len(KINDS) == len(MODELS)


def test_every_kind_lies_in_one_topic() -> None:
    """The topics share out all kinds."""
    assert sorted(kind_of(model) for models in KINDS_OF_TOPIC.values() for model in models) == sorted(KINDS)


@each_kind
def test_schema_has_no_float(kind: str) -> None:
    """The JSON schema of a kind allows no number that is not an integer."""
    assert numbers_in(KINDS[kind].model_json_schema()) == []


def test_numbers_in_finds_a_float() -> None:
    """The check above can fail."""
    assert numbers_in({"properties": {"a": {"anyOf": [{"type": "null"}, {"type": "number"}]}}})


def models_in(annotation: Any) -> list[type[Fact]]:
    """List the models that an annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, Fact):
        return [annotation, *(m for field in annotation.model_fields.values() for m in models_in(field.annotation))]
    return [model for part in get_args(annotation) for model in models_in(part)]


@each_kind
def test_event_knows_whether_models_inside_it_have_added_fields(kind: str) -> None:
    """The encoder takes a faster way where none has."""
    inside = [model for field in KINDS[kind].model_fields.values() for model in models_in(field.annotation)]
    assert KINDS[kind].adds_inside == any(model.added_fields for model in inside)


@each_kind
@settings(max_examples=25)
@given(data=st.data())
def test_decode_undoes_encode(kind: str, data: st.DataObject) -> None:
    """An event that was written and read is the same event."""
    event = data.draw(EVENTS[kind])
    assert decode_canonical(event.topic, event.encode()) == event
    assert decode(event.topic, event.encode(), timestamp_ms=0) == event


@some_examples
@given(any_event)
def test_id_is_the_hash_of_the_other_fields(event: Event) -> None:
    """The id can be checked by hand, with the standard library alone."""
    text = json.dumps(body_of(event), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert event.event_id == hashlib.sha256(text.encode()).hexdigest()


@some_examples
@given(any_event)
def test_pretty_printed_record_is_the_same_event(event: Event) -> None:
    """Spelling of the JSON does not change an event that a stranger wrote."""
    spelled = json.dumps(json.loads(event.encode()), indent=1, ensure_ascii=True).encode()
    assert decode(event.topic, spelled, timestamp_ms=0) == event


@some_examples
@given(any_event, st.data())
def test_any_changed_field_changes_the_id(event: Event, data: st.DataObject) -> None:
    """Two events of a kind that differ in one field have different ids."""
    fields = type(event).model_fields
    other = data.draw(EVENTS[event.kind])
    name = data.draw(st.sampled_from([name for name in fields if name != "event_id"]))
    values = {field: getattr(event, field) for field in fields if field != "event_id"}
    changed = type(event).model_construct(**{**values, name: getattr(other, name)})
    assert (changed.event_id == event.event_id) == (getattr(changed, name) == getattr(event, name))


@some_examples
@given(any_event, st.data())
def test_given_id_of_other_content_is_refused(event: Event, data: st.DataObject) -> None:
    """An event whose id is not its own cannot be built."""
    digit = data.draw(st.integers(0, 63))
    wrong = event.event_id[:digit] + ("0" if event.event_id[digit] != "0" else "1") + event.event_id[digit + 1 :]
    with pytest.raises(ValidationError, match="is not the hash of the content"):
        type(event).model_validate_json(json.dumps(body_of(event) | {"event_id": wrong}))


@some_examples
@given(any_event)
def test_given_id_of_the_content_is_taken(event: Event) -> None:
    """An event that names its id is the event without it."""
    assert type(event).model_validate_json(json.dumps(body_of(event))) == event


@each_kind
@settings(max_examples=10)
@given(data=st.data())
def test_unknown_field_is_refused(kind: str, data: st.DataObject) -> None:
    """A misspelt or invented field is an error in every kind."""
    fields = body_of(data.draw(EVENTS[kind])) | {"colour": "red"}
    with pytest.raises(ValidationError, match="colour"):
        KINDS[kind].model_validate_json(json.dumps(fields))


@some_examples
@given(any_event)
def test_copy_is_written_like_the_event(event: Event) -> None:
    """A copy is the same event, and encodes to the same bytes."""
    assert (copy(event), copy(event).encode()) == (event, event.encode())


@some_examples
@given(any_event)
def test_events_are_frozen(event: Event) -> None:
    """No field of an event can be set."""
    with pytest.raises(ValidationError, match="frozen"):
        event.occurred_at = event.occurred_at  # type: ignore[misc]


@some_examples
@given(any_event)
def test_key_and_correlation_are_text(event: Event) -> None:
    """Every event says under which key it lies and what it is about."""
    assert isinstance(event.key, str)
    assert event.key
    assert event.correlation == getattr(event, "question_id", event.correlation)


def test_correlation_of_a_policy_is_its_key() -> None:
    """An event that is about no question is about its key."""
    assert policy("a", policy_id="cheap").correlation == "cheap"


@pytest.mark.parametrize("model", INPUTS, ids=kind_of)
def test_inputs_have_topics_that_start_with_an_input(model: type[Event]) -> None:
    """A producer that leaves out the kind means the first kind of the topic, which is an input."""
    assert KINDS_OF_TOPIC[model.topic][0] in INPUTS


@given(instants, instants)
def test_latest_is_the_later_of_two(first: str, second: str) -> None:
    """Comparing the text of instants compares time."""
    assert latest(first, second) == max(first, second)


def test_latest_of_one_is_itself() -> None:
    """An event with a single cause has that cause's time."""
    assert latest("2026-01-01T00:00:00.000Z") == "2026-01-01T00:00:00.000Z"


@given(names, agent_names, names, agent_names)
def test_router_keys_are_one_to_one(scope: str, agent: str, other_scope: str, other_agent: str) -> None:
    """No two lines of the router table share a key."""
    same = (scope, agent) == (other_scope, other_agent)
    assert (router_key(scope, agent) == router_key(other_scope, other_agent)) == same


def test_router_key_escapes_a_slash_in_the_scope() -> None:
    """A slash in the scope is not taken for the one before the agent."""
    assert router_key("a/b%", "c/d") == "a%2Fb%25/c/d"
    assert router_key("a", "b/c") != router_key("a/b", "c")
