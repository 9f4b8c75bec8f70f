"""The recorded-model server's HTTP interface in OpenAI's form."""

import json
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPMessage
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from infra.models import Behaviour, FaultPlan, ModelProcess
from infra.models.server import ModelServer

from ...unit.test_models_matching import block

CAPITAL = "Which city is the capital of Australia?"
QUESTIONS: list[dict[str, Any]] = [
    {"question_id": "capital", "text": CAPITAL, "options": ["Sydney", "Canberra", "Perth"], "answer_type": "choice"},
    {"question_id": "sum", "text": "What is 17 + 25?", "options": [], "answer_type": "number"},
]
TEXT = "Sydney is larger, but the seat of government is elsewhere. The answer is (B)."
OUTPUTS: list[dict[str, Any]] = [
    {"question_id": "capital", "model": "large", "text": TEXT, "answer": "B"},
    {"question_id": "capital", "model": "small", "text": "Zürich 😀? The answer is (A).", "answer": None},
    {"question_id": "sum", "model": "large", "text": "17 + 25 = 42\n#### 42", "answer": "42"},
]


def prompt(question: dict[str, Any], *more: str) -> str:
    """Lay a question out as the pipeline does."""
    options = "\n".join(
        f"{letter}: {option}" for letter, option in zip("ABCDEFGHIJ", question["options"], strict=False)
    )
    return "\n".join([block("question", question["text"]), *([block("options", options)] if options else []), *more])


class Answer(NamedTuple):
    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def choice(self) -> Any:
        """The one choice."""
        (choice,) = self.json["choices"]
        return choice

    @property
    def content(self) -> Any:
        """The words."""
        return self.choice["message"]["content"]

    @property
    def events(self) -> list[Any]:
        """The events of a stream before its end."""
        *events, done, rest = self.body.decode().split("\n\n")
        assert (done, rest) == ("data: [DONE]", "")
        return [json.loads(event.removeprefix("data: ")) for event in events]


def call(
    server: ModelServer | ModelProcess,
    method: str,
    path: str,
    body: object = None,
    key: str | None = None,
    timeout_s: float = 120,
) -> Answer:
    """Send one request on a connection of its own; a body that is not bytes is sent as JSON."""
    address = urlsplit(server.url)
    assert address.hostname is not None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    with closing(HTTPConnection(address.hostname, address.port, timeout=timeout_s)) as connection:
        connection.request(method, path, body if isinstance(body, bytes) else json.dumps(body), headers)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())


def ask(
    server: ModelServer | ModelProcess, model: str = "large", user: Any = None, key: str | None = None, **fields: Any
) -> Answer:
    """Ask a model; about the capital, unless *user* says otherwise."""
    user = prompt(QUESTIONS[0]) if user is None else user
    messages = [{"role": "system", "content": "Answer the question."}, {"role": "user", "content": user}]
    return call(server, "POST", "/v1/chat/completions", {"model": model, "messages": messages, **fields}, key)


@pytest.fixture(scope="module")
def server() -> Iterator[ModelServer]:
    """A server without faults."""
    with ModelServer(QUESTIONS, OUTPUTS, Behaviour(models=("judge",), model_suffix="-2024-08-06")) as running:
        yield running


