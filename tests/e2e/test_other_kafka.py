"""Two workers on the other pinned Kafka, and their traces."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from infra.broker import Broker
from infra.broker.jars import VERSION, kafka_version, locked
from infra.chaos.client import producer

from .. import broker as shared
from ..integration.command_in_process import Inside
from ..limits import LIMIT_S
from ..span_collector import SentSpan, collecting
from .command import question

pytestmark = pytest.mark.slow

OTHER = "4.4.0"
FOLDING = ("route", "merge", "learn", "rank", "tune", "deadlines")
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ASKED = [{name: value for name, value in question(number).items() if name != "gold"} for number in range(3)]


@dataclass
class Answered:
    """What is left of three questions that two processes answered."""

    jars: list[str]
    decisions: list[dict[str, Any]]
    replayed: dict[str, Any]
    spans: list[SentSpan]
    bodies: bytes


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Answered]:
    """Ask three questions, one of them with a trace, of a process that folds and one that calls agents."""
    place = Inside(tmp_path_factory.mktemp("other kafka"))
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv(VERSION, OTHER)
        shared.require_kafka()
        broker = stack.enter_context(Broker(place.path / "kafka"))
        collector = stack.enter_context(collecting())
        log = ("--log", f"{broker.url}/other")
        for arguments in (("init", "--simulated"), ("topics", "create"), ("policy", "adopt")):
            done = place.orch(*log, *arguments)
            assert done.code == 0, done.err
        with ExitStack() as working:
            workers = []
            for stages in (FOLDING, ("agents",)):
                command = (*log, "worker", *stages, "--state", "-", "--traces", collector.url)
                worker = working.enter_context(place.start(*command))
                workers.append(worker)
            for number, asked in enumerate(ASKED):
                _write(broker.bootstrap, "other.orch.questions", asked, traced=number == 0)
            consumed = place.orch(*log, "--format", "json", "consume", "decisions", "--follow", "--max", "3")
            for worker in workers:
                worker.send_signal(signal.SIGTERM)
            for worker in workers:
                _, said = worker.communicate(timeout=LIMIT_S)
                assert worker.returncode == 0, said.decode()
        replayed = place.orch(*log, "--format", "json", "replay").object
        jars = (Path("/proc") / str(broker.pid) / "cmdline").read_text().split("\0")
        yield Answered(jars, consumed.lines, replayed, collector.spans, b"".join(collector.bodies))


def _write(bootstrap: str, topic: str, asked: dict[str, Any], *, traced: bool) -> None:
    """Produce a question as another program does."""
    client = producer(bootstrap)
    headers = [("traceparent", f"00-{TRACE}-{PARENT}-01".encode())] if traced else []
    client.produce(topic, key=asked["question_id"], value=json.dumps(asked).encode(), headers=headers)
    assert client.flush(LIMIT_S) == 0


def root_of(answered: Answered, question_id: str) -> SentSpan:
    """Give the span of a question."""
    (found,) = {
        span.span_id: span
        for span in answered.spans
        if span.attributes.get("orch.question.id") == question_id and span.name == "invoke_agent orch"
    }.values()
    return found


def under(answered: Answered, root: SentSpan, name: str) -> list[SentSpan]:
    """Give the spans of a name under a question's, each once."""
    found = [span for span in answered.spans if span.trace_id == root.trace_id and span.name == name]
    assert all(span.parent_id == root.span_id for span in found)
    return list({span.span_id: span for span in found}.values())


def test_the_other_kafka_does_as_well(answered: Answered) -> None:
    """A broker of the other pinned version takes topics, changelogs and groups; the log replays without difference."""
    assert kafka_version(locked()) != OTHER
    assert any(f"kafka_2.13-{OTHER}.jar" in argument for argument in answered.jars)
    assert {decision["question_id"] for decision in answered.decisions} == {"q0", "q1", "q2"}
    assert (answered.replayed["different"], answered.replayed["pending"]) == (0, 0)


def test_a_trace_goes_across_processes(answered: Answered) -> None:
    """The question and its calls are told by who asks the agents, the decision by who decides: one trace."""
    for decision in answered.decisions:
        root = root_of(answered, decision["question_id"])
        calls, (decided,) = under(answered, root, "chat"), under(answered, root, "decide")
        assert len(calls) == decision["calls"] == root.attributes["orch.calls"]
        assert {call.resource["process.pid"] for call in calls} == {root.resource["process.pid"]}
        assert decided.resource["process.pid"] != root.resource["process.pid"]
        assert set(decided.links) == {(root.trace_id, call.span_id) for call in calls}
        assert root.attributes["orch.decision.reason"] == decided.attributes["orch.decision.reason"]
        assert root.began_ns < root.ended_ns


def test_a_trace_is_that_of_the_record(answered: Answered) -> None:
    """The header of a question's record reaches both processes through the topics."""
    assert (root_of(answered, "q0").trace_id, root_of(answered, "q0").parent_id) == (TRACE, PARENT)
    assert root_of(answered, "q1").parent_id == root_of(answered, "q2").parent_id == ""
    assert len({root_of(answered, f"q{number}").trace_id for number in range(3)}) == 3


def test_no_text_is_in_a_trace(answered: Answered) -> None:
    """Neither question nor option nor answer."""
    texts = [text for asked in ASKED for text in (asked["text"], *asked["options"])]
    texts += [decision["answer_text"] for decision in answered.decisions if decision.get("answer_text")]
    assert [text for text in texts if text.encode() in answered.bodies] == []
