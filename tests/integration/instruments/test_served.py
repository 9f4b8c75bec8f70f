"""Metrics and probes of a run over HTTP."""

import http.client
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.decisions import DecisionMade
from streams.agents.calls.progress import CallProgress
from streams.app.metrics import Counted, Instruments, instruments
from streams.app.setup import answer, hire
from streams.errors import OperatorError, UsageError
from streams.instruments.address import Address, parse_address
from streams.log import read_event, wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import Config, RunSettings

from ...worlds import question

LOOPBACK = Address("127.0.0.1", 0)
PRICE = {"input_nusd_per_ktoken": 5_000_000, "output_nusd_per_ktoken": 15_000_000}
AGENTS = Config(
    fields={"agents": [{"kind": "simulated", "name": name, "price": PRICE} for name in ("ann", "ben", "cat")]}
)


def get(url: str, path: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask for a page."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=120)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, body


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """Give the samples of a scrape by name and values of labels."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Scraped:
    """A log of thirty questions, and what was scraped before, while and after they were decided."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "orch.db"
        self.pages: dict[str, tuple[int, Any]] = {}
        self.told: list[str] = []
        setup = hire(AGENTS, (), "2026-05-01T00:00:00.000Z")
        assert setup is not None
        with instruments(LOOPBACK, "run", (), lambda url, text: self.told.extend((url, text))) as shown:
            assert shown is not None
            url = self.told[0]
            self._look(url, "before")

            def hear(event: object) -> Iterator[Any]:
                if isinstance(event, DecisionMade) and event.question_id == "q15":
                    self._look(url, "while")
                return iter(())

            with EmbeddedWriter(self.log, PROCESSORS, clock=wall_clock_ms) as log:
                asked = [question(f"q{number}") for number in range(30)]
                counted = Counted(CallProgress(), shown)
                answer(log, setup, asked, run=RunSettings(), listener=hear, counted=counted)
            self._look(url, "after")
            self.scrape = get(url, "/metrics")[1].decode()
            self.refused = get(url, "/metrics", "POST")[0], get(url, "/nosuch")[0], get(url, "/metrics", "HEAD")
        self.values = samples(self.scrape)

    def _look(self, url: str, when: str) -> None:
        for path in ("/readyz", "/healthz"):
            status, body = get(url, path)
            self.pages[when + path] = status, json.loads(body)


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    """Give one run with metrics."""
    return Scraped(tmp_path_factory.mktemp("scraped"))


def test_events_are_those_of_the_log(scraped: Scraped) -> None:
    """Every event is counted once, by topic and kind, inputs and derived ones alike."""
    with EmbeddedReader(scraped.log) as reader:
        held = Counter((record.topic, read_event(record).kind) for record in reader.records())
    told = {labels: value for (name, labels), value in scraped.values.items() if name == "orch_events_total"}
    assert {(topic, kind): value for (kind, topic), value in told.items()} == held


def test_decisions_and_calls_add_up(scraped: Scraped) -> None:
    """Decisions by reason, their times, and attempts, time and spend by agent are those of the events."""
    with EmbeddedReader(scraped.log) as reader:
        decisions = [
            event
            for record in reader.records(("orch.decisions",))
            if isinstance(event := read_event(record), DecisionMade)
        ]
    values = scraped.values
    by_reason = Counter((decision.reason, decision.status) for decision in decisions)
    told = {labels: value for (name, labels), value in values.items() if name == "orch_decisions_total" and value}
    assert told == by_reason
    assert values["orch_decision_seconds_count", ()] == len(decisions) == 30
    spent = sum(value for (name, _), value in values.items() if name == "orch_spend_nusd_total")
    assert spent == sum(decision.cost_nusd for decision in decisions) > 0
    calls = sum(value for (name, _), value in values.items() if name == "orch_call_attempts_total")
    assert calls == sum(decision.calls for decision in decisions)
    assert values["orch_questions_open", ()] == values["orch_lag_records", ("", "all")] == 0


def test_readiness_follows_the_work(scraped: Scraped) -> None:
    """Not ready before the work begins and after it ends, ready between; alive all the time."""
    assert scraped.pages["before/readyz"] == (
        503,
        {"ready": False, "because": ["it has not started"], "troubles": []},
    )
    assert scraped.pages["while/readyz"] == (200, {"ready": True, "because": [], "troubles": []})
    assert scraped.pages["after/readyz"][1]["because"] == ["it has ended its work"]
    assert {scraped.pages[f"{when}/healthz"][0] for when in ("before", "while", "after")} == {200}


def test_other_requests_are_refused(scraped: Scraped) -> None:
    """Nothing can be written, and no other page is there."""
    posted, unknown, (status, body) = scraped.refused
    assert (posted, unknown, status, body) == (405, 404, 200, b"")


def test_loopback_needs_no_warning(scraped: Scraped) -> None:
    """Only this machine reads it, so the URL and its pages are all that is told."""
    url, text = scraped.told
    assert text == f"Metrics on {url}/metrics, probes on /healthz and /readyz."


def test_another_address_says_what_it_exposes() -> None:
    """Whoever opens the port to a network is told what can be read there."""
    told: list[str] = []
    with instruments(Address("0.0.0.0", 0), "run", (), lambda url, text: told.append(text)):
        pass
    assert "no question, no answer and no key" in told[0]


def test_without_an_address_nothing_is_counted() -> None:
    """Off by default: no thread, no meters."""
    with instruments(None, "run", (), lambda url, text: None) as shown:
        assert shown is None


def test_a_taken_port_is_an_environment_error() -> None:
    """The address and the reason are named."""
    told: list[str] = []
    with instruments(LOOPBACK, "run", (), lambda url, text: told.append(url)):
        taken = parse_address(told[0].removeprefix("http://"))
        with pytest.raises(OperatorError, match="cannot listen there"), instruments(taken, "run", (), lambda *_: None):
            pass


@pytest.mark.parametrize("text", ["9464", ":9464", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:\u0663"])
def test_an_address_is_a_host_and_a_port(text: str) -> None:
    """Anything else is refused with the form to write."""
    with pytest.raises(UsageError, match="no address to listen on"):
        parse_address(text)


def test_addresses_of_this_machine_are_known() -> None:
    """Names and both versions of IP."""
    loopback = [parse_address(text).is_loopback for text in ("localhost:1", "127.0.0.9:1", "[::1]:1")]
    others = [parse_address(text).is_loopback for text in ("0.0.0.0:1", "[::]:1", "10.0.0.1:1", "broker:1")]
    assert (all(loopback), any(others)) == (True, False)
    assert str(parse_address("[::1]:9464")) == "[::1]:9464"


def test_instruments_are_two_things() -> None:
    """A command gets meters to count with, and the judgement of its health."""
    with instruments(LOOPBACK, "run", (), lambda url, text: None) as shown:
        assert isinstance(shown, Instruments)
        assert shown.health.alive
