"""OpenAPI document of the JSON routes."""

import re
from typing import Any

import orjson
from pydantic import BaseModel

from schemas.event import MAX_EVENT_BYTES
from streams.app.event_schemas import all_schemas
from streams.audit.explain.explanation import Explanation
from streams.instruments.trace_context import TRACE_HEADER
from streams.serve.asking import DEFAULT_WAIT_S, MOST_WAIT_S, FeedbackPosted, QuestionPosted, RetractionPosted
from streams.serve.problems import MEDIA_TYPE
from streams.serve.reading import DEFAULT_LIMIT, MOST_LIMIT
from streams.serve.shapes import shapes_of
from streams.version import installed_version

VERSION = "3.1.0"

_REFERENCE = "#/components/schemas/{model}"

_ABOUT = """\
Questions to a panel of language models, and their decisions. A question that is sent again with the same id gets the \
same decision, so a client that does not know whether its request arrived sends it again. Decisions and feedback are \
events in the bytes that the log holds: amounts are integers whose names end in their unit. Errors are problem details \
(RFC 9457) with a remedy."""

_PLACE = {
    "type": "string",
    "pattern": "^([0-9]{1,18}|[0-9]{1,9}@[0-9]{1,18}(,[0-9]{1,9}@[0-9]{1,18})*)$",
    "description": "A place in the log: a number on a file, PARTITION@OFFSET (several with commas) on Kafka.",
}

_PROBLEMS = {
    400: "The request is no JSON object.",
    401: "The token is missing or wrong.",
    403: "A page of another site sent the request.",
    404: "The log holds no such question, or no such feedback on it.",
    405: "The log is an archive, which takes no events.",
    408: "The request did not arrive in time.",
    409: "The id stands for another question.",
    413: f"The request is larger than {MAX_EVENT_BYTES:,} bytes.",
    415: "The request is not marked as JSON.",
    421: "The server is not called by this name.",
    422: "A value is wrong.",
    503: "The log cannot be used now, or too many clients wait.",
}
_ALWAYS, _READING, _WRITING = (401, 421, 503), (422,), (400, 403, 405, 408, 413, 415, 422)


def openapi(*, with_token: bool) -> dict[str, Any]:
    """
    Describe the routes for programs as an OpenAPI document.

    Args:
        with_token: Whether clients must send a token.
    """
    paths = {
        "/v1/questions": {"post": _ask()},
        "/v1/decisions": {"get": _decisions()},
        "/v1/decisions/{question_id}": {"get": _decision()},
        "/v1/explain/{question_id}": {"get": _explain()},
        "/v1/feedback": {"post": _feedback()},
        "/v1/events": {"get": _events()},
    }
    schemes = {"token": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": VERSION,
        "info": {"title": "ORCH", "version": installed_version() or "0", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {"schemas": _needed(paths), **({"securitySchemes": schemes} if with_token else {})},
        **({"security": [{"token": []}]} if with_token else {}),
    }


def _ask() -> dict[str, Any]:
    return _operation(
        "ask",
        "Put a question into the log, and wait for its decision.",
        {
            200: _json("The decision.", "Decision"),
            202: _json("The question is durable, and not decided yet; Location names its decision.", "QuestionOpen"),
        },
        (*_WRITING, 409),
        parameters=[_wait(DEFAULT_WAIT_S), _trace()],
        body="QuestionPosted",
    )


def _decision() -> dict[str, Any]:
    return _operation(
        "readDecision",
        "Read the decision of a question, or wait for it.",
        {200: _json("The decision.", "Decision"), 202: _json("It is not decided yet.", "QuestionOpen")},
        (*_READING, 404),
        parameters=[_question_id(), _wait(0)],
    )


def _decisions() -> dict[str, Any]:
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_LIMIT, "default": DEFAULT_LIMIT}
    return _operation(
        "listDecisions",
        "List decisions in log order; on Kafka in the order of each partition.",
        {200: _json("A page of decisions.", "DecisionPage")},
        _READING,
        parameters=[
            _status(),
            _query("subject", {"type": "string"}, "Only decisions on questions of this subject."),
            _query("after", _PLACE, "Begin after this place; without it at the beginning of the log."),
            _query("limit", limit, "Decisions on the page."),
        ],
    )


def _explain() -> dict[str, Any]:
    return _operation(
        "explain",
        "Show everything behind a decision, or what a question waits for.",
        {200: _json("The explanation.", "Explanation")},
        (404,),
        parameters=[_question_id()],
    )


def _feedback() -> dict[str, Any]:
    return _operation(
        "giveFeedback",
        "Say what the right answer is, or whether the decision was right; the router learns from it. Or take it back.",
        {201: _json("The event; of a retraction that is sent again, the first one.", "Feedback")},
        (*_WRITING, 404),
        body="FeedbackOrRetraction",
    )


