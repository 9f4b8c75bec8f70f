"""
Field cases of providers, which lie beside the checkout.

Each has a server that plays its fault, questions and a configuration.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ..conftest import ROOT
from ..limits import LIMIT_S
from .command import Place

CASES = ROOT.parent / "shared" / "field-cases"


@contextmanager
def played(case: str, place: Place, *changes: tuple[str, str]) -> Iterator[None]:
    """Copy a case's files to a place, and run its server on a free port."""
    folder = CASES / case
    if not folder.is_dir():
        pytest.skip("optional: needs the field cases in ../shared/field-cases")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    shutil.copy(folder / "questions.jsonl", place.path)
    text = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", (folder / "orch.toml").read_text())
    for old, new in changes:
        text = text.replace(old, new)
    (place.path / "orch.toml").write_text(text)
    with subprocess.Popen([sys.executable, str(folder / "server.py"), str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield
        finally:
            server.terminate()


def _wait_for(port: int) -> None:
    limit = time.monotonic() + LIMIT_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except ConnectionRefusedError:
            assert time.monotonic() < limit
            time.sleep(0.02)


def run(place: Place) -> Counter[str | None]:
    """Run the questions; count the answers decided."""
    done = place.orch("run", "questions.jsonl")
    assert done.code == 0, done.err
    return Counter(event["answer"] for event in place.events("decisions"))


def attempts(place: Place, agent: str) -> list[list[dict[str, Any]]]:
    """List an agent's attempts, by question."""
    return [event["attempts"] for event in place.events("analyses") if event["agent"] == agent]


@pytest.mark.parametrize(
    ("mode", "error", "made"),
    [("credit200", "no_credit", 1), ("auth200", "unauthorized", 1), ("rate200", "rate_limited", 2)],
)
def test_error_in_a_successful_response_spends_no_budget(mode: str, error: str, made: int, place: Place) -> None:
    """The agent fails with the class of the code, at no cost, and the budget is left to the others."""
    change = ("/credit200/", f"/{mode}/")
    with played(
        "p1a-error-in-200-budget", place, change, ("backoff_ms = 50 }", "backoff_ms = 50, breaker_failures = 0 }")
    ):
        if mode == "rate200":
            lines = (place.path / "questions.jsonl").read_text().splitlines(keepends=True)
            (place.path / "questions.jsonl").write_text("".join(lines[:2]))
        answers = run(place)
    failed = attempts(place, "poor")
    assert answers == {"B": len(failed)}
    assert {(one["error"], one["cost_nusd"]) for each in failed for one in each} == {(error, 0)}
    assert {len(each) for each in failed} == {made}


def test_half_a_reply_is_no_ballot(place: Place) -> None:
    """A generation that ends in an error is tried again, and never counts."""
    with played("p2a-finish-error", place):
        assert run(place) == {None: 1}
    (made,) = attempts(place, "cut")
    assert [one["error"] for one in made] == ["server_error", "server_error"]


def test_name_of_the_output_limit_is_a_setting(place: Place) -> None:
    """Without it every call is refused, and doctor names it; with it the question is decided."""
    with played("p3a-azure-max-tokens", place):
        found = {line["name"]: line for line in place.orch("--format", "json", "doctor", "--call").lines}
        assert 'output_limit = "max_completion_tokens"' in found["call az"]["remedy"]
        text = (place.path / "orch.toml").read_text()
        (place.path / "orch.toml").write_text(text + 'output_limit = "max_completion_tokens"\n')
        assert run(place) == {"B": 1}


@pytest.mark.parametrize("mode", ["nocount", "nullcount"])
def test_count_that_is_missing_is_unknown(mode: str, place: Place) -> None:
    """Output tokens and cost are null for agents of both kinds."""
    with played("p4a-no-output-count", place, ("/nocount/", f"/{mode}/")):
        assert run(place) == {"B": 1}
    for agent in ("l", "o"):
        ((made,),) = attempts(place, agent)
        assert (made["input_tokens"], made["output_tokens"], made["cost_nusd"]) == (100, None, None)


@pytest.mark.parametrize("kind", ["openai", "litellm"])
@pytest.mark.parametrize("mode", ["parts", "textparts"])
def test_reasoning_part_is_no_ballot(kind: str, mode: str, place: Place) -> None:
    """Text parts are read; thoughts are left out."""
    changes = [("/parts/", f"/{mode}/"), ('kind = "openai"', f'kind = "{kind}"')]
    if kind == "litellm":
        changes.append(('model = "m"', 'model = "openai/m"'))
    with played("p5a-reasoning-part", place, *changes):
        assert run(place) == {"B": 1}
