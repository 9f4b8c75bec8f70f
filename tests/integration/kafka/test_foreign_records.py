"""Foreign records in topics that stages write."""

import uuid
from pathlib import Path

import pytest
from confluent_kafka import Producer

from infra.broker import Broker
from streams.topology import DEAD_LETTERS, ROUTER

from ...e2e.command import question
from ..command_in_process import Inside

VALUES = (b"not json", b"\xff\xfe", b"{}", None, b"[1, 2]", b'{"kind": "router.entry.v1"}', b'{"kind": "no.such.v9"}')
FOREIGN_KEYS: dict[str, tuple[bytes | None, ...]] = {
    # Of a compacted topic brokers refuse the whole batch in which one record has no key.
    ROUTER: (b"*/careful", b"orch.questions", b"q1", b"\xff"),
    DEAD_LETTERS: (b"*/careful", b"orch.questions", b"q1", b"\xff", None),
}
READING = (
    ("router",),
    ("router", "--at", "q1"),
    ("router", "--history", "careful"),
    ("dead-letters",),
    ("explain", "q1"),
    ("consume", "router"),
    ("consume", "dead-letters"),
    ("policy",),
    ("topics",),
    ("retry",),
    ("doctor",),
)


@pytest.fixture
def log(broker: Broker, tmp_path: Path) -> Inside:
    """A log with decided questions, a letter, and records of a stranger behind all that the stages wrote."""
    name = uuid.uuid4().hex[:8]
    place = Inside(tmp_path)
    (tmp_path / "url").write_text(f"{broker.url}/{name}")
    asked = place.write("asked.jsonl", [question(number) for number in range(3)])
    for command in (("init", "--simulated"), ("topics", "create"), ("run", asked, "--feedback", "gold")):
        done = place.orch("--log", f"{broker.url}/{name}", *command)
        assert done.code == 0, done.err
    producer = Producer({"bootstrap.servers": broker.bootstrap, "log_level": 0})
    refused: list[object] = []
    for topic, keys in FOREIGN_KEYS.items():
        for key in keys:
            for value in VALUES:
                producer.produce(
                    f"{name}.{topic}", value, key, on_delivery=lambda error, _: error and refused.append(error)
                )
    assert producer.flush(30) == 0
    assert refused == []
    return place


def test_foreign_records_break_no_command(log: Inside) -> None:
    """In the router's table and among the dead letters: commands go on, a run decides, a replay tells their places."""
    url = (log.path / "url").read_text()
    clean = log.orch("--log", url, "--format", "json", "router").lines
    assert {"careful", "quick", "counter"} == {line["agent"] for line in clean if line["table"] == "router"}
    broken = {command: done.err for command in READING if (done := log.orch("--log", url, *command)).code}
    assert broken == {}
    listed = log.orch("--log", url, "dead-letters")
    assert listed.err.count("no letter of a stage") == 5 * len(VALUES)
    assert "No dead letters" in listed.out
    assert "nothing to retry" in log.orch("--log", url, "dead-letters", "retry", "--all").out
    replayed = log.orch("--log", url, "--format", "json", "replay")
    assert replayed.code == 4
    assert f"{ROUTER}, partition 0, offset " in replayed.err
    assert replayed.object["different"] == sum(map(len, FOREIGN_KEYS.values())) * len(VALUES)
    more = log.write("more.jsonl", [question(number) for number in range(3, 5)])
    done = log.orch("--log", url, "--format", "json", "run", more, "--feedback", "gold")
    assert done.object["decided"] == 2