def _events() -> dict[str, Any]:
    about = (
        "Server-sent events named `decision`: data is the decision, id the place after it. A comment comes every 15 s"
        " without one."
    )
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "schema": _PLACE,
        "description": "Go on after this place, which a browser sends by itself; goes before `after`.",
    }
    return _operation(
        "followDecisions",
        "Follow decisions as they are made.",
        {200: {"description": about, "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
        _READING,
        parameters=[_status(), _query("after", _PLACE, "Go on after this place; without it with the next one."), last],
    )


def _operation(
    name: str,
    summary: str,
    answers: dict[int, Any],
    problems: tuple[int, ...],
    *,
    parameters: list[dict[str, Any]] | None = None,
    body: str | None = None,
) -> dict[str, Any]:
    refused = {
        status: {"description": _PROBLEMS[status], "content": {MEDIA_TYPE: {"schema": _to("Problem")}}}
        for status in sorted({*problems, *_ALWAYS})
    }
    return {
        "operationId": name,
        "summary": summary,
        **({"parameters": parameters} if parameters else {}),
        **({"requestBody": {"required": True, "content": _content(body)}} if body else {}),
        "responses": {str(status): answer for status, answer in {**answers, **refused}.items()},
    }


def _to(model: str) -> dict[str, str]:
    return {"$ref": _REFERENCE.format(model=model)}


def _content(model: str) -> dict[str, Any]:
    return {"application/json": {"schema": _to(model)}}


def _json(description: str, model: str) -> dict[str, Any]:
    return {"description": description, "content": _content(model)}


def _query(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _status() -> dict[str, Any]:
    return _query("status", {"type": "string", "enum": ["decided", "undecided"]}, "Only decisions of this status.")


def _wait(default: float) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0, "maximum": int(MOST_WAIT_S), "default": int(default)}
    return _query("wait", schema, "Seconds to wait for the decision at most.")


def _trace() -> dict[str, Any]:
    about = "The caller's trace (W3C Trace Context), which the question belongs to; one of another form is ignored."
    return {"name": TRACE_HEADER, "in": "header", "schema": {"type": "string"}, "description": about}


def _question_id() -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": 200}
    return {"name": "question_id", "in": "path", "required": True, "schema": schema}


def _needed(paths: dict[str, Any]) -> dict[str, Any]:
    """Give the schemas that the routes name, and those that these name."""
    made = all_schemas(_REFERENCE)
    known = {**made, **shapes_of(Explanation, _REFERENCE), **_own(made)}
    found: dict[str, Any] = {}
    left = [paths]
    while left:
        for name in re.findall(r'"#/components/schemas/([^"]+)"', orjson.dumps(left.pop()).decode()):
            if name not in found:
                found[name] = known[name]
                left.append(known[name])
    return dict(sorted(found.items()))


def _own(made: dict[str, Any]) -> dict[str, Any]:
    """Make the schemas of what only the routes have."""
    text, place = {"type": "string"}, _PLACE
    placed = _object("A decision, and the place after it.", place=place, decision=_to("Decision"))
    shown = {"type": ["string", "null"], "description": "Path of the next page; null where the log ended."}
    many = {"type": "array", "items": _to("PlacedDecision")}
    return {
        "Decision": _one_of("Decision", "DecisionMadeV2", "DecisionMade"),
        "Feedback": _one_of("Feedback", "FeedbackAppended", "RetractionAppended"),
        "FeedbackAppended": _appended(made["FeedbackGiven"], "FeedbackAppended"),
        "RetractionAppended": _appended(made["FeedbackRetracted"], "RetractionAppended"),
        "PlacedDecision": placed,
        "DecisionPage": _object("Decisions from a place on.", decisions=many, place=place, next=shown),
        "QuestionPosted": _posted(made["QuestionAsked"], QuestionPosted),
        "FeedbackOrRetraction": _one_of("FeedbackOrRetraction", "FeedbackPosted", "RetractionPosted"),
        "FeedbackPosted": _posted(made["FeedbackGiven"], FeedbackPosted),
        "RetractionPosted": _posted(made["FeedbackRetracted"], RetractionPosted),
        "QuestionOpen": _object(
            "A question without a decision yet.", question_id=text, status={"const": "open"}, decision=text
        ),
        "Problem": {
            **_object(
                "What is wrong, and what to do about it (RFC 9457).",
                type=text,
                title=text,
                status={"type": "integer"},
                detail=text,
            ),
            "additionalProperties": True,
        },
    }


def _one_of(title: str, *models: str) -> dict[str, Any]:
    return {"title": title, "oneOf": [_to(model) for model in models]}


def _object(description: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _appended(event: dict[str, Any], title: str) -> dict[str, Any]:
    """Give the schema of an input as the log holds it, where nothing is missing that producers may leave out."""
    always = ("causes", "event_id", "kind", "occurred_at")
    return {**event, "title": title, "required": sorted({*event.get("required", ()), *always})}


def _posted(event: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """
    Narrow the schema of an event to what clients send of it.

    Generators of types take a field with a default for one that is always there, which is true of responses alone.
    """
    fields = {
        name: {key: value for key, value in field.items() if key != "default"}
        for name, field in event["properties"].items()
        if name in model.model_fields
    }
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    return {**event, "title": model.__name__, "properties": fields, "required": required}
