"""Seals, receipts and archives of a log on Kafka."""

import json
import uuid
from typing import Any

import pytest
from confluent_kafka import Producer

from infra.verifier import verify

from ...e2e.command import outputs, question
from ..command_in_process import Inside

pytestmark = pytest.mark.slow


def test_log_is_sealed_and_its_archive_is_the_same(place: Inside, broker: Any) -> None:
    """A log on Kafka is sealed; receipts and an archive prove the same roots, also of what a stranger produced."""
    name = uuid.uuid4().hex[:12]
    log = ("--log", f"{broker.url}/{name}")

    def found(*arguments: str) -> dict[str, Any]:
        done = place.orch("--format", "json", *arguments)
        assert done.code == 0, done.err
        answer: dict[str, Any] = json.loads(done.out)
        return answer

    assert place.orch(*log, "topics", "create").code == 0
    # The second opinion derives decisions of this rule.
    place.write("orch.toml", [b'[merge]\nrule = "cascade"\n'])
    place.write("questions.jsonl", [question(number) for number in range(3)])
    place.write("outputs.jsonl", outputs(6))
    stranger = Producer({"bootstrap.servers": broker.url.removeprefix("kafka://")})
    plain = {name: value for name, value in question(5).items() if name != "gold"}
    stranger.produce(f"{name}.orch.questions", json.dumps(plain, indent=1).encode(), headers=[("odd", b"\xff")])
    assert stranger.flush(30) == 0
    del stranger
    done = place.orch(*log, "run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    assert done.code == 0, done.err
    place.orch("seal", "--init", "--origin", "example.com/kafka")
    sealed = found(*log, "seal", "--anchor", "anchor.jsonl")
    assert (sealed["in_log"], sealed["left_out"]) == (True, ["orch.router/0", "orch.weights/0"])
    assert found(*log, "verify", "--against", "anchor.jsonl")["accepted"]
    key = (place.path / "orch-seal.pub").read_text()
    for asked, spelled_otherwise in (("q0", False), ("q5", True)):
        assert place.orch(*log, "receipt", asked, "-o", "receipt.json").code == 0
        assert found("verify", "receipt.json")["derived"]
        content = (place.path / "receipt.json").read_bytes()
        assert any("derived from its ballots" in claim for claim in verify.verify(content, key))
        records = {record["event_id"]: record for record in json.loads(content)["records"]}
        assert any("event" in record for record in records.values()) is spelled_otherwise
    assert place.orch(*log, "export", "archive").code == 0
    archive = found("verify", "archive", "--against", "anchor.jsonl")
    assert archive["root"] == sealed["root"]
    whole = found("--log", "parquet:archive", "seal", "--anchor", "whole.jsonl")
    assert (whole["in_log"], whole["left_out"]) == (False, [])
    assert found("verify", "archive", "--against", "whole.jsonl")["accepted"]
