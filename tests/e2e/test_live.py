"""
Live agents through the real command and real HTTP.

They give the same answers, every attempt is accounted for, and no key appears anywhere.
"""

import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from infra.models import FAULTS, Behaviour, FaultPlan
from infra.models.server import ModelServer

from ..limits import LIMIT_S
from .command import Place
from .live import KEY, MODELS, analyses, answers, attempts, config, fates, leaks, write

ENV = {"PLANTED_KEY": KEY}


@pytest.mark.parametrize("kind", ["openai", "litellm"])
def test_a_live_run_gives_the_answers_of_the_recordings(kind: str, place: Place) -> None:
    """What comes through prompts, HTTP and the reader is what the recordings say, so the decisions are the same."""
    write(place, 25)
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", Behaviour(key=KEY)) as server:
        (place.path / "live.toml").write_text(config(dict.fromkeys(MODELS, kind), server.url))
        live = place.orch("--config", "live.toml", "--format", "json", "run", "questions.jsonl", env=ENV)
        assert live.code == 0, live.err
        assert server.stats()["requests"]["total"] == 75
    rules = config({}, "").replace("panel_size = 0", "panel_size = 3")
    (place.path / "recorded.toml").write_text(rules)
    recorded = place.orch(
        *("--log", "sqlite:///recorded.db", "--config", "recorded.toml", "--format", "json"),
        *("run", "questions.jsonl", "--outputs", "outputs.jsonl"),
    )
    assert recorded.code == 0, recorded.err
    assert answers(place) == answers(place, "recorded.db")
    said = {(one["question_id"], one["agent"]): one["text"] for one in analyses(place)}
    assert said == {(one["question_id"], one["agent"]): one["text"] for one in analyses(place, "recorded.db")}
    for name in ("correct", "accuracy", "vote_accuracy", "calls", "decided"):
        assert live.object[name] == recorded.object[name]
    assert live.object["replay"]["different"] == 0


def test_every_attempt_says_what_was_asked_and_what_it_cost(place: Place) -> None:
    """Model, request hash, tokens, cost by the policy's prices, and the provider's own words are in the event."""
    write(place, 3)
    behaviour = Behaviour(key=KEY, model_suffix="-2026-03-01")
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", behaviour) as server:
        (place.path / "orch.toml").write_text(config({"able": "openai", "brisk": "litellm"}, server.url))
        assert place.orch("run", "questions.jsonl", env=ENV).code == 0
    found = list(attempts(place))
    assert len(found) == 6
    for agent, attempt in found:
        provider = attempt["provider"]
        assert provider["model"].removeprefix("openai/") == agent
        assert (provider["reported_model"], provider["finish_reason"]) == (f"{agent}-2026-03-01", "stop")
        assert provider["fingerprint"]
        assert len(provider["request_hash"]) == 64
        thousandfold = attempt["input_tokens"] * 100_000 + attempt["output_tokens"] * 400_000
        assert abs(attempt["cost_nusd"] * 1_000 - thousandfold) <= 500
        assert attempt["latency_ms"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["openai", "litellm"])
def test_faults_of_all_classes_leave_nothing_open_and_nothing_unaccounted_for(kind: str, place: Place) -> None:
    """With a fifth of all calls failing in every way, all is decided, in budget, and the EMA shows whose calls fail."""
    asked = write(place, 80)
    shares = dict.fromkeys(FAULTS, 0.2 / len(FAULTS))
    plan = FaultPlan({name: 3 * share for name, share in shares.items()}, models=frozenset({"crude"}), seed=5)
    behaviour = Behaviour(key=KEY, faults=plan, drip_s=20, retry_after_s=0)
    budget = "[budget]\nquestion_nusd = 20_000_000\nrun_nusd = 1_000_000_000\n[run]\nlive_window = 16\n"
    limits = "timeout_ms = 3_000, max_attempts = 3, backoff_ms = 20, breaker_failures = 0"
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", behaviour) as server:
        (place.path / "orch.toml").write_text(config(dict.fromkeys(MODELS, kind), server.url, budget, limits=limits))
        done = place.orch("--format", "json", "--verbose", "run", "questions.jsonl", "--feedback", "gold", env=ENV)
        stats = server.stats()
    assert done.code == 0, done.err
    assert done.object["decided"] + done.object["undecided"] == len(asked)
    assert sum(stats["requests"]["by_fault"].values()) > 20
    # Each request that the server saw is an attempt in the log, and each attempt was a request.
    calls = Counter(agent for agent, attempt in attempts(place) if attempt["outcome"] != "refused")
    assert calls == stats["requests"]["by_model"]
    assert fates(place).keys() >= {"rate_limited", "server_error", "timeout", "ok"}
    spent = [attempt["cost_nusd"] or 0 for _, attempt in attempts(place)]
    assert 0 < sum(spent) <= 1_000_000_000
    stability = {entry["agent"]: entry["stability_ppb"] for entry in place.events("router") if entry["scope"] == "*"}
    assert stability["crude"] < min(stability["able"], stability["brisk"])
    assert done.object["replay"]["different"] == 0
    assert leaks(place, done.out, done.err) == []