def test_answer_has_openai_form(server: ModelServer) -> None:
    """A completion holds the recorded text and every field that clients read."""
    answer = ask(server)
    fields = answer.json
    assert answer.headers["Content-Type"].startswith("application/json")
    assert fields["id"].startswith("chatcmpl-")
    assert fields["object"] == "chat.completion"
    assert isinstance(fields["created"], int)
    assert fields["model"] == "large-2024-08-06"
    assert fields["system_fingerprint"].startswith("fp_")
    assert answer.choice == {
        "index": 0,
        "message": {"role": "assistant", "content": TEXT, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    asked = len("Answer the question.\n" + prompt(QUESTIONS[0]))
    counts = (-(-asked // 4), -(-len(TEXT) // 4))
    assert tuple(fields["usage"].values()) == (*counts, sum(counts))


def test_same_request_gets_same_bytes(server: ModelServer) -> None:
    """Nothing in an answer comes from chance or a clock; other requests have other ids."""
    assert ask(server).body == ask(server).body
    assert ask(server).json["id"] != ask(server, temperature=1).json["id"]


def test_stream_tells_the_same(server: ModelServer) -> None:
    """The pieces of a stream make the text; the last event says why it ended."""
    answer = ask(server, "small", stream=True)
    assert answer.headers["Content-Type"].startswith("text/event-stream")
    deltas = [event["choices"][0]["delta"] for event in answer.events]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content", "") for delta in deltas) == OUTPUTS[1]["text"]
    assert len(deltas) > 3
    assert [event["choices"][0]["finish_reason"] for event in answer.events][-2:] == [None, "stop"]
    assert {event["object"] for event in answer.events} == {"chat.completion.chunk"}
    assert "usage" not in answer.events[0]


def test_stream_may_end_with_usage(server: ModelServer) -> None:
    """On demand one more event, without a choice, counts the tokens."""
    *events, last = ask(server, stream=True, stream_options={"include_usage": True}).events
    assert last["choices"] == []
    assert last["usage"]["completion_tokens"] == -(-len(TEXT) // 4)
    assert {event["usage"] for event in events} == {None}


def test_content_may_come_in_parts(server: ModelServer) -> None:
    """Text parts are read as one text; pictures are passed over."""
    picture = {"type": "image_url", "image_url": {"url": "data:,"}}
    parts = [{"type": "text", "text": part} for part in (block("question", CAPITAL), "Sydney Canberra Perth")]
    assert ask(server, user=[parts[0], picture, parts[1]]).content == TEXT


@pytest.mark.parametrize(
    "response_format", [{"type": "json_schema", "json_schema": {"schema": {}}}, {"type": "json_object"}]
)
def test_structured_output_is_an_object(server: ModelServer, response_format: dict[str, Any]) -> None:
    """Where JSON is asked for, analyst, merger and dispatcher each give an object of their form."""
    analysis = block("analysis", "The answer is (C).", attributes=' id="A1"')
    contents = [
        json.loads(ask(server, model, user, response_format=response_format).content)
        for model, user in (
            ("large", prompt(QUESTIONS[0])),
            ("small", prompt(QUESTIONS[0])),
            ("judge", prompt(QUESTIONS[0], analysis)),
            ("judge", prompt(QUESTIONS[0], block("seats", "2"))),
        )
    ]
    assert contents[0] == {"analysis": TEXT, "answer": "B"}
    assert contents[1]["answer"] is None
    assert contents[2]["answer"] == "C"
    assert len(contents[3]["sub_questions"]) == 2


def test_models_are_listed(server: ModelServer) -> None:
    """Models with recordings and those that were named are there."""
    listed = call(server, "GET", "/v1/models").json
    assert [model["id"] for model in listed["data"]] == ["large", "small", "judge"]


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"model": "nobody"}, 404, "model_not_found"),
        ({"user": "What is 1 + 1?"}, 400, "question_not_found"),
        ({"model": "small", "user": "What is 17 + 25?"}, 404, "not_recorded"),
        ({"stream": "yes"}, 400, "invalid_request"),
        ({"stream_options": 1}, 400, "invalid_request"),
        ({"response_format": {"type": "xml"}}, 400, "invalid_request"),
        ({"response_format": {"type": []}}, 400, "invalid_request"),
        ({"model": None}, 400, "invalid_request"),
        ({"messages": []}, 400, "invalid_request"),
        ({"messages": [1]}, 400, "invalid_request"),
        ({"user": [{"type": "text", "text": 1}]}, 400, "invalid_request"),
    ],
)
def test_bad_request_is_refused(server: ModelServer, fields: dict[str, Any], status: int, code: str) -> None:
    """What cannot be answered gets an error in OpenAI's form, with a code for programs."""
    answer = ask(server, **fields)
    assert answer.status == status
    assert answer.json["error"].keys() == {"message", "type", "code", "param"}
    assert answer.json["error"]["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/chat/completions", b"{", 400),
        ("POST", "/v1/chat/completions", b"[" * 100_000, 400),
        ("POST", "/v1/chat/completions", b"[]", 400),
        ("GET", "/v1/chat/completions", b"", 405),
        ("GET", "/nowhere", b"", 404),
    ],
)
def test_any_error_has_openai_form(server: ModelServer, method: str, path: str, body: bytes, status: int) -> None:
    """Broken JSON, a wrong method and an unknown path are told in the same form."""
    answer = call(server, method, path, body)
    assert answer.status == status
    assert answer.json["error"]["message"]


def test_key_is_demanded() -> None:
    """With a key, only callers who send it are let in; the message does not tell what they sent."""
    with ModelServer(QUESTIONS, OUTPUTS, Behaviour(key="sk-right")) as server:
        assert ask(server, key="sk-right").status == 200
        for key in (None, "sk-wrong"):
            answer = ask(server, key=key)
            assert (answer.status, answer.json["error"]["code"]) == (401, "invalid_api_key")
            assert b"sk-" not in answer.body
        assert call(server, "GET", "/v1/models").status == 401


def test_stats_count_requests() -> None:
    """Requests are counted by model, role, fault and error, and sent tokens are summed up."""
    behaviour = Behaviour(faults=FaultPlan(sequences={"large": ["server-error"]}))
    with ModelServer(QUESTIONS, OUTPUTS, behaviour) as server:
        ask(server)
        sent = ask(server).json["usage"]["completion_tokens"]
        ask(server, "nobody")
        merged = ask(server, "small", prompt(QUESTIONS[0], block("analysis", "(A)"))).json["usage"]["completion_tokens"]
        stats = call(server, "GET", "/stats").json
    assert stats == server.stats()
    assert stats == {
        "requests": {
            "total": 4,
            "by_model": {"large": 2, "small": 1},
            "by_role": {"analyst": 2, "merger": 1},
            "by_fault": {"server-error": 1},
            "by_error": {"server_error": 1, "model_not_found": 1},
        },
        "in_flight": 0,
        "peak_in_flight": 1,
        "tokens_sent": sent + merged,
    }


def test_no_more_is_charged_than_the_caller_wanted(server: ModelServer) -> None:
    """A recorded answer may be longer than the limit of the request; its tokens are not."""
    answer = ask(server, "large", prompt(QUESTIONS[0]), max_tokens=2)
    assert answer.json["usage"]["completion_tokens"] == 2
