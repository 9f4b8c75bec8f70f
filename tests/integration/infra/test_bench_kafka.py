"""
Kafka benchmarks at small sizes, and their cleanup.

They leave nothing on the cluster.
"""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from infra.bench.figures import Figure
from infra.bench.kafka import added, decided, inputs, restart
from infra.bench.kafka.load import Load
from infra.bench.kafka.plan import KafkaPlan, KafkaSizes
from infra.bench.kafka.processes import OTHERS, BenchWorker, Meter, broker_pid
from infra.bench.kafka.profile import profile
from infra.bench.kafka.suite import KAFKA_BENCHES
from infra.bench.proc import cpu_s
from streams.cli.bench import KAFKA_NAMES
from streams.cli.main import run
from streams.errors import InvariantError
from streams.runtimes.kafka.client.connection import parse_connection
from streams.runtimes.kafka.client.topics import administered

TINY = KafkaSizes(runs=1, warm_up=20, asked=40, open=20, steady_s=1.0, backlog=40, pending=200)


def silent(steps: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def plan(broker: Any, tmp_path: Path) -> KafkaPlan:
    """The smallest plan, on a cluster whose other topics must stay as they are."""
    return KafkaPlan(parse_connection(broker.bootstrap, {}), TINY, tmp_path)


def measured(plan: KafkaPlan, measure: Callable[..., Coroutine[Any, Any, list[Figure]]]) -> dict[str, Figure]:
    """Run a benchmark, and make sure that it leaves no topic."""

    async def body() -> list[Figure]:
        figures = await asyncio.wait_for(measure(plan, silent), 120)
        async with administered(plan.connection) as admin:
            assert not [topic for topic in await admin.list_topics() if topic.startswith("bench-")]
        return figures

    return {figure.name: figure for figure in asyncio.run(body())}


@pytest.mark.slow
def test_decided(plan: KafkaPlan) -> None:
    """Speed and CPU time are those of a real run: 25 events a question, each process by itself."""
    figures = measured(plan, decided.measure)
    assert figures["decided questions"].target == 120
    assert figures["decided questions"].median >= figures["decided and learned"].median > 0
    # A panel of three makes 25. These are among the first questions, of which all five agents are asked.
    assert 25 <= figures["events"].median <= 39
    for process in ("broker", "worker all", "bench"):
        assert figures[f"CPU, {process}"].median > 0
    assert figures["cores busy with other work"].median >= 0
    assert "worker" in figures["decided questions"].note


@pytest.mark.slow
def test_added_latency(plan: KafkaPlan) -> None:
    """The agents' own time is taken off: what is left of calls of 200 ms is no more than without."""
    figures = measured(plan, added.measure)
    assert [figure.target for figure in figures.values()] == [40, 150, 40, 150]
    assert 0 < figures["added, p50, agents answer at once"].median < 2_000
    assert 0 < figures["added, p50, agents take 200 ms"].median < 2_000


@pytest.mark.slow
def test_inputs(plan: KafkaPlan) -> None:
    """Each stage goes through a backlog alone."""
    figures = measured(plan, inputs.measure)
    for stage in ("route", "merge", "learn", "rank"):
        assert figures[f"{stage}, input records"].median > 0
    assert figures["start to first record written"].median > 0


@pytest.mark.slow
def test_restart(plan: KafkaPlan) -> None:
    """A worker comes back in each way, and decides in every partition."""
    figures = measured(plan, restart.measure)
    assert all(0 < figures[case.name].median < 60 for case in restart.CASES)
    assert figures["peak memory, stopped, with its disk"].median > 10


@pytest.mark.slow
def test_profile(plan: KafkaPlan) -> None:
    """A profile has every worker, and its shares are shares of the whole."""
    (worker,) = asyncio.run(profile(plan))
    assert worker.worker == "all"
    assert sum(share for _, share in worker.shares) == pytest.approx(1)
    assert {"aiokafka", "runtime", "processors"} <= set(dict(worker.shares))
    assert "function calls" in worker.functions


def test_worker_that_ends_is_no_worker(plan: KafkaPlan) -> None:
    """A worker process that cannot work ends the benchmark, with its own words."""

    async def body() -> None:
        async with BenchWorker(plan.connection, ("nonsense",), plan) as worker:
            while True:
                worker.require()
                await asyncio.sleep(0.02)

    with pytest.raises(InvariantError, match=r"(?s)`orch worker nonsense` ended with 2: .*'nonsense' is not one of"):
        asyncio.run(asyncio.wait_for(body(), 30))


def test_meter(plan: KafkaPlan, broker: Any) -> None:
    """CPU time is counted by process, and what is none of them apart."""
    assert broker_pid(plan.connection) == broker.pid
    assert broker_pid(parse_connection("kafka.example.org:9092", {})) is None
    meter = Meter(plan.connection, ())
    before = cpu_s(os.getpid())
    while cpu_s(os.getpid()) < before + 0.1:
        pass
    assert meter.read()["bench"] > 0.05
    assert list(meter.read()) == ["broker", "bench", OTHERS]


def test_late_question_has_waited() -> None:
    """Latency begins when a question was meant to be asked: a client that could not send in time hides nothing."""
    asked: list[bytes] = []

    class Slow:
        """Takes its time for the first record."""

        async def send(self, topic: str, value: bytes, key: bytes) -> None:
            if topic.endswith("questions"):
                await asyncio.sleep(0 if asked else 0.3)
                asked.append(key)

        async def flush(self) -> None:
            """Have nothing to wait for."""

        async def getmany(self, timeout_ms: int) -> dict[int, list[Any]]:
            await asyncio.sleep(0.005)
            keys, asked[:] = [*asked], [b"still not empty"] if asked else []
            return {0: [SimpleNamespace(key=key, value=b"{}") for key in keys]}

    log = parse_connection("nowhere", {})
    watch: Any = SimpleNamespace(log=log, require=lambda since: None)
    load = Load(watch, Slow(), Slow())
    asyncio.run(asyncio.wait_for(load.steady(10, per_s=50), 10))
    waited = list(load.waited_s.values())
    assert waited[0] > 0.3
    assert waited[1] == pytest.approx(waited[0] - 0.02, abs=0.05)
    assert len(waited) == 10


@pytest.mark.slow
def test_command(capfdbinary: pytest.CaptureFixture[bytes], plan: KafkaPlan, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a log on Kafka the command measures that runtime, split as it is told."""
    monkeypatch.setattr("infra.bench.kafka.plan.QUICK", TINY)
    split = ["--worker", "route,merge,learn,rank", "--worker", "agents,deadlines"]
    log = f"{plan.connection.url}/mine"
    assert run(["--format", "json", "--log", log, "bench", "--quick", "--only", "decided", *split]) == 0
    about, *figures = map(json.loads, capfdbinary.readouterr().out.splitlines())
    assert about["machine"]["broker"] == f"{log} on this machine"
    assert {"CPU, worker route merge learn rank", "CPU, worker agents deadlines"} <= {one["name"] for one in figures}
    assert list(KAFKA_BENCHES) == list(KAFKA_NAMES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "replay"], "'replay' is not measured on this log"),
        (["--worker", "route,nonsense"], "there is no stage 'nonsense'"),
    ],
)
def test_what_cannot_be_measured(capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str], said: str) -> None:
    """A benchmark of the other runtime, or a stage that is none, is refused before anything is asked of a broker."""
    assert run(["--log", "kafka://nowhere.invalid:1", "bench", *arguments]) == 2
    assert said in capfdbinary.readouterr().err.decode()


@pytest.mark.parametrize("option", [["--worker", "all"], ["--engine", "faust"]])
def test_options_of_the_other_runtime(capfdbinary: pytest.CaptureFixture[bytes], option: list[str]) -> None:
    """Options that mean nothing on an embedded log are refused."""
    assert run(["bench", "--only", "start", *option]) == 2
    assert f"{option[0]} is for logs on Kafka" in capfdbinary.readouterr().err.decode()


def test_no_broker(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without a broker nothing is measured, and it says so."""
    assert run(["--log", "kafka://127.0.0.1:1", "bench", "--only", "decided"]) == 3
    assert "no broker answers" in capfdbinary.readouterr().err.decode()
