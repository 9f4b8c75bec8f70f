"""
Outcomes of provider responses, through both clients over HTTP.

Each takes one request.
"""

import asyncio
import gzip
import json
import socket
import zlib
from typing import Any

import pytest
from aiohttp import web

from streams.agents.agent import AgentError
from streams.agents.providers.completion import Completion
from streams.agents.providers.http_errors import MOST_BODY_BYTES, MOST_WAIT_MS

from .provider_endpoint import (
    BOTH_KINDS,
    KEY,
    REPLY,
    Kind,
    called,
    client_of,
    completed,
    failed,
    replying,
    request_of,
    saying,
)

pytestmark = BOTH_KINDS

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}


def class_of(error: AgentError) -> tuple[str, bool, bool]:
    """Give what decides what happens next."""
    return error.error, error.retriable, error.free


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, ("bad_request", False, True)),
        (401, ("unauthorized", False, True)),
        (402, ("no_credit", False, True)),
        (403, ("unauthorized", False, True)),
        (404, ("not_found", False, True)),
        (405, ("not_found", False, True)),
        (408, ("server_error", True, False)),
        (409, ("server_error", True, False)),
        (410, ("not_found", False, True)),
        (413, ("too_large", False, True)),
        (418, ("bad_request", False, True)),
        (422, ("bad_request", False, True)),
        (425, ("server_error", True, False)),
        (429, ("rate_limited", True, True)),
        (500, ("server_error", True, False)),
        (501, ("server_error", True, False)),
        (502, ("server_error", True, False)),
        (503, ("overloaded", True, False)),
        (504, ("server_error", True, False)),
        (529, ("overloaded", True, True)),
    ],
)
def test_a_status_becomes_its_error(kind: Kind, status: int, expected: tuple[str, bool, bool]) -> None:
    """Each status has its class, says whether to try again and whether it was free, and is one HTTP request."""
    body = {"error": {"message": f"Incorrect API key provided: {KEY}", "type": "x", "code": "y", "param": None}}
    error = failed(kind, replying(body, status))
    assert class_of(error) == expected
    assert error.retry_after_ms is None


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "", "type": "insufficient_quota", "code": None}}, "no_credit"),
        ({"error": {"message": "", "type": [], "code": "insufficient_quota"}}, "no_credit"),
        ({"error": {"message": "insufficient_quota", "type": "tokens", "code": "rate_limit_exceeded"}}, "rate_limited"),
        ({"error": "insufficient_quota"}, "rate_limited"),
        (["error"], "rate_limited"),
        pytest.param(b"[" * 100_000, "rate_limited", id="nested"),
        pytest.param(b"\xff", "rate_limited", id="no-text"),
    ],
)
def test_an_empty_account_is_no_limit_of_pace(kind: Kind, body: Any, expected: str) -> None:
    """Both have one status; the code in the body tells them apart, and nothing else that the body says."""
    error = failed(kind, replying(body, 429))
    assert class_of(error) == (expected, expected == "rate_limited", True)


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({"Retry-After": "7"}, 7_000),
        ({"Retry-After": "0.25"}, 250),
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1_500),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT", "Date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30_000),
        ({"Retry-After": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0),
        ({"Retry-After": "1e99"}, MOST_WAIT_MS),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon"}, None),
    ],
)
def test_a_provider_says_how_long_to_wait(kind: Kind, headers: dict[str, str], wait_ms: int | None) -> None:
    """Seconds, fractions, milliseconds and dates are understood, within an hour; nonsense is as if it said nothing."""
    assert failed(kind, replying({}, 429, headers)).retry_after_ms == wait_ms


def test_no_wait_is_read_where_trying_again_is_no_use(kind: Kind) -> None:
    """An error that stays has no time after which it would be gone."""
    assert failed(kind, replying({}, 403, {"Retry-After": "7"})).retry_after_ms is None


