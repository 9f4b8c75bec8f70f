"""
Stages that crash between writes or raise in a fold.

After a restart nothing is lost or doubled. With ORCH_DEATHS=all every stage dies every death; without it, two of four.
"""

import inspect
import json
import os
import re
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from infra.broker import Broker
from infra.chaos.checker import Report, check
from infra.chaos.client import Offsets, producer, records
from infra.chaos.reading import ASSIGNMENTS, DEAD_LETTERS, DECISIONS, FEEDBACK, OBSERVATIONS, QUESTIONS, ROUTER, TOPICS
from infra.chaos.workers import SCRIPT, Duty, WorkerProcess, prepare

from ...limits import LIMIT_S

pytestmark = pytest.mark.slow


STAGES = ("route", "merge", "learn", "rank")
MARKED = "marked"
DIED, BUG = 9, 1
"""Exit codes: of the flaws that die, and of a command with a bug."""

POLICY = """
[policy]
policy_id = "plain"
[routing]
panel_size = 3
[merge]
rule = "vote"
[[agents]]
kind = "simulated"
name = "ann"
[[agents]]
kind = "simulated"
name = "bob"
[[agents]]
kind = "simulated"
name = "cat"
"""


# The flaws are run in the workers' processes, so each one imports what it needs.


def die_before_commit() -> None:
    """Die with the states of a batch written, and not the record that makes them count."""
    import os

    from streams.runtimes.kafka.client.producer import RecordProducer

    send_to, begun = RecordProducer.send_to, set()

    async def dying(self: Any, topic: str, partition: int, key: bytes, *rest: Any) -> Any:
        if key.startswith(b"v2/state/"):
            begun.add((topic, partition))
        if key.startswith(b"v2/commit/") and (topic, partition) in begun:
            await self._producer.flush()
            os._exit(9)
        return await send_to(self, topic, partition, key, *rest)

    RecordProducer.send_to = dying  # type: ignore[method-assign]


def die_before_outputs() -> None:
    """Die with a batch that counts, and nothing sent of what follows from it."""
    import os

    from streams.runtimes.kafka.stages.changelog import Changelog

    commit = Changelog.commit

    async def dying(self: Any, changes: Any, offsets: Any, outputs: Any, *more: Any) -> None:
        await commit(self, changes, offsets, outputs, *more)
        if outputs:
            os._exit(9)

    Changelog.commit = dying  # type: ignore[method-assign]


def die_among_outputs() -> None:
    """Die with the first output of several sent."""
    import os

    from streams.runtimes.kafka.client.producer import RecordProducer

    publish = RecordProducer.publish

    async def dying(self: Any, messages: Any, **how: Any) -> None:
        await publish(self, messages[:1], **how)
        if len(messages) > 1:
            os._exit(9)

    RecordProducer.publish = dying  # type: ignore[method-assign]


def die_before_offsets() -> None:
    """Die with all outputs sent, and no offset committed."""
    import os

    from streams.runtimes.kafka.client.producer import RecordProducer

    publish = RecordProducer.publish

    async def dying(self: Any, messages: Any, **how: Any) -> None:
        await publish(self, messages, **how)
        if messages:
            os._exit(9)

    RecordProducer.publish = dying  # type: ignore[method-assign]


def raise_at_marked() -> None:
    """Raise in every fold of an event about the marked question."""
    from dataclasses import replace

    from streams.app import merge_rules

    def raising(processor: Any) -> Any:
        def fold(state: Any, event: Any, key: str, tables: Any) -> Any:
            if event.question_id == "marked":
                raise RuntimeError("this fold cannot take it")
            return processor.fold(state, event, key, tables)

        return replace(processor, fold=fold)

    ours = merge_rules.processors_with
    merge_rules.processors_with = lambda rules: tuple(map(raising, ours(rules)))  # type: ignore[attr-defined]


DEATHS = (die_before_commit, die_before_outputs, die_among_outputs, die_before_offsets)
WRITES = dict(zip(STAGES, (ASSIGNMENTS, DECISIONS, OBSERVATIONS, ROUTER), strict=True))
"""Topic that each stage writes to."""

