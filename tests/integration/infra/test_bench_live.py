"""
Live benchmarks at small sizes, beside the server's own counts.

No test here depends on timing.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from infra.bench.figures import Figure
from infra.bench.live import added, flight, panel, plan
from infra.bench.live.plan import Kind, LiveSizes, check
from infra.bench.live.process import elsewhere
from infra.bench.live.world import MODELS, QUESTIONS, World
from infra.bench.proc import HAS_PROC
from infra.bench.workload import OPTIONS
from streams.agents.providers.http import require
from streams.cli.main import run
from streams.errors import InvariantError, OperatorError
from streams.extras import install_command
from streams.processors.answers.v1 import read_choice

TINY = LiveSizes(
    litellm_in_flight=8,
    openai_in_flight=12,
    flight_ms=500,
    waves=3,
    added_calls=10,
    added_ms=50,
    questions=6,
    one_by_one=2,
    panel_ms=20,
    panel_spread_ms=20,
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Questions and outputs of the benchmark."""
    return World.make(tmp_path_factory.mktemp("world"))


def silent(steps: int) -> None:
    """Hear of progress and say nothing."""


@pytest.fixture
def inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """What would run in processes of its own runs in this one, which has imported all it needs."""
    for module in (added, panel):
        monkeypatch.setattr(module, "elsewhere", lambda function, **given: function(**given))


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    """Give figures by what they are called, less what they were measured of."""
    return {figure.name.rpartition(": ")[2]: figure for figure in figures}


@pytest.mark.process
@pytest.mark.parametrize("kind", ["openai", pytest.param("litellm", marks=pytest.mark.slow)])
def test_in_flight(world: World, kind: Kind) -> None:
    """The server sees as many calls at a time as were asked for, and every call once."""
    figures = by_name(flight.measure(world, kind, TINY, 1, silent))
    assert figures["peak seen by the server"].median == TINY.in_flight(kind)
    assert figures["calls"].median == pytest.approx(
        figures["share of the ideal"].median * TINY.in_flight(kind) / (TINY.flight_ms / 1_000)
    )
    assert figures["all at once"].median > 0
    assert 0 < figures["CPU time a call"].median < 1_000
    assert ("memory a call in flight" in figures) == HAS_PROC
    assert all(figure.median >= 0 for figure in figures.values())
    assert {figure.target for figure in figures.values()} == {None}


def test_target_is_for_what_it_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only litellm with a thousand calls in flight has a target."""
    ran = {"per_s": 190.0, "share": 0.95}
    monkeypatch.setattr(flight, "_run", lambda *given: ran)
    found = {
        kind: by_name(flight.measure(world, kind, LiveSizes(), 1, silent))["share of the ideal"] for kind in plan.KINDS
    }
    assert (found["litellm"].target, found["litellm"].met) == (0.9, True)
    assert found["openai"].target is None


@pytest.mark.process
def test_failed_call_is_no_figure() -> None:
    """A call that fails ends the benchmark, and says how it failed."""
    given = {"kind": "openai", "url": "http://127.0.0.1:9/v1", "in_flight": 1, "calls": 3, "latency_s": 0}
    with pytest.raises(InvariantError, match="a call of the benchmark failed: connection"):
        elsewhere(flight.keep_in_flight, **given)


@pytest.mark.process
@pytest.mark.usefixtures("inside")
@pytest.mark.parametrize("way", ["openai", "client", "plain"])
def test_added(world: World, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half and all of the added latencies are given for each way, without the server's own."""
    monkeypatch.setattr(added, "WAYS", {way: way})
    half, most = added.measure(world, TINY, 1, silent)
    assert (half.name, most.name) == (f"added, p50, {way}", f"added, p99, {way}")
    assert 0 < half.median <= most.median


@pytest.mark.process
@pytest.mark.usefixtures("inside")
def test_panel(world: World, tmp_path: Path) -> None:
    """The product and the sequential baseline make the same requests, four a question, and decide the same."""
    figures = {figure.name: figure for figure in panel.measure(world, tmp_path, TINY, 1, silent)}
    assert figures["decisions that are those of the baseline"].median == 100
    assert figures["requests that are those of the baseline"].median == 100
    calls = [figure for name, figure in figures.items() if name.endswith("calls a question")]
    assert [figure.median for figure in calls] == [len(MODELS) + 1] * 3
    assert all(figure.median > 0 for figure in figures.values())
    assert list(tmp_path.iterdir()) == []


def test_models_disagree(world: World) -> None:
    """Recorded answers differ among models on some questions, so that decisions that agree mean something."""
    answers: dict[str, set[str]] = {}
    for line in world.outputs.read_text("utf-8").splitlines():
        output = json.loads(line)
        assert read_choice(output["text"], len(OPTIONS)).answer == output["answer"]
        answers.setdefault(output["question_id"], set()).add(output["answer"])
    assert len(answers) == QUESTIONS
    assert 0.3 < sum(len(given) > 1 for given in answers.values()) / QUESTIONS < 0.9


def test_needs() -> None:
    """More connections than a process may open are told before anything is measured."""
    check(TINY)
    with pytest.raises(OperatorError, match="files are needed"):
        check(replace(TINY, openai_in_flight=10**9))


@pytest.fixture
def no_litellm(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without the extra."""

    def without(package: str, extra: str, agent: str) -> None:
        require("not_there" if package == "litellm" else package, extra, agent)

    monkeypatch.setattr(plan, "require", without)


@pytest.mark.usefixtures("no_litellm")
def test_missing_extra(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Asked for by name without its extra, the benchmark says which one, and nothing is measured."""
    assert run(["bench", "--only", "start", "--only", "live", "--runs", "1"]) == 3
    captured = capfdbinary.readouterr()
    assert captured.out == b""
    assert install_command("litellm").encode() in captured.err


@pytest.mark.process
@pytest.mark.usefixtures("no_litellm")
def test_left_out(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Without its extra the benchmark is left out of the whole, and that is said."""
    monkeypatch.setattr("streams.cli.bench.NAMES", ("start", "live"))
    assert run(["--format", "json", "bench", "--runs", "1"]) == 0
    captured = capfdbinary.readouterr()
    assert [json.loads(line).get("bench") for line in captured.out.splitlines()] == [None, "start", "start"]
    assert b"live is left out" in captured.err
