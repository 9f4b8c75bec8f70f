"""
Failures that a provider reports with status 200.

Through both clients, each is the class of its code, over one request.
"""

import json
from typing import Any

import pytest

from schemas.agents import Price
from streams.agents.agent import AgentError
from streams.agents.calls.pricing import cost_of_reply
from streams.agents.providers.completion import Completion

from .provider_endpoint import BOTH_KINDS, KEY, REPLY, Kind, called, completed, failed, replying, saying

pytestmark = BOTH_KINDS

PRICE = Price(input_nusd_per_ktoken=1_000_000, output_nusd_per_ktoken=2_000_000)
REFUSED = {"unauthorized", "no_credit", "bad_request", "not_found", "too_large", "rate_limited"}


def cost_of(error: AgentError) -> int | None:
    """Price a failed call as an attempt of an event does."""
    return cost_of_reply(PRICE, error.spent, free=error.free)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"code": 400}, "bad_request"),
        ({"code": 401}, "unauthorized"),
        ({"code": "402"}, "no_credit"),
        ({"code": 403}, "unauthorized"),
        ({"code": 408}, "server_error"),
        ({"code": 429}, "rate_limited"),
        ({"code": 502}, "server_error"),
        ({"code": 503}, "overloaded"),
        ({"code": 504}, "server_error"),
        ({"code": 429, "type": "insufficient_quota"}, "no_credit"),
        ({"code": 429, "message": "insufficient_quota"}, "rate_limited"),
        ({"code": "insufficient_quota"}, "no_credit"),
        ({"code": "rate_limit_exceeded"}, "rate_limited"),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, "unauthorized"),
        ({"code": "DeploymentNotFound"}, "not_found"),
        ({"code": None, "type": "invalid_request_error"}, "bad_request"),
        ({"type": "overloaded_error"}, "overloaded"),
        ({"code": "x", "status": "RESOURCE_EXHAUSTED"}, "rate_limited"),
        ({"status": 401}, "unauthorized"),
        ({"code": 1113}, "server_error"),
        ({"code": True}, "server_error"),
        ({"code": [429]}, "server_error"),
        ({"code": "you are out of credits: 402"}, "server_error"),
        ({"metadata": {"raw": "429"}}, "server_error"),
        ("insufficient_quota", "server_error"),
        (402, "server_error"),
    ],
    ids=str,
)
@pytest.mark.parametrize("more", [{}, {"choices": []}, {"choices": None}], ids=["alone", "empty", "null"])
def test_an_error_is_the_class_of_its_code(kind: Kind, error: Any, expected: str, more: dict[str, Any]) -> None:
    """By number or machine word, never by its words; a call that was refused cost nothing, others are not known."""
    body = {"error": {"message": f"no: {KEY}", **error} if isinstance(error, dict) else error, **more}
    failure = failed(kind, replying(body))
    assert failure.error == expected
    assert failure.retriable is (expected in ("rate_limited", "server_error", "overloaded"))
    if expected in REFUSED:
        assert cost_of(failure) == 0
    elif expected == "server_error":
        assert cost_of(failure) is None
    assert KEY not in repr(vars(failure))


@pytest.mark.parametrize(
    "body",
    [
        [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}],
        {"object": "error", "code": 429, "message": "slow down"},
        {"type": "error", "error": {"type": "rate_limit_error"}},
        {"choices": [{"error": {"code": 429}, "message": {"content": None}, "finish_reason": "stop"}]},
    ],
    ids=["google", "vllm", "anthropic", "choice"],
)
def test_an_error_is_found_wherever_it_stands(kind: Kind, body: Any) -> None:
    """In a list, as the whole body, or in the choice, whatever its finish reason."""
    failure = failed(kind, replying(body))
    assert (failure.error, cost_of(failure)) == ("rate_limited", 0)


@pytest.mark.parametrize(
    ("headers", "metadata", "wait_ms"),
    [
        ({"Retry-After": "2"}, {}, 2_000),
        ({}, {"headers": {"Retry-After": 3}}, 3_000),
        ({"Retry-After": "2"}, {"headers": {"retry-after": "9"}}, 2_000),
        ({}, {"headers": ["Retry-After"]}, None),
    ],
)
def test_the_wait_is_obeyed(kind: Kind, headers: dict[str, str], metadata: dict[str, Any], wait_ms: int | None) -> None:
    """Of the response's own headers, else of those that a gateway quotes; not where trying again is no use."""
    body = {"error": {"code": 429, "metadata": metadata}}
    assert failed(kind, replying(body, headers=headers)).retry_after_ms == wait_ms
    body["error"]["code"] = 402
    assert failed(kind, replying(body, headers=headers)).retry_after_ms is None


@pytest.mark.parametrize("error", [None, {}, "", False, {"code": None, "message": ""}, {"code": 0, "message": ""}])
def test_an_empty_error_is_none(kind: Kind, error: Any) -> None:
    """Some providers add one to every completion."""
    assert completed(kind, replying({**REPLY, "error": error})).text == "(B)"