def test_a_run_stops_spending_at_its_budget(place: Place) -> None:
    """Calls for which there is no money are refused and not made; every question has its decision all the same."""
    write(place, 30)
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", Behaviour(key=KEY)) as server:
        (place.path / "orch.toml").write_text(
            config(dict.fromkeys(MODELS, "openai"), server.url, "[budget]\nrun_nusd = 1_500_000\n")
        )
        done = place.orch("--format", "json", "run", "questions.jsonl", env=ENV)
        made = server.stats()["requests"]["total"]
    assert done.code == 0, done.err
    assert 0 < made < 90
    assert done.object["calls"] == made
    assert done.object["undecided"] > 0
    assert round(done.object["cost_usd"] * 1e9) <= 1_500_000
    assert fates(place)["run_budget"] == 90 - made


def test_a_call_that_was_answered_before_is_not_made_again(place: Place) -> None:
    """With a store of replies, the same request costs nothing the second time, and the event says so."""
    write(place, 4)
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", Behaviour(key=KEY)) as server:
        text = config(dict.fromkeys(MODELS, "openai"), server.url, '[run]\nreplies = "replies.db"\n')
        (place.path / "orch.toml").write_text(text)
        for log in ("first", "second"):
            done = place.orch("--log", f"sqlite:///{log}.db", "run", "questions.jsonl", env=ENV)
            assert done.code == 0, done.err
        assert server.stats()["requests"]["total"] == 12
    cached = {
        log: [one["attempts"][0]["provider"]["cached"] for one in analyses(place, f"{log}.db")]
        for log in ("first", "second")
    }
    assert cached == {"first": [False] * 12, "second": [True] * 12}
    assert {one["attempts"][0]["cost_nusd"] for one in analyses(place, "second.db")} == {0}
    assert answers(place, "first.db") == answers(place, "second.db")


@pytest.mark.slow
def test_calls_of_a_killed_run_are_made_again(place: Place) -> None:
    """Killed with calls in flight, the run goes on when it is started again: one analysis for each seat counts."""
    write(place, 12)
    behaviour = Behaviour(key=KEY, latency_ms=1_500)
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", behaviour) as server:
        (place.path / "orch.toml").write_text(config(dict.fromkeys(MODELS, "openai"), server.url))
        with place.start("run", "questions.jsonl", env=ENV) as running:
            limit = time.monotonic() + LIMIT_S
            while server.stats()["in_flight"] < 36:
                assert running.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.02)
            running.send_signal(signal.SIGKILL)
            running.communicate()
        done = place.orch("--format", "json", "run", "questions.jsonl", env=ENV)
        assert done.code == 0, done.err
        assert server.stats()["requests"]["total"] == 72
    assert done.object["decided"] == 12
    assert done.object["calls"] == 36
    assert Counter((one["question_id"], one["agent"]) for one in analyses(place)).total() == 36
    assert done.object["replay"]["different"] == 0


def test_a_missing_key_is_named_before_anything_is_written(place: Place) -> None:
    """Exit code 3, the agent and the variable in the message, and no log."""
    write(place, 1)
    (place.path / "orch.toml").write_text(config({"able": "openai"}, "http://127.0.0.1:1/v1"))
    done = place.orch("run", "questions.jsonl")
    assert done.code == 3
    assert "able" in done.err
    assert "PLANTED_KEY" in done.err
    assert not Path(place.path, "orch.db").exists()


def test_the_key_is_nowhere_even_if_the_provider_repeats_it(place: Place) -> None:
    """Neither in the log, nor in what any command prints, nor in a file beside it."""
    write(place, 6)
    plan = FaultPlan(
        sequences={"able": ["unauthorized"] * 2, "brisk": ["echo-key"] * 6, "crude": ["server-error"] * 18}
    )
    behaviour = Behaviour(key=KEY, faults=plan)
    with ModelServer(place.path / "questions.jsonl", place.path / "outputs.jsonl", behaviour) as server:
        (place.path / "orch.toml").write_text(config(dict.fromkeys(MODELS, "litellm"), server.url))
        said = [
            place.orch(*arguments, env=ENV)
            for arguments in (
                ("doctor",),
                ("--format", "json", "doctor"),
                ("--verbose", "run", "questions.jsonl"),
                ("explain", "q1"),
                ("--format", "json", "explain", "q1"),
                ("replay",),
                ("consume", "analyses"),
                ("router",),
            )
        ]
        assert server.stats()["requests"]["by_fault"]["echo-key"] > 0
    assert leaks(place, *(text for one in said for text in (one.out, one.err))) == []
    assert any("[key]" in one["text"] for one in analyses(place))
    with closing(sqlite3.connect(place.path / "orch.db")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
