"""JSON Schemas of events, against events and log."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from jsonschema import Draft7Validator, Draft202012Validator
from jsonschema.protocols import Validator

from schemas.canonical import canonical_json
from schemas.event import Event
from schemas.panels import PanelAssignedV2
from schemas.registry import INPUTS, KINDS, InvalidRecord, decode, kind_of
from streams.app.asyncapi import asyncapi
from streams.app.event_schemas import docstrings_of, schema_of

from ...conftest import ROOT
from ...v2_strategies import any_event

GOLDEN = sorted((ROOT / "tests" / "golden").glob("v*/log.jsonl"))
HASH = "0123456789abcdef" * 4
QUESTION: dict[str, Any] = {"question_id": "q", "text": "Which?", "options": ["a", "b"]}
FEEDBACK: dict[str, Any] = {"question_id": "q", "source": "gold", "answer": "A"}


@cache
def validators(kind: str) -> tuple[Validator, Validator]:
    """Give validators of a kind: of its own schema, and of its payload in the document, whose dialect is draft 7."""
    components = asyncapi()["components"]
    payload = components["messages"][kind]["payload"]
    return Draft202012Validator(schema_of(KINDS[kind])), Draft7Validator({**payload, "components": components})


def takes(kind: str, value: dict[str, Any]) -> bool:
    """Say whether both schemas of a kind take a value; they agree."""
    (one, other) = (validator.is_valid(value) for validator in validators(kind))
    assert one == other
    return one


def is_taken(kind: str, value: dict[str, Any]) -> bool:
    """Say whether the log takes a value as a record of the kind's topic."""
    try:
        return kind_of(type(decode(KINDS[kind].topic, canonical_json(value), 0))) == kind
    except InvalidRecord:
        return False


@pytest.mark.parametrize("kind", KINDS)
def test_schema_is_a_schema(kind: str) -> None:
    """The schemas themselves are valid in their dialects."""
    one, other = validators(kind)
    Draft202012Validator.check_schema(one.schema)
    Draft7Validator.check_schema(other.schema)


@given(any_event)
def test_every_event_keeps_its_schema(event: Event) -> None:
    """Whatever event this program can build is valid by its own schema."""
    written = json.loads(event.encode())
    for validator in validators(kind_of(type(event))):
        validator.validate(written)


@pytest.mark.parametrize("log", GOLDEN, ids=lambda path: path.parent.name)
def test_recorded_events_keep_their_schema(log: Path) -> None:
    """Events of recorded logs are valid by the schemas of today."""
    for line in log.read_bytes().splitlines():
        written = json.loads(line)
        for validator in validators(written["kind"]):
            validator.validate(written)


@pytest.mark.parametrize("answer_type", ["choice", "number", None])
@pytest.mark.parametrize("count", [None, 0, 1, 2, 26, 27])
def test_options_have_their_real_bounds(answer_type: str | None, count: int | None) -> None:
    """A choice has 2 to 26 options, a number none; the schema says so exactly where the log does."""
    question = {"question_id": "q", "text": "Which?"}
    if answer_type is not None:
        question |= {"answer_type": answer_type}
    if count is not None:
        question |= {"options": [f"option {number}" for number in range(count)]}
    right = not count if answer_type == "number" else count in (2, 26)
    assert takes("question.asked.v1", question) == is_taken("question.asked.v1", question) == right