def test_a_redirection_is_not_followed(kind: Kind) -> None:
    """The key goes to no address but the policy's."""

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.json_response({}, status=307, headers={"Location": str(request.url.with_path("/elsewhere"))})

    assert class_of(failed(kind, elsewhere)) == ("not_found", False, True)


def test_a_completion_is_read(kind: Kind) -> None:
    """Words, model, fingerprint, reason and usage are taken from the reply."""
    assert completed(kind, replying()) == Completion(
        text="(B)",
        reported_model="m-2024",
        fingerprint="fp_1",
        finish_reason="stop",
        input_tokens=7,
        output_tokens=3,
    )


def test_all_of_a_request_is_sent(kind: Kind) -> None:
    """Model, messages and parameters arrive as OpenAI's interface has them, with the key and without streaming."""
    _, endpoint = called(kind, replying(), temperature_ppb=700_000_000, schema=SCHEMA)
    (body,), (asked,) = endpoint.bodies, endpoint.asked
    assert body.pop("stream", False) is False
    form = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Decide."}, {"role": "user", "content": "A or B?"}],
        "max_tokens": 50,
        "temperature": 0.7,
        "seed": 3,
        "response_format": form,
    }
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    assert asked.headers["Authorization"] == f"Bearer {KEY}"


def test_what_is_none_is_not_sent(kind: Kind) -> None:
    """Models that take no temperature and no seed are sent none."""
    _, endpoint = called(kind, replying(), temperature_ppb=None, seed=None)
    assert endpoint.bodies[0].keys() - {"stream"} == {"model", "messages", "max_tokens"}


def refused(kind: Kind, url: str) -> AgentError:
    """Make a call that reaches nobody."""

    async def call() -> AgentError:
        client = client_of(kind, url)
        with pytest.raises(AgentError) as caught:
            await client.send(request_of(kind, None))
        await client.close()
        return caught.value

    return asyncio.run(call())


