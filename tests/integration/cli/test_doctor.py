"""
`orch doctor` on configured agents, with and without calls.

It never shows a key.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.models import Behaviour
from infra.models.server import ModelServer

from ...e2e.command import Ended, Place
from ...e2e.command import Place as Executable

KEY = "sk-proj-0123456789abcdefABCDEF"
MODELS = ("gpt-4.1-mini", "llama3.2:latest")
QUESTION = {"question_id": "sum", "text": "What is 1 + 1?", "answer_type": "number"}
OUTPUTS = [{"question_id": "sum", "model": model, "text": "The answer is 2."} for model in MODELS]
PRICE = "price = { input_nusd_per_ktoken = 400_000, output_nusd_per_ktoken = 1_600_000 }"


@pytest.fixture
def server() -> Iterator[ModelServer]:
    """A model server that wants a key."""
    with ModelServer([QUESTION], OUTPUTS, Behaviour(key=KEY)) as serving:
        yield serving


def agent(name: str, model: str, *more: str, kind: str = "openai") -> bytes:
    """Write an agent."""
    return "\n".join(["[[agents]]", f'kind = "{kind}"', f'name = "{name}"', f'model = "{model}"', *more]).encode()


def doctor(place: Place, *options: str, **env: str) -> Ended:
    """Run the checks, as JSON."""
    return place.orch("--format", "json", "doctor", *options, env=env)


def checks(done: Ended) -> dict[str, dict[str, Any]]:
    """Give the findings by name."""
    return {check["name"]: check for check in done.lines}


def test_doctor_finds_fault(place: Place) -> None:
    """All is well on an empty place; a broken configuration is a failure with its remedy, and exit code 3."""
    assert place.orch("doctor").code == 0
    place.write("orch.toml", [b"[routing]\npanel = 3\n[[agents]]\nkind = 'simulated'\nname = 'a'"])
    done = doctor(place)
    assert done.code == 3
    (failed,) = [check for check in done.lines if check["state"] == "fail"]
    assert failed["name"] == "configuration"
    assert "panel" in failed["finding"] + failed["remedy"]
    (place.path / "orch.db").write_text("not a log at all, and certainly not a database of ours")
    assert place.orch("doctor").code == 3


def test_simulated_agents_are_well(place: Place) -> None:
    """The file of `init --simulated` needs nothing, and says nothing of families or money."""
    place.orch("init", "--simulated")
    done = doctor(place)
    assert done.code == 0
    assert checks(done)["agents"]["finding"] == "3 simulated"
    assert not [name for name in checks(done) if name.startswith("agent ") or name in ("families", "budget")]


def test_missing_outputs_are_found(place: Place) -> None:
    """A recorded agent whose outputs are not there is a failure."""
    place.write("orch.toml", [b'[[agents]]\nkind = "recorded"\nname = "a"\nmodel = "m"'])
    done = doctor(place)
    assert done.code == 3
    assert checks(done)["configuration"]["state"] == "fail"


def test_each_agent_is_looked_at(place: Place, server: ModelServer) -> None:
    """Key there or not, model there or not, right key or not: each agent has a finding, and nobody was asked."""
    url = f'base_url = "{server.url}"'
    place.write(
        "orch.toml",
        [
            agent("gpt", "gpt-4.1-mini", url, 'key_env = "ORCH_TEST_KEY"', PRICE),
            agent("tagged", "llama3.2", url, 'key_env = "ORCH_TEST_KEY"'),
            agent("prefixed", "openai/gpt-4.1-mini", url, 'key_env = "ORCH_TEST_KEY"', kind="litellm"),
            agent("typo", "gpt-4.1-mimi", url, 'key_env = "ORCH_TEST_KEY"'),
            agent("stranger", "gpt-4.1-mini", url, 'key_env = "ORCH_OTHER_KEY"'),
            agent("keyless", "gpt-4.1-mini", url),
            agent("missing", "gpt-4.1-mini", url, 'key_env = "ORCH_NO_KEY"'),
            agent("hosted", "anthropic/claude-haiku-4-5", 'key_env = "ORCH_TEST_KEY"', kind="litellm"),
            agent("gone", "gpt-4.1-mini", 'base_url = "http://127.0.0.1:1/v1"'),
        ],
    )
    done = doctor(place, ORCH_TEST_KEY=KEY, ORCH_OTHER_KEY="sk-other-0123456789")
    assert done.code == 3
    found = checks(done)
    expected = {
        "gpt": ("ok", "and has it"),
        "tagged": ("ok", "and has it"),
        "prefixed": ("ok", "and has it"),
        "typo": ("fail", "lists no such model"),
        "stranger": ("fail", "unauthorized"),
        "keyless": ("fail", "unauthorized"),
        "missing": ("fail", "ORCH_NO_KEY"),
        "hosted": ("ok", "only a call (--call) shows"),
        "gone": ("fail", "cannot be reached"),
    }
    for name, (state, words) in expected.items():
        assert found[f"agent {name}"]["state"] == state
        assert words in found[f"agent {name}"]["finding"]
        assert state == "ok" or found[f"agent {name}"]["remedy"]
    assert server.stats()["requests"]["total"] == 0


def test_cost_of_a_question_is_told(place: Place) -> None:
    """From price, length and attempts: roughly and at most; without a price it is not known."""
    place.write(
        "orch.toml",
        [
            agent("gpt", "gpt-4.1-mini", PRICE, 'key_env = "ORCH_NO_KEY"', "max_output_tokens = 1_000"),
            agent("other", "claude-haiku-4-5", 'key_env = "ORCH_NO_KEY"'),
            agent("own", "llama3", 'key_env = "ORCH_NO_KEY"', PRICE.replace("400_000", "0").replace("1_600_000", "0")),
        ],
    )
    found = checks(doctor(place))
    told = "about $0.0006 for a question of 300 tokens in and 300 out, at most $0.0052 (3 attempts of 1,000 tokens)"
    assert found["agent gpt"]["finding"].endswith(told)
    assert found["agent other"]["finding"].endswith("cost not known: no price")
    assert found["agent own"]["finding"].endswith("costs nothing")


@pytest.mark.parametrize(
    ("models", "state", "words"),
    [
        (("gpt-4.1", "o3-mini"), "warn", "all 2 agents are of one family, openai: same family, same mistakes"),
        (("gpt-4.1", "claude-haiku-4-5"), "ok", "anthropic, openai"),
    ],
)
def test_panel_of_one_family_is_warned_of(models: tuple[str, ...], state: str, words: str, place: Place) -> None:
    """One warning where the whole panel is of one family."""
    place.write("orch.toml", [agent(f"a{n}", model, 'key_env = "ORCH_NO_KEY"') for n, model in enumerate(models)])
    family = checks(doctor(place))["families"]
    assert (family["state"], family["finding"]) == (state, words)


@pytest.mark.parametrize(
    ("budget", "state", "words"),
    [
        ("question_nusd = 50_000_000\nrun_nusd = 5_000_000_000", "ok", "$0.0500 a question, $5.0000 in all"),
        ("question_nusd = 1_000_000", "fail", "too little for one call of gpt, which is never made"),
    ],
)
def test_budget_is_shown(budget: str, state: str, words: str, place: Place) -> None:
    """What calls may cost is shown; a budget with no room for a single call is a failure."""
    place.write(
        "orch.toml", [agent("gpt", "gpt-4.1", 'key_env = "ORCH_NO_KEY"', PRICE), f"[budget]\n{budget}".encode()]
    )
    found = checks(doctor(place))["budget"]
    assert found["state"] == state
    assert words in found["finding"]


def test_call_shows_what_comes_of_one(place: Place, server: ModelServer) -> None:
    """--call asks each agent once: answer, time and cost, or the class of the error; missing keys ask nobody."""
    url, key = f'base_url = "{server.url}"', 'key_env = "ORCH_TEST_KEY"'
    place.write(
        "orch.toml",
        [
            agent("gpt", "gpt-4.1-mini", url, key, PRICE),
            agent("local", "llama3.2:latest", url, key),
            agent("typo", "gpt-4.1-mimi", url, key),
            agent("missing", "gpt-4.1-mini", url, 'key_env = "ORCH_NO_KEY"'),
        ],
    )
    server.fail_next("llama3.2:latest", "rate-limit")
    done = doctor(place, "--call", ORCH_TEST_KEY=KEY)
    found = checks(done)
    assert done.code == 3
    assert found["call gpt"]["state"] == "ok"
    assert "answered rightly in " in found["call gpt"]["finding"]
    assert " ms for $0.0" in found["call gpt"]["finding"]
    assert found["call local"]["finding"].startswith("rate_limited in ")
    assert found["call typo"]["finding"].startswith("not_found in ")
    assert found["call typo"]["remedy"] == "Correct its model or base_url"
    assert "call missing" not in found


@contextmanager
def refusing(body: bytes, status: int = 200, content_type: str = "application/json") -> Iterator[str]:
    """Serve this answer to every call; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("param", "kind", "remedy"),
    [
        ("max_tokens", "openai", 'Name the limit as the model wants it: output_limit = "max_completion_tokens"'),
        ("max_completion_tokens", "openai", 'output_limit = "max_tokens"'),
        ("max_tokens", "litellm", 'make it an agent of kind "openai", and name the limit'),
        ("temperature", "openai", 'Leave temperature out: temperature_ppb = "none"'),
        ("seed", "litellm", 'Leave seed out: seed = "none"'),
        ("messages", "openai", "The provider rejects the request"),
    ],
)
def test_refused_parameter_is_named_with_its_setting(param: str, kind: str, remedy: str, place: Place) -> None:
    """A provider that says which parameter it does not take leads to the setting behind it."""
    body = json.dumps({"error": {"code": "unsupported_parameter", "param": param, "message": KEY}}).encode()
    with refusing(body, 400) as url:
        model = "openai/m" if kind == "litellm" else "m"
        place.write("orch.toml", [agent("az", model, f'base_url = "{url}"', kind=kind)])
        done = doctor(place, "--call")
    found = checks(done)["call az"]
    assert found["finding"].startswith("bad_request in ")
    assert ("the provider complains of" in found["finding"]) is (param != "messages")
    assert remedy in found["remedy"]
    assert KEY not in done.out