@pytest.mark.parametrize(
    ("kind", "value", "right"),
    [
        ("question.asked.v1", QUESTION | {"subject": "law"}, True),
        ("question.asked.v1", QUESTION | {"subject": None}, True),
        ("question.asked.v1", QUESTION | {"subject": "*"}, False),
        ("question.asked.v1", QUESTION | {"subject": "**"}, True),
        ("question.asked.v1", QUESTION | {"subject": "a *"}, True),
        ("question.asked.v1", QUESTION | {"subject": "x"}, True),
        ("question.asked.v1", QUESTION | {"subject": " "}, False),
        ("question.asked.v1", QUESTION | {"subject": ""}, False),
        ("question.asked.v1", QUESTION | {"answer_type": "text"}, False),
        ("question.asked.v1", QUESTION | {"text": ""}, False),
        ("question.asked.v1", QUESTION | {"options": ["a", ""]}, False),
        ("question.asked.v1", QUESTION | {"options": ["a", None]}, False),
        ("question.asked.v1", QUESTION | {"gold": "A"}, False),
        ("question.asked.v1", QUESTION | {"question_id": " q"}, False),
        ("question.asked.v1", QUESTION | {"question_id": "q" * 201}, False),
        ("question.asked.v1", QUESTION | {"kind": "question.asked.v1", "causes": []}, True),
        ("question.asked.v1", QUESTION | {"kind": "question.asked.v2"}, False),
        ("question.asked.v1", QUESTION | {"occurred_at": "2026-01-01T00:00:00+01:00"}, True),
        ("question.asked.v1", QUESTION | {"occurred_at": None}, True),
        ("question.asked.v1", QUESTION | {"occurred_at": 253_402_300_799_999}, True),
        ("question.asked.v1", QUESTION | {"occurred_at": 253_402_300_800_000}, False),
        ("question.asked.v1", QUESTION | {"occurred_at": -62_135_596_800_000}, True),
        ("question.asked.v1", QUESTION | {"occurred_at": -62_135_596_800_001}, False),
        ("question.asked.v1", QUESTION | {"event_id": ""}, False),
        ("feedback.given.v1", FEEDBACK, True),
        ("feedback.given.v1", FEEDBACK | {"verdict": None}, True),
        ("feedback.given.v1", FEEDBACK | {"verdict": "right"}, False),
        ("feedback.given.v1", {"question_id": "q", "source": "human", "verdict": "right"}, True),
        ("feedback.given.v1", {"question_id": "q", "source": "human"}, False),
        ("feedback.given.v1", FEEDBACK | {"source": "me"}, False),
        ("feedback.retracted.v1", {"question_id": "q", "feedback_id": HASH}, False),
        ("feedback.retracted.v1", {"kind": "feedback.retracted.v1", "question_id": "q", "feedback_id": HASH}, True),
        ("deadline.passed.v1", {"question_id": "q"}, True),
        ("deadline.passed.v2", {"kind": "deadline.passed.v2", "question_id": "q", "causes": []}, False),
        ("deadline.passed.v2", {"kind": "deadline.passed.v2", "question_id": "q", "causes": [HASH]}, True),
        ("policy.adopted.v1", {"policy_id": "p", "agents": []}, False),
        ("policy.adopted.v1", {"policy_id": "p", "agents": [{"name": "a", "model": "m"}]}, False),
    ],
)
def test_producers_are_told_what_the_log_takes(kind: str, value: dict[str, Any], right: bool) -> None:
    """The schema of an input takes exactly what the log takes."""
    assert takes(kind, value) == is_taken(kind, value) == right


def test_producers_need_few_fields() -> None:
    """An input requires what its producer alone knows, and its kind where the topic would take it for another."""
    assert {kind_of(model): schema_of(model)["required"] for model in INPUTS} == {
        "question.asked.v1": ["question_id", "text"],
        "deadline.passed.v1": ["question_id"],
        "deadline.passed.v2": ["kind", "causes", "question_id"],
        "feedback.given.v1": ["question_id", "source"],
        "feedback.retracted.v1": ["kind", "question_id", "feedback_id"],
        "policy.adopted.v1": ["policy_id", "agents"],
        "policy.adopted.v2": ["kind", "policy_id", "agents", "rules"],
    }


@pytest.mark.parametrize("kind", [kind for kind, model in KINDS.items() if model not in INPUTS])
def test_consumers_may_count_on_every_field(kind: str) -> None:
    """A kind that only this program writes has all its fields, apart from those that are left out while unset."""
    schema = schema_of(KINDS[kind])
    assert set(schema["properties"]) - set(schema["required"]) == set(KINDS[kind].added_fields)


def test_fields_are_described_by_their_docstrings() -> None:
    """Of the class that declares them; a field that a subclass declares again has the subclass's docstring, or none."""

    class Below(PanelAssignedV2):
        causes: tuple[str, ...] = ()
        kind: str
        """
        Two lines,
        the second with its indent.
        """

    described = docstrings_of(Below)
    assert described["kind"] == "Two lines,\nthe second with its indent."
    assert described["event_id"].startswith("SHA-256 (64 hex digits)")
    assert "causes" not in described
    assert described.keys() <= Below.model_fields.keys()


def test_descriptions_reach_the_schema() -> None:
    """Beside a reference to another model, too."""
    question = schema_of(KINDS["question.asked.v1"])["properties"]
    assert question["event_id"]["description"] == docstrings_of(KINDS["question.asked.v1"])["event_id"]
    described = [field for model in KINDS.values() for field in schema_of(model)["properties"].values()]
    assert any("allOf" in field and "description" in field for field in described)
