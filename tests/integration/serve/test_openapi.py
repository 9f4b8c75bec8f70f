"""OpenAPI document that is served, and requests made from it."""

import re
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode

from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.questions import QuestionAsked
from streams.serve.openapi import openapi

from ...limits import LIMIT_S
from .server_in_thread import ServerInThread

DOCUMENT = openapi(with_token=False)

OPERATIONS = [
    (method.upper(), path)
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
    # Streams do not end; they have tests of their own.
    if path != "/v1/events"
]

EXAMPLES = 8

ACCEPTED = {404, 409}
"""Of a valid request: an id that no question has, or another one; all else is refused wrongly."""


@pytest.fixture(scope="module")
def api(server: ServerInThread) -> Any:
    """Give the document of a server that holds a question, as a source of requests."""
    server.ask("q")
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_requests_from_the_document(api: Any, method: str, path: str, mode: GenerationMode) -> None:
    """Valid requests are answered as described, and broken ones refused; none fails by our fault."""
    seen: list[int] = []

    @settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(api[path][method].as_strategy(generation_mode=mode))
    def send(case: Any) -> None:
        reply = case.call(timeout=LIMIT_S)
        case.validate_response(reply)
        seen.append(reply.status_code)
        if mode is GenerationMode.POSITIVE:
            assert reply.status_code < 300 or reply.status_code in ACCEPTED, reply.text

    send()
    assert seen


def test_document_is_served(server: ServerInThread) -> None:
    """The document of the server is that of the program, in version 3.1."""
    assert server.get("/openapi.json").body == DOCUMENT
    assert DOCUMENT["openapi"] == "3.1.0"


def test_document_names_every_route(server: ServerInThread) -> None:
    """A route for programs that the document leaves out is one that nobody finds."""
    for method, path in [*OPERATIONS, ("GET", "/v1/events")]:
        given = path.replace("{question_id}", "q")
        reply = server.send("TRACE", given)
        assert (reply.status, method in reply.headers["allow"]) == (405, True)


def test_schemas_are_valid() -> None:
    """Each schema is one of JSON Schema 2020-12, and each reference leads to one."""
    schemas = DOCUMENT["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    named = set(re.findall(r'#/components/schemas/([^"\']+)', str(DOCUMENT)))
    assert named == set(schemas)


@pytest.mark.parametrize(
    ("posted", "event", "left_out"),
    [
        ("QuestionPosted", QuestionAsked, {"kind"}),
        ("FeedbackPosted", FeedbackGiven, set()),
        ("RetractionPosted", FeedbackRetracted, set()),
    ],
)
def test_posted_fields_are_those_of_the_event(posted: str, event: Any, left_out: set[str]) -> None:
    """Clients send what producers may, without what the log adds, under the same bounds."""
    fields = set(DOCUMENT["components"]["schemas"][posted]["properties"])
    assert fields == set(event.model_fields) - {"event_id", "causes", "occurred_at"} - left_out
