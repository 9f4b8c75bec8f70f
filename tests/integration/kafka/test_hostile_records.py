"""Ten thousand hostile records on a real broker."""

import json
import subprocess
import time
import uuid
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.chaos.client import Offsets, producer, records
from infra.chaos.faults import STAGES
from infra.chaos.workers import SCRIPT, Duty, WorkerProcess, prepare
from streams.topology import DECISIONS, QUESTIONS

from ...hostile_records import hostile_records

pytestmark = pytest.mark.slow

NUMBER, LIMIT_S = 10_000, 400
POLICY = """
[policy]
deadline_ms = 2000
[routing]
rule = "static"
panel_size = 2
[merge]
rule = "odds"
stages = [1, 1]
[[agents]]
kind = "simulated"
name = "ann"
[[agents]]
kind = "simulated"
name = "bob"
"""


def test_the_stream_goes_on(broker: Broker, tmp_path: Path) -> None:
    """No record stops a stage: the questions behind them are decided, and a replay finds nothing else in the log."""
    prefix = f"{uuid.uuid4().hex[:8]}."
    url = f"{broker.url}/{prefix[:-1]}"
    prepare(tmp_path, url, POLICY)
    worker = WorkerProcess(Duty("all", ("all",), fixed=True, keeps=True), url, tmp_path)
    client = producer(broker.bootstrap, partitioner="murmur2_random", message_max_bytes=2_000_000)
    try:
        worker.start()
        refused: list[object] = []
        for sent, record in enumerate(hostile_records(NUMBER, seed=7)):
            client.produce(
                f"{prefix}{record.topic}",
                record.value,
                record.key,
                timestamp=record.timestamp_ms,
                headers=record.headers,
                on_delivery=lambda error, message: refused.append(error) if error else None,
            )
            if sent % 500 == 0:
                client.flush(LIMIT_S)
        honest = [f"honest-{number}" for number in range(20)]
        for question_id in honest:
            asked = {"question_id": question_id, "text": "Which?", "options": ["this", "that"]}
            client.produce(f"{prefix}{QUESTIONS}", json.dumps(asked).encode(), question_id)
        assert client.flush(LIMIT_S) == 0
        assert refused == []
        settle(broker.bootstrap, prefix, worker, set(honest))
        (proof,) = said(url, "replay")
        found = json.loads(proof)
        assert found["different"] == 0, found["first_difference"]
        letters = said(url, "dead-letters")
        assert len(letters) > NUMBER // 3
    finally:
        worker.close()


def said(url: str, *command: str) -> list[bytes]:
    """Run a command, and give the lines that it prints."""
    done = subprocess.run(
        [SCRIPT, "--log", url, "--format", "json", *command], capture_output=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode in (0, 4), done.stderr[-2_000:]
    return done.stdout.splitlines()


def settle(bootstrap: str, prefix: str, worker: WorkerProcess, honest: set[str]) -> None:
    """Wait until the honest questions are decided, no stage has anything left to read and nothing is written."""
    before: object = None
    limit = time.monotonic() + LIMIT_S
    with Offsets(bootstrap, prefix) as offsets:
        while time.monotonic() < limit:
            assert worker.running, worker.last_words()
            time.sleep(2)
            lags = offsets.lags(STAGES)
            ends = offsets.ends()
            # A stage that has committed nothing yet has no lag either.
            begun = all(lags.values())
            idle = begun and before == ends and not any(lag for places in lags.values() for lag in places.values())
            if idle and honest <= decided(bootstrap, prefix):
                return
            before = ends
    missing = sorted(honest - decided(bootstrap, prefix))
    raise AssertionError(f"undecided are {missing}; the stages lag by {lags}: {worker.last_words()}")


def decided(bootstrap: str, prefix: str) -> set[str]:
    """Give the keys of the records in the topic of decisions: the program writes those of questions, a stranger any."""
    return {(one.key or b"").decode("utf-8", "replace") for one in records(bootstrap, (DECISIONS,), prefix)}