def test_a_port_without_a_server_is_no_connection(kind: Kind) -> None:
    """A refused connection may be tried again and cost nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert class_of(refused(kind, f"http://127.0.0.1:{port}/v1")) == ("connection", True, True)


@pytest.mark.parametrize("host", ["127.0.0.1:0", "127.0.0.1:99999"])
def test_a_port_that_is_none_is_not_asked_again(kind: Kind, host: str) -> None:
    """An address that cannot be is an error that stays, and costs nothing."""
    assert class_of(refused(kind, f"http://{host}/v1")) == ("not_found", False, True)


@pytest.mark.parametrize("part", [b"", b'{"choices": [{"mess'], ids=["before", "within"])
def test_a_cut_connection_may_have_cost_something(kind: Kind, part: bytes) -> None:
    """A connection that ends before or within the answer is not asked again by itself, and not free."""

    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000", "Content-Type": "application/json"})
        if part:
            await response.prepare(request)
            await response.write(part)
        assert request.transport is not None
        request.transport.abort()
        return response

    assert class_of(failed(kind, cut)) == ("connection", True, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b'{"choices": [{"mess',
        b"\xff\xfe",
        b"[" * 100_000,
        b"[]",
        b"null",
        b'"(B)"',
        b'{"choices": []}',
        b'{"choices": {}}',
        b'{"choices": [1]}',
        b'{"choices": [{"message": null, "finish_reason": "stop"}]}',
    ],
    ids=["nothing", "half", "bytes", "deep", "list", "null", "text", "none", "table", "one", "silent"],
)
def test_what_is_no_completion_is_malformed(kind: Kind, body: bytes) -> None:
    """Whatever else comes with status 200 is an error that may go away, over one request."""
    assert class_of(failed(kind, replying(body))) == ("malformed", True, False)


def test_a_tool_call_in_place_of_words_is_an_error(kind: Kind) -> None:
    """It says so, and what it cost in tokens."""
    tool = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    error = failed(kind, replying(saying({"content": None, "tool_calls": [tool]})))
    assert class_of(error) == ("tool_call", True, False)
    assert error.spent is not None
    assert error.spent.provider is not None
    assert (error.spent.input_tokens, error.spent.output_tokens) == (7, 3)
    assert error.spent.provider.reported_model == "m-2024"


@pytest.mark.parametrize("content", [None, ""])
def test_no_words_are_an_empty_text(kind: Kind, content: str | None) -> None:
    """A reply without words is a completion; whoever reads it decides what that means."""
    assert completed(kind, replying(saying({"content": content}))).text == ""


def test_a_refusal_is_the_text(kind: Kind) -> None:
    """A model that declines in the field for it has said that."""
    assert completed(kind, replying(saying({"content": None, "refusal": "I cannot."}))).text == "I cannot."


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        {"prompt_tokens": -1, "completion_tokens": -1, "total_tokens": -2},
    ],
    ids=["none", "empty", "zero", "negative"],
)
def test_usage_that_says_nothing_is_not_known(kind: Kind, usage: dict[str, Any] | None) -> None:
    """Counts that are missing, or cannot be, are unknown; they are not zero."""
    reply = {name: value for name, value in {**REPLY, "usage": usage}.items() if value is not None}
    completion = completed(kind, replying(reply))
    assert (completion.input_tokens, completion.output_tokens) == (None, None)


@pytest.mark.parametrize("count", ["7", 7.5, True, [7], 2**80], ids=["text", "float", "bool", "list", "huge"])
def test_usage_of_another_kind_crashes_nothing(kind: Kind, count: Any) -> None:
    """Counts that are no counts make them unknown, or the reply malformed, and nothing worse."""
    usage = {"prompt_tokens": count, "completion_tokens": count, "total_tokens": count}
    outcome, endpoint = called(kind, replying({**REPLY, "usage": usage}))
    assert len(endpoint.asked) == 1
    if isinstance(outcome, Completion):
        # litellm takes true for 1.
        assert outcome.input_tokens in (None, 1, 7)
    else:
        assert class_of(outcome) == ("malformed", True, False)


def test_long_headers_are_read(kind: Kind) -> None:
    """A policy or cookies of some ten thousand characters are no reason to lose an answer."""
    assert completed(kind, replying(headers={"Content-Security-Policy": "x" * 30_000})).text == "(B)"


def test_a_header_may_hold_any_letters(kind: Kind) -> None:
    """A header that is no ASCII takes nothing from the answer."""
    assert completed(kind, replying(headers={"X-Region": "Orléans"})).text == "(B)"


def test_a_huge_body_is_not_read_to_its_end(kind: Kind) -> None:
    """Reading stops at the limit, whether the length was announced or not."""

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 100_000)

    assert class_of(failed(kind, endless)) == ("too_long", False, False)


def test_a_compressed_body_is_read(kind: Kind) -> None:
    """A server that compresses though nobody asked is understood."""
    body = gzip.compress(json.dumps(REPLY).encode())
    assert completed(kind, replying(body, headers={"Content-Encoding": "gzip"})).text == "(B)"


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_bomb_does_not_go_off(kind: Kind, encoding: str) -> None:
    """A small body that would become a huge one is not unpacked beyond the limit."""
    plain = b" " * (MOST_BODY_BYTES * 4)
    body = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    assert class_of(failed(kind, replying(body, headers={"Content-Encoding": encoding}))) == ("too_long", False, False)


@pytest.mark.parametrize(
    ("body", "encoding"),
    [(b"no gzip", "gzip"), (gzip.compress(b"{}", mtime=0)[:-9], "gzip"), (b"{}", "br")],
    ids=["not", "half", "unknown"],
)
def test_a_body_that_cannot_be_unpacked_is_malformed(kind: Kind, body: bytes, encoding: str) -> None:
    """Broken or unasked-for compression is like any other nonsense."""
    assert class_of(failed(kind, replying(body, headers={"Content-Encoding": encoding}))) == ("malformed", True, False)
