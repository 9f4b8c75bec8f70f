"""
Workers of releases 0.1 and 0.2 in one group.

Under load nothing is lost, nothing is refused, and kinds of v2 are written only once no old worker is left.
"""

import json
import re
import sys
import time
import uuid
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.chaos.client import records
from infra.chaos.reading import ASSIGNMENTS, DEAD_LETTERS, DECISIONS
from infra.chaos.workers import Duty, WorkerProcess, orch

from ...limits import LIMIT_S
from .old_program import build, run_old
from .town import Town, check_all

pytestmark = [pytest.mark.slow, pytest.mark.process]

CONFIGURATION = """
[policy]
policy_id = "rolling"
deadline_ms = 60_000
[routing]
panel_size = 2
[routing.exploration]
warm_up = 4
# Every other question seats the agent that is known least: the one that fails.
kind = "nth"
every = 2
[merge]
rule = "vote"
quorum = 2
reserve = 1
[[agents]]
kind = "simulated"
name = "at-once"
latency_ms = 50
[[agents]]
kind = "simulated"
name = "quick"
latency_ms = 60
waits = true
[[agents]]
kind = "simulated"
name = "failing"
latency_ms = 100
waits = true
failure_ppb = 300_000_000
limits = { timeout_ms = 2_000, max_attempts = 1 }
"""
"""Both programs read it: without `rules` it stands for a policy of v1 in the old one, and of v2 in the new one."""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of release 0.1."""
    return build(tmp_path_factory.mktemp("old"))


@pytest.fixture(params=["aiokafka", "faust"])
def town(request: pytest.FixtureRequest, broker: Broker, tmp_path: Path, old: Path) -> Iterator[Town]:
    """A log that the old program made, with questions coming."""
    made = Town(broker, tmp_path, request.param)
    try:
        (tmp_path / "orch.toml").write_text(CONFIGURATION)
        for command in (("topics", "create"), ("policy", "adopt")):
            run_old(old, tmp_path, "--log", made.url, *command)
        made.ask()
        yield made
    finally:
        made.close()


def adopt(town: Town) -> tuple[int, str]:
    """Adopt the policy with the new program; give the exit code and what it says."""
    done = orch(town.folder, "--log", town.url, "policy", "adopt")
    return done.returncode, (done.stderr + done.stdout).decode()


def kinds(town: Town, topic: str) -> dict[int, list[tuple[str, str]]]:
    """List question and version of the events of a topic, by partition and in order, without repeats."""
    found: dict[int, dict[tuple[str, str], None]] = defaultdict(dict)
    for one in records(town.bootstrap, (topic,), town.prefix):
        event = json.loads(one.value or b"")
        version = re.fullmatch(r"(?:panel\.assigned|decision\.made)\.(v\d)", event["kind"])
        if version is not None:
            found[one.partition][event["question_id"], version[1]] = None
    return {partition: list(events) for partition, events in found.items()}


def partitions_with_v2(town: Town) -> int:
    """Count the partitions with a panel of v2."""
    return sum(any(version == "v2" for _, version in some) for some in kinds(town, ASSIGNMENTS).values())


def test_upgrade_and_way_back(town: Town, old: Path) -> None:
    """Old workers give way to new ones and come back; after the last of them has gone, the policy of v2 is adopted."""
    town.start("old-1", "old-2", program=(str(old),))
    town.start("new-1")
    town.end("old-1")
    town.start("new-2")
    code, said = adopt(town)
    assert code == 3, said
    assert re.search(r"orch-route has 1 of version 0\.1 or another program", said), said
    assert "--force" in said
    town.kill("old-2")
    # The way back: the old program goes on with the changelogs of the new one, and with its local copies, for the first
    # folder that is free is that of new-2, which had it from old-1.
    town.end("new-2")
    town.start("old-3", program=(str(old),))
    town.end("new-1")
    town.start("new-3")
    town.end("old-3")
    code, said = adopt(town)
    assert code == 0, said
    town.until(lambda: partitions_with_v2(town) == 8, "all partitions have questions under the new policy")
    assert check_all(town).figures["dead_letters"] == 0
    panels, decisions = kinds(town, ASSIGNMENTS), kinds(town, DECISIONS)
    for partition, assigned in panels.items():
        versions = [version for _, version in assigned]
        assert versions == sorted(versions), f"partition {partition} returned to panels of v1"
        assert set(versions) == {"v1", "v2"}
        assert sorted(decisions[partition]) == sorted(assigned), "a decision has the version of its panel"
    replayed = orch(town.folder, "--log", town.url, "--format", "json", "replay")
    assert replayed.returncode == 0, replayed.stderr.decode()
    found = json.loads(replayed.stdout)
    assert (found["different"], found["pending"]) == (0, 0)
    counts = {version: sum(v == version for some in panels.values() for _, v in some) for version in ("v1", "v2")}
    sys.stdout.write(f"questions by version: {counts}, events replayed: {found['events']}\n")


def test_forced_policy_and_its_letters(broker: Broker, tmp_path: Path, old: Path) -> None:
    """An old `merge` writes a letter for each panel of v2; once it is replaced, a retry has all questions decided."""
    url = f"{broker.url}/{uuid.uuid4().hex[:8]}"
    prefix = f"{url.rpartition('/')[2]}."
    (tmp_path / "orch.toml").write_text(CONFIGURATION)
    (tmp_path / "asked.jsonl").write_text(
        "".join(f'{{"question_id": "q{n}", "text": "Which?", "options": ["x", "y"]}}\n' for n in range(16))
    )
    for command in (("topics", "create"), ("policy", "adopt")):
        run_old(old, tmp_path, "--log", url, *command)

    def new(*arguments: str) -> bytes:
        done = orch(tmp_path, "--log", url, "--format", "json", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def wait_for(topic: str) -> set[str]:
        """Wait until a topic has an event about every question; give the kinds of its events."""
        limit = time.monotonic() + LIMIT_S
        while time.monotonic() < limit:
            found = [
                (one.key, json.loads(one.value or b"")["kind"]) for one in records(broker.bootstrap, (topic,), prefix)
            ]
            if len(found) >= 16:
                return {kind for _, kind in found}
            time.sleep(0.2)
        raise AssertionError(f"{topic} has {len(found)} of 16 records\n{others.last_words()}")

    merge = WorkerProcess(Duty("old", ("merge",), fixed=False, keeps=True), url, tmp_path, program=(str(old),))
    stages = ("route", "agents", "learn", "rank", "deadlines")
    others = WorkerProcess(Duty("new", stages, fixed=False, keeps=True), url, tmp_path)
    successor = WorkerProcess(Duty("next", ("merge",), fixed=False, keeps=True), url, tmp_path)
    try:
        merge.start()
        others.start()
        new("policy", "adopt", "--force")
        new("produce", "asked.jsonl")
        wait_for(DEAD_LETTERS)
        merge.tell_to_end()
        assert merge.ended() == 0, merge.last_words()
        successor.start()
        new("dead-letters", "retry", "--all")
        assert wait_for(DECISIONS) == {"decision.made.v2"}
    finally:
        for worker in (merge, others, successor):
            worker.close()
