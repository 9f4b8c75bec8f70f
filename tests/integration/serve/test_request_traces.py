"""Traces of questions that come over HTTP."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams import AsyncOrch, Orch
from streams.agents.calls.progress import CallProgress
from streams.app.metrics import Counted
from streams.app.traces import traces
from streams.app.workspace import Workspace
from streams.instruments.trace_context import traceparent_of
from streams.serve.pages.catalog import page_routes

from ...e2e.command import SCRIPT
from ...limits import LIMIT_S
from ...span_collector import Collector, SentSpan, collecting
from ..command_in_process import Inside
from .pages.test_pages import marked, send
from .server_in_thread import AGENTS, Client, ServerInThread, served

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{PARENT}-01"


@contextmanager
def traced(log: str) -> Iterator[tuple[ServerInThread, Collector]]:
    """Serve a log with traces; after the block the server has ended, and its collector has all of them."""
    with (
        collecting() as collector,
        traces(collector.url, "serve", lambda *_: None) as tracer,
        served(log, counted=Counted(CallProgress(), None, tracer)) as server,
    ):
        yield server, collector


def ask(server: ServerInThread, question_id: str, *traceparents: str) -> None:
    """Ask with these headers, and wait for the decision."""
    connection = server.connection()
    try:
        connection.putrequest("POST", f"/v1/questions?wait={LIMIT_S}")
        body = f'{{"question_id": "{question_id}", "text": "Which?", "options": ["x", "y"]}}'.encode()
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        for value in traceparents:
            connection.putheader("traceparent", value)
        connection.endheaders(body)
        assert connection.getresponse().status == 200
    finally:
        connection.close()


def root(spans: list[SentSpan], question_id: str) -> SentSpan:
    """Give the span of a question."""
    (found,) = (span for span in spans if span.attributes.get("orch.question.id") == question_id)
    return found


def headers_of(log: str, question_id: str) -> dict[str, bytes | None]:
    """Give the trace header of the records about a question, by topic."""
    with Workspace(log).open_reader() as reader:
        return {record.topic: traceparent_of(record.headers) for record in reader.about(question_id)}


def test_question_over_http_has_the_spans_of_a_run(log: str) -> None:
    """A question span, calls and a decision below it, in a trace of the question's own."""
    with traced(log) as (server, collector):
        ask(server, "q")
    asked = root(collector.spans, "q")
    assert (asked.name, asked.parent_id) == ("invoke_agent orch", "")
    assert asked.attributes["orch.decision.status"] == "decided"
    below = [span for span in collector.spans if (span.trace_id, span.parent_id) == (asked.trace_id, asked.span_id)]
    assert sorted(span.name for span in below) == ["chat", "chat", "chat", "decide"]
    assert {span.attributes["gen_ai.agent.name"] for span in below if span.name == "chat"} == {"ann", "ben", "cat"}
    assert {span.resource["service.name"] for span in collector.spans} == {"orch-serve"}


def test_trace_of_the_request_is_the_parent(log: str) -> None:
    """The question's span is in the caller's trace, under its span; the records of question and panel carry it on."""
    with traced(log) as (server, collector):
        ask(server, "q", HEADER)
    asked = root(collector.spans, "q")
    assert (asked.trace_id, asked.parent_id) == (TRACE, PARENT)
    assert {span.trace_id for span in collector.spans} == {TRACE}
    carried = headers_of(log, "q")
    assert carried["orch.questions"] == carried["orch.assignments"] == HEADER.encode()


def test_request_that_is_not_sampled_sends_no_span(log: str) -> None:
    """Whoever begins a trace says whether it is recorded."""
    with traced(log) as (server, collector):
        ask(server, "unwanted", f"{HEADER[:-2]}00")
        ask(server, "wanted", HEADER)
    asked = {span.attributes.get("orch.question.id") for span in collector.spans}
    assert asked - {None} == {"wanted"}