@pytest.mark.parametrize(
    ("reason", "error", "expected"),
    [
        ("error", {"code": 502, "message": "upstream closed"}, "server_error"),
        ("error", None, "server_error"),
        ("ERROR", None, "server_error"),
        ("abort", None, "server_error"),
        ("insufficient_system_resource", None, "overloaded"),
        ("stop", {"code": 503}, "overloaded"),
        (None, "cut off", "server_error"),
        ("length", {"code": 429}, "rate_limited"),
    ],
)
@pytest.mark.parametrize("counted", [False, True])
def test_half_a_reply_of_a_failed_generation_is_no_reply(
    kind: Kind, reason: str | None, error: Any, expected: str, counted: bool
) -> None:
    """It is a failed attempt, tried again, at the cost that the provider counted, or else at an unknown one."""
    body = saying({"content": "The answer is (A), or rath"})
    body["choices"][0] |= {"finish_reason": reason, "error": error}
    body["usage"] = REPLY["usage"] if counted else None
    failure = failed(kind, replying(body))
    assert (failure.error, failure.retriable) == (expected, True)
    assert cost_of(failure) == (13_000 if counted else None)
    assert failure.spent is None or failure.spent.text == ""


def test_an_error_beside_a_whole_reply_is_an_error(kind: Kind) -> None:
    """A provider that reports an error gave no answer to count on."""
    assert failed(kind, replying({**REPLY, "error": {"code": 502}})).error == "server_error"


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_other_ends_are_no_failure(kind: Kind, reason: str) -> None:
    """What was cut off or filtered is read as far as it goes."""
    body = saying({"content": "(B)"})
    body["choices"][0]["finish_reason"] = reason
    assert completed(kind, replying(body)).finish_reason == reason


