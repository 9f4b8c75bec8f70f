"""
Kills of workers with agents' calls under way.

No offset is committed past a question with an open call, so a kill leaves no question unanswered.
"""

import json
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.chaos.checker import check
from infra.chaos.client import Offsets, producer, records
from infra.chaos.reading import ASSIGNMENTS, DECISIONS, QUESTIONS, TOPICS
from infra.chaos.workers import Duty, WorkerProcess, prepare

from ...limits import LIMIT_S

pytestmark = pytest.mark.slow


QUESTIONS_ASKED = 40

POLICY = """
[policy]
policy_id = "patient"
deadline_ms = 600_000
[routing]
panel_size = 2
[merge]
rule = "vote"
[[agents]]
kind = "simulated"
name = "at-once"
# Two to eight seconds, so that calls that began later end before others.
[[agents]]
kind = "simulated"
name = "slow"
latency_ms = 4_000
waits = true
"""


class Town:
    """A log, with one worker for the agents and one for all other stages."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.bootstrap = broker.bootstrap
        self.prefix = f"{uuid.uuid4().hex[:8]}."
        self.url = f"{broker.url}/{self.prefix[:-1]}"
        stages = ("route", "merge", "learn", "rank")
        self.stages = WorkerProcess(Duty("stages", stages, fixed=False, keeps=False), self.url, folder)
        self.agents = WorkerProcess(Duty("agents", ("agents",), fixed=True, keeps=False), self.url, folder)

    def ask(self) -> list[str]:
        """Ask questions, all at once."""
        asked = [f"q{number}" for number in range(QUESTIONS_ASKED)]
        writer = producer(self.bootstrap, partitioner="murmur2_random")
        for question_id in asked:
            question = {"question_id": question_id, "text": "Which?", "options": ["this", "that"]}
            writer.produce(f"{self.prefix}{QUESTIONS}", json.dumps(question).encode(), question_id)
        assert writer.flush(LIMIT_S) == 0
        return asked

    def places(self, topic: str) -> dict[str, tuple[int, int]]:
        """Find where each question stands first in a topic: partition and offset."""
        found: dict[str, tuple[int, int]] = {}
        for one in records(self.bootstrap, [topic], self.prefix):
            found.setdefault((one.key or b"").decode(), (one.partition, one.offset))
        return found


@pytest.fixture
def town(broker: Broker, tmp_path: Path) -> Iterator[Town]:
    """A log of its own on the shared broker."""
    made = Town(broker, tmp_path)
    try:
        prepare(tmp_path, made.url, POLICY)
        made.stages.start()
        made.agents.start()
        yield made
    finally:
        made.stages.close()
        made.agents.close()


def test_no_offset_is_committed_past_a_call_under_way(town: Town) -> None:
    """While a call lasts, the group of the agents stays at its question; a worker that was killed makes it again."""
    asked = town.ask()
    offsets = Offsets(town.bootstrap, town.prefix)
    kills = looks = 0
    limit = time.monotonic() + LIMIT_S
    decided: set[str] = set()
    while len(decided) < len(asked):
        assert time.monotonic() < limit, f"{town.agents.last_words()}\n{town.stages.last_words()}"
        committed = offsets.committed("agents")
        # Looked at after the commits: what is open now was open then.
        decided = set(town.places(DECISIONS))
        for topic in (QUESTIONS, ASSIGNMENTS):
            for question_id, (partition, offset) in town.places(topic).items():
                if question_id not in decided:
                    looks += 1
                    assert committed.get((topic, partition), 0) <= offset, f"{question_id} in {topic}"
        if kills < 2 and len(decided) >= (kills + 1) * len(asked) // 4:
            town.agents.kill()
            town.agents.start()
            kills += 1
    offsets.close()
    assert kills == 2
    assert looks > 100
    report = check(records(town.bootstrap, TOPICS, town.prefix), asked)
    # What is learned of the last decisions may still be on its way.
    assert report.wrong.keys() <= {"not observed", "not applied", "wrong length"}, report.examples
    told = {name: report.figures[name] for name in ("decided", "second_calls", "records", "repeats")}
    sys.stdout.write(f"{looks} looks at open questions; {json.dumps(told)}\n")
