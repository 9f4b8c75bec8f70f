"""JSON Schemas of events, with the bounds that hold."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from schemas.decisions import DecisionMadeV2
from schemas.event import Event, Fact
from schemas.feedback import FeedbackGiven
from schemas.panels import PanelAssignedV2
from schemas.questions import QuestionAsked
from schemas.registry import EVENTS, INPUTS, KINDS_OF_TOPIC

DIALECT = "https://json-schema.org/draft/2020-12/schema"

EARLIEST_MS, LATEST_MS = -62_135_596_800_000, 253_402_300_799_999
"""Milliseconds from 1970-01-01 UTC to the beginning of year 1 and the end of year 9999: the times that events hold."""

_GIVEN_TIME = {
    "anyOf": [
        {"type": "string", "format": "date-time"},
        {"type": "integer", "minimum": EARLIEST_MS, "maximum": LATEST_MS},
        {"type": "null"},
    ],
    "description": "RFC 3339 with an offset, or milliseconds since 1970-01-01 UTC; by default the record's timestamp.",
}

_CONTROL = r"\x00-\x1f\x7f"
_SUBJECT = rf"^([^\s{_CONTROL}*]|[^\s{_CONTROL}][^{_CONTROL}]*[^\s{_CONTROL}])$"
"""A name other than `*`, the scope of all subjects."""


class _Form(NamedTuple):
    """One form of a kind: its fields that are narrower than the kind's, and those that it needs."""

    name: str
    changes: Mapping[str, Mapping[str, Any]]
    needed: Sequence[str]


_CHOICE_OR_NUMBER = (
    _Form("Choice", {"answer_type": {"const": "choice"}, "options": {"minItems": 2}}, ("options",)),
    _Form("Number", {"answer_type": {"const": "number"}, "options": {"maxItems": 0}}, ("answer_type",)),
)
_GIVEN, _NOT_GIVEN = {"type": "string"}, {"type": "null"}

_FORMS: Mapping[type[Event], Sequence[_Form]] = {
    QuestionAsked: _CHOICE_OR_NUMBER,
    PanelAssignedV2: _CHOICE_OR_NUMBER,
    DecisionMadeV2: (
        _Form("Decided", {"status": {"const": "decided"}, "answer": _GIVEN}, ("status", "answer")),
        _Form("Undecided", {"status": {"const": "undecided"}, "answer": _NOT_GIVEN}, ("status", "answer")),
    ),
    FeedbackGiven: (
        _Form("Answer", {"answer": _GIVEN, "verdict": _NOT_GIVEN}, ("answer",)),
        _Form("Verdict", {"answer": _NOT_GIVEN, "verdict": _GIVEN}, ("verdict",)),
    ),
}
"""Forms of a kind, which the model's validators tell apart in code: an event has exactly one of them."""

Mode = Literal["validation", "serialization"]