EVENT = {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": "(B)"}}]}
SSE = f"data: {json.dumps(EVENT)}\n\ndata: [DONE]\n\n".encode()
PAGE = b"<!DOCTYPE html>\n<html><head><title>Log in</title></head><body>Are you a human?</body></html>"


@pytest.mark.parametrize(
    ("body", "content_type", "error", "found"),
    [
        (SSE, "text/event-stream", "stream", "a stream (text/event-stream)"),
        (SSE, "application/json", "stream", "a stream (application/json)"),
        (b": PROCESSING\n\n" + SSE, "text/event-stream; charset=utf-8", "stream", "a stream (text/event-stream)"),
        (json.dumps(EVENT).encode() + b"\n" + json.dumps(EVENT).encode(), "application/x-ndjson", "stream", "a stream"),
        (json.dumps(EVENT, indent=1).encode(), "application/json", "stream", "a stream"),
        (PAGE, "text/html; charset=utf-8", "html_page", "an HTML page (text/html)"),
        (PAGE, "application/json", "html_page", "an HTML page"),
        (b'<?xml version="1.0"?>' + PAGE, "application/xhtml+xml", "html_page", "an HTML page"),
        (
            b'<?xml version="1.0"?><Error>no</Error>',
            "application/xml",
            "malformed",
            "an XML document (application/xml)",
        ),
        (b"\x1f\x8b\x08\x00garbage", "application/gzip", "malformed", "binary data (application/gzip)"),
        (b"", "application/json", "malformed", "an empty body"),
        (b"Good morning", "text/plain", "malformed", "what is no JSON (text/plain)"),
        (b"Good morning", f"text/{KEY[3:10]}", "malformed", "what is no JSON"),
        (b'{"choices": []}', "application/json", "malformed", "JSON that is no completion"),
        (b'{"choices": [{"mess', "application/json", "malformed", "half an object of JSON"),
    ],
)
def test_what_is_no_completion_says_what_it_is(
    kind: Kind, body: bytes, content_type: str, error: str, found: str
) -> None:
    """A stream that nobody asked for, a page for people and other bodies are told apart, in fixed words."""
    failure = failed(kind, replying(body, headers={"Content-Type": content_type}))
    assert (failure.error, failure.free) == (error, False)
    assert failure.retriable is (error != "stream")
    assert failure.diagnosis.found.startswith(found)
    assert KEY[3:10] not in failure.diagnosis.found


def test_a_body_that_is_missing_is_malformed(kind: Kind) -> None:
    """Status 204 has no completion."""
    failure = failed(kind, replying(b"", 204))
    assert (failure.error, failure.diagnosis.found) == ("malformed", "an empty body (application/json)")


def test_an_error_in_a_stream_is_its_class(kind: Kind) -> None:
    """A provider that streams its errors too is understood."""
    body = b'data: {"error": {"code": 402, "message": "no"}}\n\ndata: [DONE]\n\n'
    failure = failed(kind, replying(body, headers={"Content-Type": "text/event-stream"}))
    assert (failure.error, failure.free) == ("no_credit", True)


def test_a_page_with_a_status_shows_that_it_is_one(kind: Kind) -> None:
    """The status decides the class; that a page came with it points to something before the provider."""
    failure = failed(kind, replying(PAGE, 403, {"Content-Type": "text/html"}))
    assert (failure.error, failure.diagnosis.found) == ("unauthorized", "an HTML page (text/html)")


def test_tokens_without_a_reply_are_counted(kind: Kind) -> None:
    """No choice, but a count of tokens: the cost is known."""
    assert cost_of(failed(kind, replying({**REPLY, "choices": []}))) == 13_000


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({"error": {"code": "unsupported_parameter", "param": "max_tokens", "message": "no"}}, "max_tokens"),
        ({"error": {"param": None, "message": "'max_tokens': use 'max_completion_tokens'"}}, "max_tokens"),
        ({"detail": [{"loc": ["body", "seed"], "msg": "extra fields not permitted"}]}, "seed"),
        ({"error": {"param": KEY, "message": KEY}}, ""),
        ({"error": {"param": ["max_tokens"], "message": "temperatures"}}, "max_tokens"),
        ([], ""),
    ],
)
def test_a_refused_parameter_is_named(kind: Kind, body: Any, parameter: str) -> None:
    """Of a request that the provider refuses, the parameter it complains of is known, and nothing else that it says."""
    failure = failed(kind, replying(body, 400))
    assert (failure.error, failure.free, failure.diagnosis.parameter) == ("bad_request", True, parameter)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([{"type": "text", "text": "The answer "}, {"type": "text", "text": "is (B)."}], "The answer is (B)."),
        ([{"type": "reasoning", "text": "(A)"}, {"type": "text", "text": "(B)"}], "(B)"),
        ([{"type": "thinking", "thinking": [{"type": "text", "text": "(A)"}]}, {"type": "text", "text": "(B)"}], "(B)"),
        ([{"type": "thinking", "thinking": "(A)", "text": "(A)"}, {"type": "output_text", "text": "(B)"}], "(B)"),
        ([{"type": "redacted_thinking", "data": "(A)"}, {"text": "(B)"}], "(B)"),
        ([{"text": "(A)", "thought": True}, {"text": "(B)"}], "(B)"),
        ([{"type": "image_url", "image_url": {"url": "x"}, "text": "(A)"}, {"type": "text", "text": "(B)"}], "(B)"),
        ([{"type": "text", "text": {"value": "(B)", "annotations": []}}], "(B)"),
        ({"type": "text", "text": "(B)"}, "(B)"),
        (["(B)", 7, None, ["(A)"]], "(B)"),
        ([{"type": "refusal", "refusal": "I cannot."}], "I cannot."),
        ([{"type": "reasoning", "text": "(A)"}], ""),
        ([], ""),
        (7, ""),
    ],
    ids=str,
)
def test_only_the_parts_of_the_answer_are_read(kind: Kind, content: Any, text: str) -> None:
    """Texts are joined; reasoning, pictures and what else there may be never vote."""
    assert completed(kind, replying(saying({"content": content}))).text == text


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 100, "total_tokens": 107}, (100, None)),
        ({"prompt_tokens": 100, "completion_tokens": None, "total_tokens": None}, (100, None)),
        ({"prompt_tokens": 100, "completion_tokens": 0}, (100, None)),
        ({"prompt_tokens": 100, "completion_tokens": -7}, (100, None)),
        ({"prompt_tokens": 100, "completion_tokens": "7"}, (100, None)),
        ({"prompt_tokens": 100, "completion_tokens": 7.0}, (100, None)),
        ({"completion_tokens": 7}, (None, None)),
        ({"prompt_tokens": None, "completion_tokens": 7}, (None, None)),
        ({"total_tokens": 107}, (None, None)),
        ({"input_tokens": 100, "output_tokens": 7}, (None, None)),
        ("100", (None, None)),
        ([100, 7], (None, None)),
        (None, (None, None)),
    ],
    ids=str,
)
def test_a_count_that_is_missing_is_unknown(kind: Kind, usage: Any, counts: tuple[int | None, int | None]) -> None:
    """Unknown is said, never 0: neither where a count is left out, nor where it is none."""
    completion = completed(kind, replying({**REPLY, "usage": usage}))
    assert isinstance(completion, Completion)
    assert (completion.input_tokens, completion.output_tokens) == counts


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_output_limit_has_the_name_that_the_agent_says(kind: Kind, name: str) -> None:
    """An agent of kind `openai` says it; litellm goes by what it knows of the model."""
    _, endpoint = called(kind, replying(), output_limit=name)
    sent = endpoint.bodies[0].keys() & {"max_tokens", "max_completion_tokens"}
    assert sent == ({name} if kind == "openai" else {"max_tokens"})
