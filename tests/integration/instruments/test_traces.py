"""Traces of a run, as a collector gets them."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from infra.models import Behaviour
from infra.models.server import ModelServer
from schemas.questions import QuestionAsked
from streams.app.traces import endpoint, sampler_of
from streams.errors import UsageError
from streams.instruments.samplers import FixedPart, MostPerSecond
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter

from ...e2e.live import KEY, MODELS, config, write
from ...span_collector import Collector, SentSpan, collecting
from ..command_in_process import Inside

CLIENT, INTERNAL = 3, 1
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ENV = {"PLANTED_KEY": KEY, "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20b3JjaA==", "OTEL_SERVICE_NAME": "ours"}


class Traced:
    """A live run of five questions, of which one came with a trace and one call failed at first."""

    def __init__(self, place: Inside, collector: Collector) -> None:
        self.place = place
        self.asked = write(place, 5)
        files = place.path / "questions.jsonl", place.path / "outputs.jsonl"
        with ModelServer(*files, Behaviour(key=KEY, model_suffix="-2026")) as server:
            server.fail_next("able", "server-error")
            self.port = int(server.url.split(":")[2].split("/")[0])
            (place.path / "orch.toml").write_text(config(dict.fromkeys(MODELS, "openai"), server.url))
            self._begin(self.asked[1])
            done = place.orch("run", "questions.jsonl", "--traces", collector.url, env=ENV)
        assert done.code == 0, done.err
        self.said, self.collector, self.spans = done.err, collector, collector.spans

    def _begin(self, line: dict[str, Any]) -> None:
        """Put a question with a trace into the log, as another program does; it is open when the run begins."""
        fields = {name: value for name, value in line.items() if name != "gold"}
        fields["occurred_at"] = fields["occurred_at"].replace("Z", ".000Z")
        fields["options"] = tuple(fields.get("options", ()))
        with EmbeddedWriter(self.place.path / "orch.db", PROCESSORS, clock=wall_clock_ms) as log:
            asked = QuestionAsked(**fields)
            log.append(asked, headers=(("traceparent", f"00-{TRACE}-{PARENT}-01".encode()),))
            log.commit()

    def root(self, question_id: str) -> SentSpan:
        """Give the span of a question."""
        (found,) = (span for span in self.spans if span.attributes.get("orch.question.id") == question_id)
        return found

    def under(self, root: SentSpan, name: str) -> list[SentSpan]:
        """Give the spans of a name right under a question's."""
        return [
            span
            for span in self.spans
            if (span.trace_id, span.parent_id) == (root.trace_id, root.span_id) and span.name.startswith(name)
        ]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Traced:
    """Give one run with traces."""
    with collecting() as collector:
        return Traced(Inside(tmp_path_factory.mktemp("traced")), collector)


def test_a_question_is_an_agent_that_is_invoked(traced: Traced) -> None:
    """Each question has one span from its asking to its decision, with the figures of the decision."""
    decisions = {made["question_id"]: made for made in traced.place.events("decisions")}
    assert len(decisions) == 5
    for question_id, made in decisions.items():
        root = traced.root(question_id)
        assert (root.name, root.kind, root.failed) == ("invoke_agent orch", INTERNAL, False)
        assert root.attributes == {
            "gen_ai.operation.name": "invoke_agent",
            "gen_ai.agent.name": "orch",
            "gen_ai.provider.name": "orch",
            "orch.question.id": question_id,
            "orch.decision.status": "decided",
            "orch.decision.reason": made["reason"],
            "orch.calls": made["calls"],
            "orch.cost_nusd": made["cost_nusd"],
        }
        assert root.began_ns < root.ended_ns


def test_a_call_is_a_chat(traced: Traced) -> None:
    """Each attempt has a span under its question's, with provider, model, tokens and finish reason of the event."""
    analyses = traced.place.events("analyses")
    troubled = {one["question_id"] for one in analyses if len(one["attempts"]) > 1}
    calm = min({one["question_id"] for one in analyses} - troubled)
    root = traced.root(calm)
    calls = {call.attributes["gen_ai.agent.name"]: call for call in traced.under(root, "chat")}
    said = {one["agent"]: one for one in analyses if one["question_id"] == calm}
    assert calls.keys() == said.keys() == set(MODELS)
    for agent, call in calls.items():
        (attempt,) = said[agent]["attempts"]
        assert (call.name, call.kind, call.failed) == (f"chat {agent}", CLIENT, False)
        assert call.attributes == {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.agent.name": agent,
            "gen_ai.request.model": agent,
            "gen_ai.response.model": f"{agent}-2026",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": attempt["input_tokens"],
            "gen_ai.usage.output_tokens": attempt["output_tokens"],
            "server.address": "127.0.0.1",
            "server.port": traced.port,
            "orch.cost_nusd": attempt["cost_nusd"],
            "orch.stage": 0,
            "orch.role": "analyst",
        }
        assert call.ended_ns - call.began_ns == attempt["latency_ms"] * 1_000_000


def test_a_failed_attempt_has_a_span_of_its_own(traced: Traced) -> None:
    """With the class of the error, before the span of the attempt that succeeded, and with nothing of the reply."""
    (failed,) = (span for span in traced.spans if span.failed)
    (again,) = (span for span in traced.spans if span.attributes.get("orch.call.attempt") == 2)
    assert failed.attributes["error.type"] == "server_error"
    assert (failed.name, again.name) == ("chat able", "chat able")
    assert (failed.trace_id, failed.parent_id) == (again.trace_id, again.parent_id)
    assert failed.ended_ns <= again.began_ns
    assert "error.type" not in again.attributes


