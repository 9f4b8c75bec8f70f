"""
litellm's own side effects, all switched off.

Retries, downloads, files, prints, environment, other addresses.
"""

import asyncio
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from streams.agents.agent import AgentError
from streams.agents.providers import litellm_client
from streams.agents.providers.http_errors import CUT
from streams.agents.providers.litellm_client import NO_KEY, LiteLLMClient
from streams.errors import OperatorError
from streams.extras import install_command

from ...limits import LIMIT_S
from .provider_endpoint import KEY, called, client_of, completed, failed, replying, request_of, serving

pytestmark = pytest.mark.usefixtures("litellm_loaded")

CLAUDE = "anthropic/claude-sonnet-4-5"
CLAUDE_REPLY: dict[str, Any] = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [{"type": "text", "text": "(B)"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 7, "output_tokens": 3},
}
OLLAMA_REPLY = {
    "model": "llama3",
    "created_at": "2024-01-01T00:00:00Z",
    "message": {"role": "assistant", "content": "(B)"},
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 7,
    "eval_count": 3,
}

OFFLINE = """
import asyncio, socket, sys, warnings
warnings.simplefilter("ignore")
tried = []
def guarded(connect):
    def checked(sock, address):
        if sock.family != socket.AF_UNIX and address[0] != "127.0.0.1":
            tried.append(address)
            raise OSError("not in this test")
        return connect(sock, address)
    return checked
def resolved(host, *rest, **more):
    tried.append(host)
    raise OSError("not in this test")
real = socket.getaddrinfo
socket.getaddrinfo = lambda host, *rest, **more: (real if host == "127.0.0.1" else resolved)(host, *rest, **more)
socket.socket.connect = guarded(socket.socket.connect)
socket.socket.connect_ex = guarded(socket.socket.connect_ex)
from streams.agents.agent import AgentError
from streams.agents.providers.completion import ChatMessage, Request
from streams.agents.providers.litellm_client import LiteLLMClient
assert "litellm" not in sys.modules
async def main():
    client = LiteLLMClient("http://127.0.0.1:1/v1", None)
    for model in ("openai/m", "anthropic/claude-sonnet-4-5", "no-such-provider/m"):
        try:
            await client.send(Request(model=model, base_url="", messages=(ChatMessage("user", "?"),),
                max_output_tokens=1, temperature_ppb=0, seed=0, schema=None))
        except AgentError as error:
            said.append(error.error)
    await client.close()
said = []
asyncio.run(main())
import os
assert said[:2] == ["connection"] * 2, said
assert len(said) == 3, said
assert "PLANTED" not in os.environ
assert not tried, tried
import litellm
assert not [name for name in sys.modules if name.startswith("litellm.proxy.proxy_server")]
assert not litellm.callbacks + litellm.success_callback + litellm.failure_callback
"""