@pytest.mark.parametrize(
    ("body", "content_type", "words", "remedy"),
    [
        (b"data: {}\n\n", "text/event-stream", "answered with a stream (text/event-stream)", "ORCH asks for no stream"),
        (b"<html>Log in</html>", "text/html", "answered with an HTML page (text/html)", "correct base_url"),
        (b"<?xml version='1.0'?><a/>", "text/xml", "answered with an XML document (text/xml)", "Try again later"),
    ],
)
def test_foreign_answer_says_what_it_is(body: bytes, content_type: str, words: str, remedy: str, place: Place) -> None:
    """A stream, a page for people or another document is told as what it is, with its content type."""
    with refusing(body, content_type=content_type) as url:
        place.write("orch.toml", [agent("a", "m", f'base_url = "{url}"')])
        found = checks(doctor(place, "--call"))["call a"]
    assert found["state"] == "fail"
    assert words in found["finding"]
    assert remedy in found["remedy"]


@pytest.mark.parametrize(
    ("said", "state", "words"),
    [("The answer is 3.", "warn", "answered 3 to 1 + 1"), ("Who knows.", "warn", "no number can be read")],
)
def test_odd_answer_is_a_warning(said: str, state: str, words: str, place: Place) -> None:
    """A model that answers, but wrongly or unreadably, is a warning."""
    with ModelServer([QUESTION], [{"question_id": "sum", "model": "m", "text": said}]) as serving:
        place.write("orch.toml", [agent("a", "m", f'base_url = "{serving.url}"')])
        done = doctor(place, "--call")
    assert done.code == 0
    assert checks(done)["call a"]["state"] == state
    assert words in checks(done)["call a"]["finding"]