def test_a_decision_links_to_its_analyses(traced: Traced) -> None:
    """They are no parents of it: it follows from all of them. Each link leads to the last attempt of an analysis."""
    for question_id in ("q0", "q1", "q2", "q3", "q4"):
        root = traced.root(question_id)
        (decision,) = traced.under(root, "decide")
        last = {call.attributes["gen_ai.agent.name"]: call for call in traced.under(root, "chat")}
        assert set(decision.links) == {(root.trace_id, call.span_id) for call in last.values()}
        assert decision.attributes == {
            "orch.decision.status": "decided",
            "orch.decision.reason": root.attributes["orch.decision.reason"],
            "orch.decision.rule": "vote.v1",
        }


def test_a_trace_begins_where_its_question_did(traced: Traced) -> None:
    """A question that came with a traceparent is in that trace, under that span; another one begins its own."""
    root = traced.root("q1")
    assert (root.trace_id, root.parent_id) == (TRACE, PARENT)
    assert {call.attributes["gen_ai.agent.name"] for call in traced.under(root, "chat")} == set(MODELS)
    others = [traced.root(f"q{number}") for number in (0, 2, 3, 4)]
    assert {root.parent_id for root in others} == {""}
    assert len({root.trace_id for root in others} | {TRACE}) == 5


def test_no_text_leaves_the_log(traced: Traced) -> None:
    """Neither question nor option, reply, answer, prompt or key is in what was sent."""
    sent = b"".join(traced.collector.bodies)
    texts = [text for line in traced.asked for text in (line["text"], *line.get("options", ()))]
    texts += [one["text"] for one in traced.place.events("analyses")] + [KEY]
    texts += [made["answer"] for made in traced.place.events("decisions") if len(made["answer"]) > 1]
    assert len(texts) > 20
    assert [text for text in texts if text.encode() in sent] == []


def test_the_environment_adds_headers_and_the_name_of_the_service(traced: Traced) -> None:
    """A key for the collector is sent and never told; where traces go is told with what is in them."""
    path, headers = traced.collector.requests[0]
    assert (path, headers["Authorization"]) == ("/v1/traces", "Basic b3JjaA==")
    assert headers["Content-Type"] == "application/x-protobuf"
    assert traced.spans[0].resource["service.name"] == "ours"
    assert f"Traces go to {traced.collector.url}/v1/traces" in traced.said
    assert "b3JjaA" not in traced.said


def test_traces_change_no_byte_of_the_log(tmp_path: Path) -> None:
    """With and without them, simulated agents leave the same records, headers included."""
    rows = []
    with collecting() as collector:
        for name in ("plain", "traced"):
            place = Inside(tmp_path / name)
            place.path.mkdir()
            write(place, 6)
            place.orch("init", "--simulated")
            more = () if name == "plain" else ("--traces", collector.url)
            assert place.orch("run", "questions.jsonl", *more).code == 0
            with closing(sqlite3.connect(place.path / "orch.db")) as log:
                rows.append(log.execute("SELECT key, value, headers FROM records ORDER BY seq").fetchall())
    assert rows[0] == rows[1]
    calls = collector.named("chat")
    assert len(calls) > 6
    assert {call.attributes["gen_ai.provider.name"] for call in calls} == {"simulated"}
    assert all(call.began_ns == call.ended_ns and call.kind == INTERNAL for call in calls)


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ("http://h:4318", {}, "http://h:4318/v1/traces"),
        ("https://h/", {}, "https://h/v1/traces"),
        ("http://h/otlp/v1/traces", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://h/otlp/v1/traces"),
        ("env", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h:1/base/"}, "http://h:1/base/v1/traces"),
        (
            "env",
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/x"},
            "http://t/x",
        ),
    ],
)
def test_a_collector_is_named_by_url_or_environment(given: str, environment: dict[str, str], expected: str) -> None:
    """A base URL gets OTLP's path; the variables mean what they mean elsewhere."""
    assert endpoint(given, environment) == expected


@pytest.mark.parametrize(
    ("given", "environment", "said"),
    [
        ("env", {}, "names no collector"),
        ("env", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://h", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf"),
        ("localhost:4318", {}, "no URL of a collector"),
        ("http://h:99999", {}, "no URL of a collector"),
        ("http://user:s3cret@h", {}, "would be logged"),
    ],
)
def test_an_unusable_collector_is_a_usage_error(given: str, environment: dict[str, str], said: str) -> None:
    """The message names the place and what to write, and no password."""
    with pytest.raises(UsageError, match=said) as caught:
        endpoint(given, environment)
    assert caught.value.remedy
    assert "s3cret" not in f"{caught.value.message}{caught.value.remedy}"


def test_samplers_of_the_environment_are_obeyed() -> None:
    """A part of the traces, all or none, by OpenTelemetry's names; another name is refused; without one, a limit."""
    sampler = "OTEL_TRACES_SAMPLER"
    assert sampler_of({sampler: "always_on"}) == sampler_of({sampler: "traceidratio"}) == FixedPart(1)
    assert sampler_of({sampler: "always_off"}) == FixedPart(0)
    part = {sampler: "parentbased_traceidratio", f"{sampler}_ARG": "0.25"}
    assert sampler_of(part) == FixedPart(0.25, keeps_begun=True)
    assert isinstance(sampler_of({}), MostPerSecond)
    for wrong in ({sampler: "jaeger_remote"}, {sampler: "traceidratio", f"{sampler}_ARG": "2"}):
        with pytest.raises(UsageError, match=sampler):
            sampler_of(wrong)
