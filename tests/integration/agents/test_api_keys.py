"""
API keys: their sources, and secrecy.

A key turns up in no log, message or file.
"""

import base64
import json
import subprocess
import sys
import urllib.parse

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from schemas.agents import LiteLLMAgent, OpenAIAgent
from streams.agents import api_keys
from streams.agents.api_keys import HIDDEN, hide, mask, mask_event, read_key
from streams.errors import OperatorError

KEY = 'sk-pl"anted/0123+45\\6789=&abc'
SPEC = OpenAIAgent(name="agent", model="m", key_env="SOME_KEY")


@pytest.fixture(autouse=True)
def no_key_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of one test are none of another's."""
    monkeypatch.setattr(api_keys, "_forms", [])


def test_a_key_is_read_by_its_name() -> None:
    """The variable that the agent names holds its key; blanks around it do not count."""
    key = read_key(SPEC, {"SOME_KEY": f" {KEY}\n", "OTHER": "x"})
    assert key is not None
    assert key.get_secret_value() == KEY
    assert KEY not in repr(key) + str(key)
    assert mask(f"<{KEY}>") == f"<{HIDDEN}>"


def test_an_agent_without_a_variable_has_no_key() -> None:
    """Servers of one's own often want none."""
    assert read_key(OpenAIAgent(name="agent", model="m"), {}) is None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "is not set. export SOME_KEY=..., or SOME_KEY_FILE=FILE"),
        ("  ", "is not set"),
        ("EMPTY", "holds 5 characters, too few for a key. Correct it; if the server wants no key, take key_env out"),
        ("two words 123", "characters that are in no key"),
        ("sk-0123456789\u00fc", "characters that are in no key"),
        ("sk-0123\n456789", "characters that are in no key"),
    ],
)
def test_what_is_no_key_is_refused(value: str | None, said: str) -> None:
    """The error names agent, variable and remedy, and does not show the value."""
    with pytest.raises(OperatorError) as caught:
        read_key(SPEC, {} if value is None else {"SOME_KEY": value})
    assert str(caught.value).startswith("agent 'agent': environment variable SOME_KEY")
    assert said in str(caught.value)
    assert caught.value.exit_code == 3
    assert value is None or not value.strip() or value not in str(caught.value)


def test_what_litellm_may_find_by_itself_is_hidden_too() -> None:
    """An agent that leaves key and address to litellm has whatever looks like a secret hidden."""
    environ = {"X_API_KEY": "0123456789abcdef", "AWS_SECRET_ACCESS_KEY": "fedcba9876543210", "HOME": "/home/somebody-x"}
    assert read_key(LiteLLMAgent(name="a", model="bedrock/m"), environ) is None
    assert mask(" ".join(environ.values())) == f"{HIDDEN} {HIDDEN} /home/somebody-x"


def test_short_values_are_not_guessed() -> None:
    """A variable's name alone hides no word that could stand in an answer."""
    read_key(LiteLLMAgent(name="a", model="bedrock/m"), {"DB_PASSWORD": "password"})
    assert mask("the password") == "the password"


@pytest.mark.parametrize(
    "form",
    [
        KEY,
        urllib.parse.quote(KEY, safe=""),
        urllib.parse.quote_plus(KEY),
        json.dumps(KEY)[1:-1],
        base64.b64encode(KEY.encode()).decode(),
        base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("="),
        base64.b64encode(f"user:{KEY}".encode()).decode(),
    ],
    ids=["plain", "quoted", "form", "json", "base64", "urlsafe", "basic"],
)
def test_a_key_is_hidden_in_every_form(form: str) -> None:
    """As it stands, in a URL, in JSON and in Base64, a known key is replaced."""
    hide(KEY)
    hidden = mask(f"before {form} after")
    assert HIDDEN in hidden
    assert form not in hidden


@given(st.binary(max_size=12), st.binary(max_size=12))
def test_base64_is_recognised_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    """All of the key's own characters in Base64 go, in each of the three ways it can be shifted."""
    hide("0123456789abcdef")
    hidden = mask(base64.b64encode(before + b"0123456789abcdef" + after).decode())
    assert HIDDEN in hidden


def test_a_key_that_holds_another_goes_whole() -> None:
    """Of two keys with the same beginning nothing of the longer one is left."""
    hide("sk-01234567")
    hide("sk-01234567-and-more")
    assert mask("sk-01234567-and-more sk-01234567") == f"{HIDDEN} {HIDDEN}"


def test_without_keys_nothing_changes() -> None:
    """A process that has read no key leaves every text and log line as it is."""
    line = {"event": "x", "value": object()}
    assert mask("any text") == "any text"
    assert mask_event(None, "info", line) is line


def test_a_log_line_holds_no_key() -> None:
    """As a processor of structlog it hides keys at any depth, in names, in errors and in objects that are printed."""
    hide(KEY)

    class Holder:
        def __repr__(self) -> str:
            return f"Holder({KEY})"

    with structlog.testing.capture_logs(processors=[mask_event]) as lines:
        structlog.get_logger().error(
            "x", text=KEY, deep=[{KEY: (KEY, 1, None, True)}], error=ValueError(KEY), holder=Holder(), same=len
        )
    assert KEY not in repr(lines)
    assert json.dumps(KEY)[1:-1] not in repr(lines)
    assert lines[0]["same"] is len


CRASH = """
import sys
from streams.cli import main
from streams.cli.main import Entry, run
from streams.agents.api_keys import read_key
from schemas.agents import OpenAIAgent
read_key(OpenAIAgent(name="a", model="m", key_env="SOME_KEY"))
def crash():
    import os
    try:
        raise RuntimeError(f"401 for key {os.environ['SOME_KEY']}")
    except RuntimeError as error:
        raise ValueError(f"call failed: {error}") from error
import click
main.COMMANDS["crash"] = Entry("__main__:command", "")
command = click.Command("crash", callback=crash)
sys.exit(run(sys.argv[1:]))
"""


@pytest.mark.process
@pytest.mark.parametrize("options", [["crash"], ["--verbose", "crash"]], ids=["short", "verbose"])
def test_a_crash_report_holds_no_key(options: list[str]) -> None:
    """A command that dies of an error that quotes a key reports it without the key, traceback and causes included."""
    ended = subprocess.run(
        [sys.executable, "-c", CRASH, *options],
        env={"SOME_KEY": KEY, "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert f"call failed: 401 for key {HIDDEN}" in ended.stderr
    assert ("Traceback" in ended.stderr) == ("--verbose" in options)
    assert KEY not in ended.stdout + ended.stderr