class _EventSchema(GenerateJsonSchema):
    """Schemas with the docstrings of fields, without their titles; in the log every field of an event is written."""

    def model_schema(self, schema: Any) -> dict[str, Any]:
        """Describe a model, and each field by its docstring."""
        made = super().model_schema(schema)
        for name, text in docstrings_of(schema["cls"]).items():
            made["properties"][name].setdefault("description", text)
        return made

    def field_is_required(self, field: Any, total: bool) -> bool:
        """Say whether a field is always there."""
        return self.mode == "serialization" or super().field_is_required(field, total)

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Leave out titles: each would become a type of its own in generated code."""
        return False


@cache
def docstrings_of(model: type[BaseModel]) -> Mapping[str, str]:
    """
    Read the docstrings of a model's fields, its own and inherited ones, from its source.

    pydantic does so too (`use_attribute_docstrings`), for every model at its import, which is a tenth of a command's
    start.
    """
    found: dict[str, str] = {}
    for base in reversed(model.__mro__[: model.__mro__.index(BaseModel)]):
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for field, following in pairwise([*body.body, ast.Pass()]):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                found.pop(field.target.id, None)
                text = following.value if isinstance(following, ast.Expr) else None
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[field.target.id] = inspect.cleandoc(text.value)
    return {name: text for name, text in found.items() if name in model.model_fields}


def mode_of(model: type[Event]) -> Mode:
    """Say whether a kind is described as producers may write it, or as the log holds it."""
    return "validation" if model in INPUTS else "serialization"


def schema_of(model: type[Event]) -> dict[str, Any]:
    """Give the JSON Schema of one kind: an input as producers may write it, any other kind as the log holds it."""
    schema = model.model_json_schema(schema_generator=_EventSchema, mode=mode_of(model))
    definitions = schema.pop("$defs", {})
    _settle({**definitions, model.__name__: schema})
    return {"$schema": DIALECT, **_exact(model, schema), **({"$defs": definitions} if definitions else {})}


def all_schemas(ref_template: str) -> dict[str, Any]:
    """
    Give the schemas of all kinds and of the values in them, by name.

    A value of which producers may leave out more than the log does has two: `...Input` and `...Output`.

    Args:
        ref_template: Form of a reference, with `{model}` for the name.
    """
    _, made = models_json_schema(
        [(model, mode_of(model)) for model in EVENTS], schema_generator=_EventSchema, ref_template=ref_template
    )
    schemas: dict[str, Any] = {}
    for name, schema in made["$defs"].items():
        schemas[name.replace("-", "")] = {**schema, "title": name.replace("-", "")}
    _settle(schemas)
    for model in EVENTS:
        schemas[model.__name__] = _exact(model, schemas[model.__name__])
    return schemas


def _settle(schemas: dict[str, Any]) -> None:
    """
    Rewrite what readers of JSON Schema disagree about.

    A `discriminator` is an object in OpenAPI, and in AsyncAPI a string that no kind of agent fits: it goes, and the
    field that it names is required. What stands beside a `$ref` counts only from draft 2019-09 on: the `$ref` moves
    into an `allOf`. And a field marked `ADDED` is not written while it is unset, so it is not required.
    """
    tags: dict[str, str] = {}
    for schema in schemas.values():
        _walk(schema, tags)
    for name, tag in tags.items():
        if tag not in schemas[name]["required"]:
            schemas[name]["required"].append(tag)
    added = {model.__name__: model.added_fields for model in _below(Fact)}
    for name, schema in schemas.items():
        # The same model has two names where producers may leave out more of it than the log does.
        missing = added.get(name) or added.get(name.removesuffix("Input").removesuffix("Output")) or ()
        if missing and "required" in schema:
            schema["required"] = [field for field in schema["required"] if field not in missing]


def _below(model: type[Fact]) -> Iterator[type[Fact]]:
    """Iterate all models that are derived from one."""
    for child in model.__subclasses__():
        yield child
        yield from _below(child)


def _walk(node: Any, tags: dict[str, str]) -> None:
    if isinstance(node, list):
        for item in node:
            _walk(item, tags)
    if not isinstance(node, dict):
        return
    told_by = node.get("discriminator")
    if isinstance(told_by, dict) and "mapping" in told_by:
        del node["discriminator"]
        tags.update({_name(reference): told_by["propertyName"] for reference in told_by["mapping"].values()})
    reference = node.get("$ref")
    if isinstance(reference, str):
        reference = node["$ref"] = reference.removesuffix(_name(reference)) + _name(reference).replace("-", "")
        if len(node) > 1:
            del node["$ref"]
            node["allOf"] = [{"$ref": reference}]
            return
    for value in node.values():
        _walk(value, tags)


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _exact(model: type[Event], schema: dict[str, Any]) -> dict[str, Any]:
    """Add to an event's schema what its model has in code, and what producers are free to leave out."""
    fields = {name: dict(field) for name, field in schema["properties"].items()}
    required = [name for name in schema.get("required", ()) if name not in model.added_fields]
    # The model's default stands for an id that is not computed yet.
    fields["event_id"].pop("default", None)
    if model in INPUTS:
        fields["occurred_at"] = _GIVEN_TIME
        required = [name for name in required if name != "occurred_at"]
        if model is not KINDS_OF_TOPIC[model.topic][0]:
            # A record without a kind is of the first one that its topic holds.
            required.append("kind")
    if model is QuestionAsked:
        text, none = fields["subject"]["anyOf"]
        fields["subject"]["anyOf"] = [{**text, "pattern": _SUBJECT}, none]
    forms = [
        {
            "title": f"{model.__name__}{form.name}",
            "type": "object",
            "properties": {name: _narrowed(fields[name], change) for name, change in form.changes.items()},
            "required": list(form.needed),
        }
        for form in _FORMS.get(model, ())
    ]
    for name in {name for form in _FORMS.get(model, ()) for name, change in form.changes.items() if "const" in change}:
        # Each form has its own value; generators of code make a second type of the same values otherwise.
        del fields[name]["enum"]
    return {
        **schema,
        "properties": fields,
        "required": [name for name in fields if name in required],
        **({"oneOf": forms} if forms else {}),
    }


def _narrowed(field: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """Narrow a field's schema to one form's: to one of its types, or by another bound."""
    for alternative in field.get("anyOf", ()):
        if alternative.get("type") == change.get("type"):
            return dict(alternative)
    return {name: value for name, value in field.items() if name not in ("default", "description", "enum")} | dict(
        change
    )