@pytest.mark.process
def test_litellm_stays_offline_and_silent(tmp_path: Path) -> None:
    """Imported and called, it asks no address but the agent's, reads no .env, starts no proxy and prints nothing."""
    (tmp_path / ".env").write_text("PLANTED=1\n")
    ended = subprocess.run(
        [sys.executable, "-c", OFFLINE], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


@pytest.mark.parametrize("status", [408, 422, 429, 500, 503, 529])
def test_other_providers_are_asked_once_too(status: int) -> None:
    """A failing request of a provider with an interface of its own is one HTTP request."""
    body = {"type": "error", "error": {"type": "x", "message": KEY}}
    error = failed("litellm", replying(body, status, {"Retry-After": "2"}), model=CLAUDE)
    assert error.retry_after_ms == (2_000 if error.retriable else None)


def test_what_a_422_complains_of_is_not_sent_again_without_it() -> None:
    """A parameter that the server does not want is not dropped for a second request behind the caller's back."""
    body = {"error": {"message": '{"detail": [{"loc": ["body", "seed"], "msg": "no"}]}', "type": "x"}}
    assert failed("litellm", replying(body, 422)).error == "bad_request"


def test_a_lost_connection_is_not_tried_again() -> None:
    """Where litellm's own HTTP would ask again, nothing is asked again."""

    async def lose(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    error = failed("litellm", lose, model=CLAUDE)
    assert (error.error, error.free) == (CUT.error, CUT.free)


def test_claude_is_called_in_its_own_way() -> None:
    """The request is in the provider's form, with the key where it wants it and without a seed, which it takes not."""
    completion, endpoint = called("litellm", replying(CLAUDE_REPLY), model=CLAUDE)
    assert not isinstance(completion, AgentError)
    assert (completion.text, completion.finish_reason) == ("(B)", "stop")
    assert (completion.input_tokens, completion.output_tokens) == (7, 3)
    (asked,), (body,) = endpoint.asked, endpoint.bodies
    assert asked.headers["x-api-key"] == KEY
    assert (body["model"], body["max_tokens"], body["temperature"]) == ("claude-sonnet-4-5", 50, 0.0)
    assert "seed" not in body


@pytest.mark.parametrize("model", ["ollama_chat/llama3", "ollama/llama3"])
def test_ollama_is_asked_for_an_answer_alone(model: str) -> None:
    """Nothing is asked about the model or its price beside the one request."""
    reply = {**OLLAMA_REPLY, "response": "(B)"}
    assert completed("litellm", replying(reply), model=model).text == "(B)"


@pytest.mark.parametrize(
    ("model", "reply"),
    [
        (CLAUDE, {**CLAUDE_REPLY, "usage": {"input_tokens": 7}}),
        (CLAUDE, {**CLAUDE_REPLY, "usage": {"input_tokens": 7, "output_tokens": 0}}),
        ("ollama_chat/llama3", {name: value for name, value in OLLAMA_REPLY.items() if name != "eval_count"}),
    ],
    ids=["missing", "zero", "estimated"],
)
def test_a_count_that_other_providers_leave_out_is_unknown(model: str, reply: dict[str, Any]) -> None:
    """litellm's zero, or its estimate, is not taken for the provider's count."""
    outcome, _ = called("litellm", replying(reply), model=model)
    assert isinstance(outcome, AgentError) or outcome.output_tokens is None


def test_thoughts_of_claude_are_left_out() -> None:
    """Blocks of thinking are no part of the answer."""
    thought = {"type": "thinking", "thinking": "The answer is (A).", "signature": "x"}
    blocks = [thought, {"type": "redacted_thinking", "data": "x"}, *CLAUDE_REPLY["content"]]
    assert completed("litellm", replying({**CLAUDE_REPLY, "content": blocks}), model=CLAUDE).text == "(B)"


def test_an_error_of_claude_with_status_200_is_its_class() -> None:
    """The type of the error is a code."""
    body = {"type": "error", "error": {"type": "overloaded_error", "message": KEY}}
    error = failed("litellm", replying(body), model=CLAUDE)
    assert (error.error, error.free) == ("overloaded", True)


# OpenAI's library, which litellm takes for Azure, asks programs of the system for its name.
@pytest.mark.process
@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("azure/gpt-4o", "max_tokens"),
        ("azure/gpt-5-mini", "max_completion_tokens"),
        ("azure/o3", "max_completion_tokens"),
    ],
)
def test_azure_gets_the_output_limit_under_the_name_of_its_model(
    model: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """litellm knows which of OpenAI's models take which name, and asks once."""
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    _, endpoint = called("litellm", replying(), model=model)
    (body,) = endpoint.bodies
    assert body.keys() & {"max_tokens", "max_completion_tokens"} == {name}


def test_a_key_of_the_environment_goes_to_no_other_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent with an address and without a key does not send OpenAI's there."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)

    async def call() -> str:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            client = client_of("litellm", endpoint.url, None)
            await client.send(request_of("litellm", endpoint.url))
            await client.close()
            return endpoint.asked[0].headers["Authorization"]

    assert asyncio.run(call()) == f"Bearer {NO_KEY}"


def test_a_provider_nobody_knows_is_an_error_that_stays() -> None:
    """litellm refuses the model before anything is sent; that is said without its words."""

    async def call() -> AgentError:
        client = client_of("litellm", "http://127.0.0.1:1/v1")
        with pytest.raises(AgentError) as caught:
            await client.send(request_of("litellm", None, model="no-such-provider/m"))
        await client.close()
        return caught.value

    error = asyncio.run(call())
    assert (error.error, error.retriable, error.free) == ("bad_request", False, True)


def test_a_call_given_up_before_it_is_written_is_not_sent() -> None:
    """A caller who leaves while litellm still writes the request is let go at once, and the request never leaves."""

    async def check() -> int:
        async with asyncio.timeout(LIMIT_S), serving(replying()) as endpoint:
            client = client_of("litellm", endpoint.url)
            assert isinstance(client, LiteLLMClient)
            free = threading.Event()
            loop = asyncio.get_running_loop()
            # litellm writes on one of these threads; none is left.
            blocked = [loop.run_in_executor(None, free.wait) for _ in range(64)]
            try:
                call = asyncio.create_task(client._ask(litellm_client.load(), request_of("litellm", endpoint.url)))
                while not client._under_way:
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            finally:
                free.set()
            await asyncio.gather(*blocked)
            await client.close()
            return len(endpoint.asked)

    assert asyncio.run(check()) == 0


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where litellm is not installed, making the client says what to install."""

    def found(name: str) -> Any:
        return None

    monkeypatch.setattr("importlib.util.find_spec", found)
    with pytest.raises(OperatorError, match=re.escape(install_command("litellm"))) as caught:
        LiteLLMClient(None, None)
    assert caught.value.exit_code == 3
