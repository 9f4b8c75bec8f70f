"""Trouble of providers and budgets, as instruments show it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from infra.models import Behaviour
from infra.models.server import ModelServer
from schemas.decisions import DecisionMade
from schemas.questions import QuestionAsked
from streams.agents.calls.progress import CallProgress
from streams.app.metrics import Counted, instruments
from streams.app.setup import answer, hire
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import Config, RunSettings

from ...e2e.live import KEY, outputs, questions
from ...monitoring import FOLDER, promtool
from .test_served import LOOPBACK, get

COUNT = 16
BUDGET_NUSD = 30_000_000
"""Room for all calls of the first two agents, each with its whole reservation; for none of the third."""
PRICES = {"able": 400_000, "brisk": 400_000, "crude": 40_000_000}
"""Of output; a call reserves that of 1,024 tokens or more."""


class Troubled:
    """A run in which one provider always fails, and one agent is dearer than the budget allows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PLANTED_KEY", KEY)
        asked = questions(COUNT)
        self.ready: tuple[int, Any] = (0, None)
        urls: list[str] = []
        with (
            ModelServer(asked, outputs(asked), Behaviour(key=KEY)) as server,
            instruments(LOOPBACK, "run", (), lambda url, text: urls.append(url)) as shown,
            capture_logs() as self.said,
        ):
            assert shown is not None
            server.fail_next("brisk", *["server-error"] * COUNT)
            setup = hire(self._config(server.url), (), "2026-05-01T00:00:00.000Z")
            assert setup is not None

            def hear(event: object) -> tuple[()]:
                if isinstance(event, DecisionMade):
                    shown.health.look()
                    status, body = get(urls[0], "/readyz")
                    self.ready = status, json.loads(body)
                return ()

            with EmbeddedWriter(folder / "orch.db", PROCESSORS, clock=wall_clock_ms) as log:
                counted = Counted(CallProgress(), shown)
                answer(log, setup, map(_asked, asked), run=RunSettings(), listener=hear, counted=counted)
            self.scrape = get(urls[0], "/metrics")[1].decode()

    def _config(self, url: str) -> Config:
        agents = [
            {
                "kind": "openai",
                "name": name,
                "model": name,
                "base_url": url,
                "key_env": "PLANTED_KEY",
                "price": {"input_nusd_per_ktoken": 100_000, "output_nusd_per_ktoken": price},
                "limits": {"max_attempts": 1, "concurrent": 1},
            }
            for name, price in PRICES.items()
        ]
        fields = {"agents": agents, "routing": {"rule": "static", "panel_size": 3}, "merge": {"rule": "vote"}}
        return Config(fields={**fields, "budget": {"run_nusd": BUDGET_NUSD}})


def _asked(line: dict[str, Any]) -> QuestionAsked:
    fields = {name: value for name, value in line.items() if name != "gold"}
    fields["occurred_at"] = fields["occurred_at"].replace("Z", ".000Z")
    return QuestionAsked(**{**fields, "options": tuple(fields.get("options", ()))})


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Troubled:
    """Give one such run."""
    with pytest.MonkeyPatch.context() as patch:
        return Troubled(tmp_path_factory.mktemp("troubled"), patch)


def value(scrape: str, name: str, **labels: str) -> float:
    """Read one sample."""
    families = text_string_to_metric_families(scrape)
    return sum(one.value for family in families for one in family.samples if (one.name, one.labels) == (name, labels))


def test_metrics_show_both(troubled: Troubled) -> None:
    """Failed attempts by class, the open circuit breaker, and calls that the budget forbade."""
    assert value(troubled.scrape, "orch_call_attempts_total", agent="brisk", outcome="server_error") >= 10
    assert value(troubled.scrape, "orch_circuit_breaker_open", agent="brisk") == 1
    assert value(troubled.scrape, "orch_circuit_breaker_open", agent="able") == 0
    assert value(troubled.scrape, "orch_budget_refusals_total", limit="run") == COUNT


def test_readiness_tells_of_both(troubled: Troubled) -> None:
    """The process works, so it is ready; what is wrong around it is told."""
    status, judged = troubled.ready
    assert (status, judged["ready"], judged["because"]) == (200, True, [])
    assert any("agent brisk is left alone" in why for why in judged["troubles"])
    assert any("the budget of the run is spent" in why for why in judged["troubles"])


def test_the_log_tells_of_both(troubled: Troubled) -> None:
    """Each once, as a warning with the figures."""
    told = {line["event"]: line for line in troubled.said if line["log_level"] == "warning"}
    assert told["agent_left_alone"]["agent"] == "brisk"
    assert told["budget_spent"]["limit"] == "run"


@pytest.mark.process
def test_alerts_fire_on_what_was_scraped(troubled: Troubled, tmp_path: Path) -> None:
    """Prometheus that saw the counters rise to these values fires the alert of each trouble."""
    series = [
        {"series": f"{one.name}{{{labels}}}", "values": f"0x6 {one.value!r}x60"}
        for family in text_string_to_metric_families(troubled.scrape)
        for one in family.samples
        if family.name in ("orch_call_attempts", "orch_circuit_breaker_open", "orch_budget_refusals")
        for labels in (", ".join(f"{name}={json.dumps(text)}" for name, text in one.labels.items()),)
    ]
    fired = [
        {"expr": f'count(ALERTS{{alertname="{name}", alertstate="firing"}})', "eval_time": at, "exp_samples": samples}
        for name in ("OrchProviderFails", "OrchAgentLeftAlone", "OrchBudgetSpent")
        for at, samples in (("50s", []), ("4m", [{"labels": "{}", "value": 1}]))
    ]
    tests = [{"interval": "10s", "input_series": series, "promql_expr_test": fired}]
    rules = {"rule_files": [str(FOLDER / "alerts.yml")], "evaluation_interval": "10s", "tests": tests}
    (tmp_path / "test.yml").write_text(yaml.safe_dump(rules))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
