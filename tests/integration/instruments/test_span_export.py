"""Spans on their way to a collector in trouble."""

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from streams.app.metrics import instruments
from streams.app.traces import traces
from streams.errors import OperatorError
from streams.extras import install_command
from streams.instruments import span_export
from streams.instruments.address import Address
from streams.instruments.meters import LOSSES
from streams.instruments.names import SPANS_LOST, SPANS_SENT, Metric
from streams.instruments.samplers import FixedPart, MostPerSecond
from streams.instruments.span_export import Collector, SpanExporter
from streams.instruments.spans import parts_of, question_span
from streams.instruments.trace_context import context_of
from streams.instruments.tracer import Tracer

from ...limits import LIMIT_S
from ...span_collector import Collector as Receiver
from ...span_collector import collecting

LOOPBACK = Address("127.0.0.1", 0)


def span(number: int) -> bytes:
    """Give something to send."""
    question_id = f"q{number}"
    parts = parts_of(question_id, context_of(question_id, None))
    return question_span(parts, "decided", "panel complete", 3, 0, 1_000, 2_000)


def exporter(url: str) -> SpanExporter:
    """Make one that sends there."""
    return SpanExporter(Collector(url, {}, urllib.request.build_opener()), {"service.name": "s"}, "1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Give a collector."""
    with collecting() as running:
        yield running


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let time between exports be short."""
    monkeypatch.setattr(span_export, "EVERY_S", 0.01)


def until(condition: object) -> None:
    """Wait until something holds."""
    end = time.monotonic() + LIMIT_S
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)


def unused_port() -> int:
    """Find a port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.mark.usefixtures("hurried")
def test_an_absent_collector_costs_spans_and_two_lines() -> None:
    """Who puts is never kept waiting. What finds no room is counted; the log says why once, and how many at the end."""
    with capture_logs() as said:
        sending = exporter(f"http://127.0.0.1:{unused_port()}/v1/traces")
        sending.put(span(0))
        until(lambda: said)
        for number in range(span_export.MOST + 100):
            sending.put(span(number))
        assert sending.lost >= 100
        sending.close()
    assert [line["event"] for line in said] == ["traces_not_sent", "traces_lost"]
    assert "refused" in said[0]["why"]
    assert said[0]["remedy"]
    assert (said[1]["sent"], said[1]["lost"]) == (0, span_export.MOST + 101)


@pytest.mark.usefixtures("hurried")
def test_a_collector_that_comes_back_gets_what_waited(receiver: Receiver) -> None:
    """Statuses that may pass are tried again with the same spans; the log says that it is back."""
    receiver.answers = [503, 429]
    with capture_logs() as said:
        sending = exporter(f"{receiver.url}/v1/traces")
        for number in range(3):
            sending.put(span(number))
        until(lambda: sending.sent == 3)
        sending.close()
    assert [line["event"] for line in said] == ["traces_not_sent", "traces_sent_again"]
    assert said[0]["why"] == "HTTP 503"
    assert len(receiver.spans) == 3


@pytest.mark.usefixtures("hurried")
def test_what_a_collector_will_never_take_is_dropped(receiver: Receiver) -> None:
    """A request that it calls wrong is not sent twice, and those after it are sent."""
    receiver.answers = [400]
    with capture_logs() as said:
        sending = exporter(receiver.url)
        sending.put(span(0))
        until(lambda: sending.lost == 1)
        sending.put(span(1))
        until(lambda: sending.sent == 1)
        sending.close()
    assert [one.attributes["orch.question.id"] for one in receiver.spans] == ["q1"]
    assert said[-1]["event"] == "traces_lost"


@pytest.mark.usefixtures("hurried")
def test_lost_spans_are_a_metric(receiver: Receiver) -> None:
    """Those that a collector refused, and those that found no room while it was away, each from zero on."""
    receiver.answers = [400]
    with capture_logs(), instruments(LOOPBACK, "run", (), lambda *_: None) as shown:
        assert shown is not None

        def value(metric: Metric, *labels: str) -> float:
            return shown.meters.values(metric)[labels]

        assert [value(SPANS_LOST, reason) for reason in LOSSES] == [value(SPANS_SENT)] * 2 == [0, 0]
        with traces(receiver.url, "run", lambda *_: None, shown) as tracer:
            assert tracer is not None
            tracer.sent(MADE, ())
            until(lambda: value(SPANS_LOST, "refused") == 1)
            tracer.sent(MADE, ())
            until(lambda: value(SPANS_SENT) == 1)
            receiver.answers = [503] * 1_000
            for _ in range(span_export.MOST + span_export.BATCH + 100):
                tracer.sent(MADE, ())
            assert value(SPANS_LOST, "no_room") >= 100
            receiver.answers = []
            until(lambda: value(SPANS_SENT) > 1)
            assert value(SPANS_LOST, "refused") == 1


MADE = {
    "question_id": "q",
    "status": "decided",
    "reason": "panel complete",
    "rule": "vote.v1",
    "counted": [],
    "excluded": [],
}
"""What of a decision's record a trace needs."""


def test_spans_that_a_collector_rejects_are_counted(receiver: Receiver) -> None:
    """It takes the request, and says of how many spans it did not."""
    receiver.rejects = 2
    with capture_logs():
        sending = exporter(receiver.url)
        for number in range(5):
            sending.put(span(number))
        sending.close()
    assert (sending.sent, sending.lost) == (3, 2)


def test_the_end_sends_what_waits_and_does_not_wait_for_long(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last spans go out at once; a collector that hangs then is left alone."""
    sending = exporter(receiver.url)
    for number in range(span_export.BATCH + 1):
        sending.put(span(number))
    sending.close()
    assert len(receiver.spans) == span_export.BATCH + 1
    assert len(receiver.bodies) == 2
    monkeypatch.setattr(span_export, "CLOSE_S", 0.05)
    receiver.held = threading.Event()
    with capture_logs() as said:
        hanging = exporter(receiver.url)
        hanging.put(span(0))
        hanging.close()
    assert said[-1]["event"] == "traces_lost"


def test_a_part_of_the_traces_is_sent_whole(receiver: Receiver) -> None:
    """Which ones follows from their ids alone."""
    sending = exporter(receiver.url)
    tracer = Tracer(sending, FixedPart(0.25))
    for number in range(400):
        tracer.sent({**MADE, "question_id": f"q{number}"}, ())
    sending.close()
    first = {one.trace_id for one in receiver.spans}
    assert 60 < len(first) < 140
    assert all(int(trace_id[16:], 16) < 1 << 62 for trace_id in first)


def test_who_began_a_trace_chooses_whether_it_is_made(receiver: Receiver) -> None:
    """What it does not want is never made; what it wants is made if the sampler keeps such traces, or wants it too."""
    sending = exporter(receiver.url)
    wanted, unwanted = "3" * 32, "4" * 32
    for sampler in (FixedPart(0), FixedPart(0, keeps_begun=True), FixedPart(1), MostPerSecond()):
        tracer = Tracer(sending, sampler)
        tracer.sent(MADE, (("traceparent", f"00-{wanted}-{'5' * 16}-01".encode()),))
        tracer.sent(MADE, (("traceparent", f"00-{unwanted}-{'5' * 16}-00".encode()),))
    sending.close()
    assert [one.trace_id for one in receiver.spans] == [wanted] * 3


@pytest.mark.parametrize("others", [True, False], ids=["beside other parts", "alone"])
def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, others: bool) -> None:
    """Without OpenTelemetry's messages `--traces` says what to install, whatever else of it is there."""

    def find(name: str) -> None:
        if not others:
            raise ModuleNotFoundError(name)

    monkeypatch.setattr("importlib.util.find_spec", find)
    with pytest.raises(OperatorError, match="needs opentelemetry-proto") as caught:
        traces("http://h", "run", lambda *_: None).__enter__()
    assert caught.value.remedy == install_command("otel")


OFF = """
import sys
from streams.cli.main import run
assert run(["--config", "orch.toml", "demo", "--questions", "5"]) == 0
loaded = [name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google")]
loaded += [name for name in sys.modules if name in ("streams.instruments.otlp", "streams.instruments.span_export")]
assert not loaded, loaded
"""


@pytest.mark.process
def test_off_nothing_is_imported(tmp_path: Path) -> None:
    """Without the option nothing of OpenTelemetry is loaded, though the environment names a collector."""
    (tmp_path / "orch.toml").write_text("")
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", OFF], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