SHIFTS = range(4) if os.environ.get("ORCH_DEATHS") == "all" else (0, 2)
"""Which stage dies of what: with all four, every stage dies every death."""


class Town:
    """A log whose stages are four processes with fixed names, so that one that comes back does not wait."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self._bootstrap = broker.bootstrap
        self._prefix = f"{uuid.uuid4().hex[:8]}."
        self.url = f"{broker.url}/{self._prefix[:-1]}"
        self._folder = folder
        self._producer = producer(broker.bootstrap, partitioner="murmur2_random")
        self.asked: list[str] = []
        self.workers: list[WorkerProcess] = []

    def start(self, *flaws: Callable[[], None]) -> list[WorkerProcess]:
        """Start the four stages, each with its flaw."""
        started = []
        for stage, flaw in zip(STAGES, flaws, strict=True):
            script = self._flawed(stage)
            source = inspect.getsource(flaw)
            script.write_text(
                f"from typing import Any\n{source}\n{flaw.__name__}()\nfrom streams.cli.main import main\nmain()\n"
            )
            duty = Duty(stage, (stage,), fixed=True, keeps=stage in ("route", "learn"))
            started.append(self._start(duty, (sys.executable, str(script))))
        return started

    def _flawed(self, stage: str) -> Path:
        return self._folder / f"flawed_{stage}.py"

    def start_agents(self) -> None:
        """Start what has no flaw."""
        self._start(Duty("seats", ("agents", "deadlines"), fixed=True, keeps=False), (str(SCRIPT),))

    def _start(self, duty: Duty, program: Sequence[str]) -> WorkerProcess:
        worker = WorkerProcess(duty, self.url, self._folder, program=program)
        self.workers.append(worker)
        worker.start()
        return worker

    def ended(self, worker: WorkerProcess) -> int | None:
        """Wait until a worker ends by itself, and give its exit code."""
        wait(lambda: not worker.running, f"{worker.duty.name} ends", self.workers)
        return worker.ended()

    def mend(self, worker: WorkerProcess) -> None:
        """Start a worker that ended, without its flaw."""
        worker.program = (str(SCRIPT),)
        worker.start()

    def skip(self, worker: WorkerProcess, place: str) -> None:
        """Start a worker that ended again, with its flaw, and tell it to skip one record."""
        script = self._folder / "skipping.py"
        flawed = self._flawed(worker.duty.name).read_text()
        script.write_text(f"import sys\nsys.argv += ['--skip', {place!r}]\n{flawed}")
        worker.program = (sys.executable, str(script))
        worker.start()

    def ask(self, *question_ids: str) -> None:
        """Ask questions, and tell the right answers, whatever comes first."""
        for question_id in question_ids:
            question = {"question_id": question_id, "text": "Which?", "options": ["this", "that"], "subject": "law"}
            gold = {"question_id": question_id, "source": "gold", "answer": "A"}
            self._producer.produce(f"{self._prefix}{QUESTIONS}", json.dumps(question).encode(), question_id)
            self._producer.produce(f"{self._prefix}{FEEDBACK}", json.dumps(gold).encode(), question_id)
            self.asked.append(question_id)
        assert self._producer.flush(LIMIT_S) == 0

    def settle(self, letters: int = 0) -> Report:
        """Wait until everything is decided and learned, and so many letters are there, and check all of it."""
        before: dict[Any, int] = {}
        wanted = len(self.asked)

        def quiet() -> bool:
            nonlocal before
            time.sleep(1.5)
            before, last = offsets.ends(), before
            decided = sum(end for (topic, _), end in before.items() if topic == DECISIONS)
            lettered = sum(end for (topic, _), end in before.items() if topic == DEAD_LETTERS)
            if before != last or decided < wanted or lettered < letters:
                return False
            # A worker that was started again may take longer than that to join: what it has not folded tells.
            done = offsets.committed("rank")
            learned = all(done.get(place, 0) == end for place, end in before.items() if place[0] == OBSERVATIONS)
            return learned and not any(
                lag for lags in offsets.lags(("route", "merge", "learn")).values() for lag in lags.values()
            )

        with Offsets(self._bootstrap, self._prefix) as offsets:
            wait(quiet, "all is decided and learned", self.workers)
        return check(records(self._bootstrap, TOPICS, self._prefix), self.asked)

    def end(self) -> None:
        """Stop what runs, in order."""
        for worker in self.workers:
            if worker.running:
                worker.tell_to_end()
        codes = {worker.duty.name: worker.ended() for worker in self.workers if worker.running}
        assert set(codes.values()) <= {0}, codes


def wait(condition: Callable[[], bool], what: str, workers: Sequence[WorkerProcess]) -> None:
    """Wait for something, and show what the workers said last if it does not come."""
    limit = time.monotonic() + LIMIT_S
    while not condition():
        if time.monotonic() > limit:
            said = "\n".join(f"{worker.duty.name}: {worker.last_words()}" for worker in workers)
            raise AssertionError(f"not within {LIMIT_S} s: {what}\n{said}")
        time.sleep(0.05)


@pytest.fixture
def town(broker: Broker, tmp_path: Path) -> Iterator[Town]:
    """A log of its own, with the agents at work."""
    made = Town(broker, tmp_path)
    try:
        prepare(tmp_path, made.url, POLICY)
        made.start_agents()
        yield made
    finally:
        for worker in made.workers:
            worker.close()


@pytest.mark.parametrize("shift", SHIFTS)
def test_death_between_two_writes_loses_nothing(town: Town, shift: int) -> None:
    """Each stage dies once at its first batch; all outputs are there, and what stands there twice is the same event."""
    town.ask(*(f"q{number}" for number in range(40)))
    flaws = [DEATHS[(place + shift) % len(DEATHS)] for place in range(len(STAGES))]
    # What follows from one stage is what the next one dies of.
    for worker in town.start(*flaws):
        assert town.ended(worker) == DIED, worker.last_words()
        town.mend(worker)
    report = town.settle()
    assert report.right, report.examples
    assert report.figures["dead_letters"] == 0
    sent = [flaw in (die_among_outputs, die_before_offsets) for flaw in flaws]
    assert report.figures["repeats"].keys() == {WRITES[STAGES[place]] for place, twice in enumerate(sent) if twice}
    town.end()


def test_what_a_fold_cannot_take_ends_the_stage_and_is_not_lost(town: Town) -> None:
    """A fold that raises ends its process with an error, again and again, and skips nothing; mended, it goes on."""
    town.ask("q0", MARKED, "q1")
    for worker in town.start(*[raise_at_marked] * 4):
        for again in (True, False):
            assert town.ended(worker) == BUG, worker.last_words()
            assert "this fold cannot take it" in worker.last_words()
            if again:
                worker.start()
        town.mend(worker)
    report = town.settle()
    assert report.right, report.examples
    assert report.figures["decided"] == 3
    town.end()


def test_a_record_that_no_fold_takes_is_skipped_when_an_operator_says_so(town: Town) -> None:
    """The error names the place; told to skip it, the stage makes a letter of it and goes on, and a replay says so."""
    town.ask("q0", MARKED, "q1")
    workers = town.start(*[raise_at_marked] * 4)
    flawed = workers[0]
    assert town.ended(flawed) == BUG, flawed.last_words()
    place = re.search(r"--skip (orch\.questions/\d+/\d+)", flawed.last_words())
    assert place is not None, flawed.last_words()
    learning = workers[STAGES.index("learn")]
    assert town.ended(learning) == BUG, learning.last_words()
    town.mend(learning)
    town.skip(flawed, place[1])
    town.asked.remove(MARKED)
    report = town.settle(letters=1)
    assert report.figures["decided"] == 2
    assert report.figures["dead_letters"] == 1
    said = subprocess.run(
        [SCRIPT, "--log", town.url, "--format", "json", "replay"], capture_output=True, timeout=LIMIT_S, check=True
    )
    proof = json.loads(said.stdout)
    assert (proof["different"], place[1] in proof["not_proved"][0]) == (0, True)
    town.end()