@pytest.mark.parametrize("options", [(), ("--format", "json"), ("--verbose",)])
def test_no_key_is_shown(options: tuple[str, ...], place: Place, server: ModelServer) -> None:
    """Keys of the environment are in nothing that `doctor` says, whether right or wrong, with a call or without."""
    wrong = "sk-ant-wrong-0123456789abcdef"
    url = f'base_url = "{server.url}"'
    place.write(
        "orch.toml",
        [
            agent("right", "gpt-4.1-mini", url, 'key_env = "ORCH_TEST_KEY"'),
            agent("wrong", "gpt-4.1-mini", url, 'key_env = "ORCH_WRONG_KEY"'),
            agent("through", "openai/gpt-4.1-mini", url, 'key_env = "ORCH_TEST_KEY"', kind="litellm"),
            agent("broken", "gpt-4.1-mini", url, 'key_env = "ORCH_BROKEN_KEY"'),
        ],
    )
    server.fail_next("gpt-4.1-mini", "echo-key", "unauthorized")
    planted = {
        "ORCH_TEST_KEY": KEY,
        "ORCH_WRONG_KEY": wrong,
        "ORCH_BROKEN_KEY": "sk broken 0123456789",
        "OPENAI_API_KEY": "sk-unused-0123456789abcdef",
    }
    for call in ((), ("--call",)):
        done = place.orch(*options, "doctor", *call, env=planted)
        assert done.code == 3
        for key in planted.values():
            assert key not in done.out + done.err
            assert key[8:] not in done.out + done.err
    assert not _holding(place.path, planted.values())


@pytest.mark.process
def test_executable_shows_no_key(place: Place, server: ModelServer) -> None:
    """The installed command, with all its log lines, shows no key either."""
    server.fail_next("gpt-4.1-mini", "unauthorized")
    place.write("orch.toml", [agent("a", "gpt-4.1-mini", f'base_url = "{server.url}"', 'key_env = "ORCH_TEST_KEY"')])
    done = Executable(place.path).orch("--verbose", "doctor", "--call", env={"ORCH_TEST_KEY": KEY})
    assert done.code == 3
    assert "ORCH_TEST_KEY is set" in done.out
    assert KEY not in done.out + done.err


def _holding(folder: Path, keys: Any) -> list[str]:
    """List the files of a folder that hold a key."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path.name for path in files for key in keys if key.encode() in path.read_bytes()]


def test_findings_are_one_object_each(place: Place) -> None:
    """The JSON of a check has name, state, finding and remedy."""
    place.orch("init")
    for line in doctor(place).out.splitlines():
        assert json.loads(line).keys() == {"name", "state", "finding", "remedy"}
