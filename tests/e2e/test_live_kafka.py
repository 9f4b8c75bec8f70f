"""
Live agents on Kafka through the real command and HTTP.

Another worker makes the calls of a killed worker again, and budgets hold.
"""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from infra.models import Behaviour
from infra.models.server import ModelServer

from ..limits import LIMIT_S
from .live import KEY, MODELS, config, write
from .test_kafka_commands import Cluster, cluster

__all__ = ["cluster"]

pytestmark = pytest.mark.slow

ENV = {"PLANTED_KEY": KEY}
FOLDING = ("route", "merge", "learn", "rank", "deadlines")


def until(condition: Callable[[], bool]) -> None:
    """Wait for something, with a limit."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.02)


@contextmanager
def ended(process: "subprocess.Popen[bytes]", number: signal.Signals) -> Iterator["subprocess.Popen[bytes]"]:
    """Let a process run until the block ends, however that ends, and send it a signal then."""
    try:
        yield process
    finally:
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        assert KEY.encode() not in said


def prepare(cluster: Cluster, text: str) -> None:
    """Make the topics, and adopt the policy of a configuration."""
    (cluster.path / "orch.toml").write_text(text)
    for arguments in (("topics", "create"), ("policy", "adopt")):
        done = cluster.on(*arguments, env=ENV)
        assert done.code == 0, done.err


def test_calls_of_a_killed_worker_are_made_again(cluster: Cluster) -> None:
    """Another worker makes the calls that were in flight, and of each seat the first analysis in the log counts."""
    write(cluster, 10)
    behaviour = Behaviour(key=KEY, latency_ms=3_000)
    with ModelServer(cluster.path / "questions.jsonl", cluster.path / "outputs.jsonl", behaviour) as server:
        prepare(cluster, config(dict.fromkeys(MODELS, "openai"), server.url))
        with cluster.working(*FOLDING, "--state", "-"):
            with ended(cluster.start("--log", cluster.url, "worker", "agents", env=ENV), signal.SIGKILL):
                produced = cluster.on("produce", "questions.jsonl")
                assert produced.code == 0, produced.err
                until(lambda: server.stats()["in_flight"] == 30)
            with ended(cluster.start("--log", cluster.url, "worker", "agents", env=ENV), signal.SIGTERM) as other:
                decided = cluster.json("consume", "decisions", "--follow", "--max", "10").lines
            assert other.returncode == 0
        assert server.stats()["requests"]["total"] == 60
    assert sorted(one["question_id"] for one in decided) == sorted(f"q{number}" for number in range(10))
    assert [(one["status"], one["calls"], len(one["counted"])) for one in decided] == [("decided", 3, 3)] * 10
    replayed = cluster.json("replay")
    assert (replayed.object["different"], replayed.object["pending"]) == (0, 0)


def test_a_budget_holds_on_kafka(cluster: Cluster) -> None:
    """When the money is gone, calls are refused, and every question is decided with what there is, or undecided."""
    write(cluster, 30)
    with ModelServer(cluster.path / "questions.jsonl", cluster.path / "outputs.jsonl", Behaviour(key=KEY)) as server:
        text = config(dict.fromkeys(MODELS, "openai"), server.url, "[budget]\nrun_nusd = 1_500_000\n")
        (cluster.path / "orch.toml").write_text(text)
        assert cluster.on("topics", "create").code == 0
        done = cluster.json("run", "questions.jsonl", env=ENV)
        made = server.stats()["requests"]["total"]
    assert done.code == 0, done.err
    assert 0 < made < 90
    assert (done.object["calls"], done.object["decided"] + done.object["undecided"]) == (made, 30)
    assert done.object["undecided"] > 0
    assert round(done.object["cost_usd"] * 1e9) <= 1_500_000
    assert done.object["replay"]["different"] == 0
    kinds = [event["kind"] for event in cluster.json("consume", "spending").lines]
    assert kinds.count("budget.settled.v1") == made
    assert kinds.count("budget.reserved.v1") == made + kinds.count("budget.refused.v1")
