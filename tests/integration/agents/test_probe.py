"""The probe of an endpoint's models, whatever the endpoint does."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.agents import LiteLLMAgent, OpenAIAgent
from streams.agents.agent import Reply, Task
from streams.agents.providers import probe as reaching
from streams.agents.providers.probe import EndpointProbe, reach, try_out
from streams.errors import OperatorError
from streams.extras import install_command

from .scripted_agent import LIMITS, Called

LISTED = b'{"object": "list", "data": [{"id": "gpt"}, {"id": "llama3:latest"}]}'


@contextmanager
def endpoint(status: int, body: bytes, *, hangs: bool = False) -> Iterator[tuple[str, list[str]]]:
    """Serve one answer to everything; give the address and what was asked."""
    asked: list[str] = []
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Authorization')}")
            if hangs:
                over.wait()
                return
            self.send_response(status)
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1", asked
        finally:
            over.set()
            server.shutdown()
            thread.join()


def found(url: str, model: str = "gpt") -> EndpointProbe:
    """Ask about one agent."""
    return asyncio.run(reach([OpenAIAgent(name="a", model=model, base_url=url)]))["a"]


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (200, LISTED, "listed"),
        (200, b'{"data": [{"id": "other"}]}', "not_listed"),
        (200, b'{"data": []}', "no_list"),
        (200, b'{"models": 3}', "no_list"),
        (200, b'{"data": [3]}', "no_list"),
        (200, b"[" * 100_000, "no_list"),
        (200, b"<html>", "no_list"),
        (200, b"\xff", "no_list"),
        (404, b"", "no_list"),
        (401, b"", "unauthorized"),
        (403, b"", "unauthorized"),
        (302, b"", "status"),
        (429, b"", "status"),
        (500, b"", "status"),
    ],
)
def test_answer_says_what_is_there(status: int, body: bytes, expected: str) -> None:
    """Each answer is one finding; a redirection is not followed, for the key would go along."""
    with endpoint(status, body) as (url, asked):
        reached = found(url)
    assert (reached.found, reached.status) == (expected, status)
    assert asked == ["/v1/models None"]


def test_tag_of_ollama_may_be_left_out() -> None:
    """A model without a tag is the one that Ollama lists as `latest`."""
    with endpoint(200, LISTED) as (url, _):
        assert found(url, "llama3").found == "listed"
        assert found(url, "llama").found == "not_listed"


def test_silence_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint that does not answer is given up; the others are asked at the same time."""
    monkeypatch.setattr(reaching, "LIMIT_S", 0.5)
    with endpoint(200, b"", hangs=True) as (silent, _), endpoint(200, LISTED) as (url, _):
        agents = [
            OpenAIAgent(name="silent", model="gpt", base_url=silent),
            OpenAIAgent(name="quick", model="gpt", base_url=url),
            LiteLLMAgent(name="hosted", model="openai/gpt"),
        ]
        reached = asyncio.run(reach(agents))
    assert {name: at.found for name, at in reached.items()} == {"silent": "timeout", "quick": "listed"}
    assert reached["silent"].took_ms >= 500 > reached["quick"].took_ms


@pytest.mark.parametrize("host", ["127.0.0.1:1", "127.0.0.1:letters", "127.0.0.1:99999", "[::1", "a..b", "xn--"])
def test_nobody_there(host: str) -> None:
    """A closed port, and an address that is none, cannot be reached."""
    url = f"http://{host}/v1"
    assert found(url).found == "unreachable"


def test_key_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key of the agent's variable is sent, and nobody's else."""
    monkeypatch.setenv("ORCH_TEST_KEY", "sk-0123456789abcdef")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another-0123456789")
    with endpoint(200, LISTED) as (url, asked):
        asyncio.run(reach([OpenAIAgent(name="a", model="gpt", base_url=url, key_env="ORCH_TEST_KEY")]))
        found(url)
    assert asked == ["/v1/models Bearer sk-0123456789abcdef", "/v1/models None"]


def test_missing_client_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the HTTP client, the error says what to install."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(OperatorError) as caught:
        asyncio.run(reach([]))
    assert caught.value.remedy == install_command("openai")


def test_time_to_get_ready_is_no_latency_of_the_call() -> None:
    """A library that takes longer to import than the limit of an attempt allows makes no time-out."""

    class Slow(Called):
        imported = False

        async def ready(self) -> None:
            if not self.imported:
                await asyncio.sleep(0.3)
                self.imported = True

        async def reply(self, task: Task) -> Reply:
            await self.ready()
            return Reply("2")

    tried = asyncio.run(try_out([Slow(limits=LIMITS.model_copy(update={"timeout_ms": 200}))]))
    assert tried["called"].attempt.outcome == "ok"
    assert tried["called"].attempt.latency_ms < 200