@pytest.mark.parametrize(
    "given",
    [("00-trace",), (HEADER.upper(),), (f"{HEADER}-more",), (f"cc{HEADER[2:]}-{'x' * 500}",), (HEADER, HEADER)],
    ids=["no trace", "capitals", "too many fields", "too long", "two of them"],
)
def test_broken_trace_header_counts_as_none(log: str, given: tuple[str, ...]) -> None:
    """It is no error, and reaches no record."""
    with served(log) as server:
        ask(server, "q", *given)
    assert set(headers_of(log, "q").values()) == {None}


def test_trace_is_carried_on_without_traces(log: str) -> None:
    """Whether this process sends spans or not, who reads the question's record finds the caller's trace."""
    with served(log) as server:
        ask(server, "q", HEADER)
    assert headers_of(log, "q")["orch.questions"] == HEADER.encode()


def test_form_of_a_page_hands_its_trace_on(log: str) -> None:
    """A proxy or a browser that begins traces finds the question of a page in them, too."""
    with served(log, pages=page_routes) as site:
        headers, mark = marked(site, "/ask")
        headers = {**headers, "traceparent": HEADER}
        sent = send(site, "/ask", headers, text="Which?", options="x\ny", kind="choice", question_id="q", mark=mark)
        assert sent.status == 303
    assert headers_of(log, "q")["orch.questions"] == HEADER.encode()


def test_program_hands_its_trace_on(log: str) -> None:
    """In Python the trace is an argument of `ask` and `submit`, in both objects."""

    async def main() -> None:
        async with AsyncOrch(log, config=AGENTS) as orch:
            await orch.ask("Which?", ["x", "y"], question_id="c", traceparent=HEADER)
            await orch.submit("Which?", ["x", "y"], question_id="d", traceparent=HEADER)

    with Orch(log, config=AGENTS) as orch:
        orch.ask("Which?", ["x", "y"], question_id="a", traceparent=HEADER)
        orch.submit("Which?", ["x", "y"], question_id="b", traceparent=HEADER)
    asyncio.run(main())
    assert {headers_of(log, question_id)["orch.questions"] for question_id in "abcd"} == {HEADER.encode()}


@pytest.mark.process
@pytest.mark.parametrize("command", ["serve", "ui"])
def test_command_sends_traces(tmp_path: Path, command: str) -> None:
    """With the option a server of either kind says where spans go, and has sent them when it has ended."""
    with collecting() as collector, running(tmp_path, command, "--traces", collector.url) as (process, told):
        assert Client(told["serve_started"]["url"]).ask("q").status == 200
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
        assert "no text of a question" in told["traces_sent"]["told"]
        assert root(collector.spans, "q").resource["service.name"] == f"orch-{command}"


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """Run a server as its own process, and give the lines of its log until it takes questions, by event."""
    (folder / "orch.toml").write_text('[[agents]]\nkind = "simulated"\nname = "ann"\n')
    process = subprocess.Popen(
        [SCRIPT, *arguments, "--port", "0"],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith(("ORCH_", "OTEL_"))},
    )
    try:
        assert process.stderr is not None
        told: dict[str, Any] = {}
        while "serve_started" not in told:
            line = json.loads(process.stderr.readline())
            told[line["event"]] = line
        yield process, told
    finally:
        process.kill()
        process.communicate()


def test_archive_and_kafka_have_spans_elsewhere(place: Inside) -> None:
    """Where this process decides nothing, it says who makes the spans, and sends none."""
    done = place.orch("--log", "parquet:nosuch", "serve", "--port", "0", "--traces", "http://127.0.0.1:1")
    assert (done.code, "over Kafka workers make them" in done.err) == (2, True)


OFF = """
import sys
from streams.serve import server
from streams.cli.main import run
server.serve_until_told = lambda spec, started, stopping: started("http://127.0.0.1:1")
import streams.cli.serve
assert run(["serve"]) == 0
loaded = [name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "google")]
loaded += [name for name in sys.modules if name in ("streams.instruments.otlp", "streams.instruments.span_export")]
assert not loaded, loaded
"""


@pytest.mark.process
def test_off_nothing_is_imported(tmp_path: Path) -> None:
    """Without the option a server loads nothing of OpenTelemetry, though the environment names a collector."""
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", OFF], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert "Serving" in done.stderr or "serve_started" in done.stderr
