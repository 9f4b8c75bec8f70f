"""One arm of an evaluation, run on recorded outputs."""

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams import logs
from streams.agents.agent import Agent, dismiss
from streams.agents.factory import make_agents
from streams.agents.recorded import VERDICT_SUFFIX, RecordedOutputs, read_outputs
from streams.agents.simulated import SimulatedMerger
from streams.app.evaluation_curves import curves_of
from streams.app.merge_rules import processors
from streams.app.question_feed import gold_feedback
from streams.app.question_file import read_questions
from streams.app.setup import EPOCH
from streams.audit.replay.replay import replay
from streams.errors import InvariantError
from streams.evaluation.arms import NEED_CALLS, PUBLISHED, Arm
from streams.evaluation.ordering import permuted
from streams.evaluation.outcomes import ArmOutcome, Tokens, outcome_of
from streams.evaluation.run_folder import OUTPUTS, QUESTIONS, RunFolder
from streams.log import LogReader, read_event
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import Config, build_policy
from streams.topology import ANALYSES, DECISIONS
from streams.workers.embedded_session import EmbeddedSession

IN_MEMORY = Path("/dev/shm")
"""Where the logs of arms stand if there is room: they are deleted after use, so no disk need keep them."""
ROOM_FOR_A_QUESTION = 200_000
"""Bytes of log that one question may take, several times what eight agents took."""
SEVERAL_LOGS = 4
_PARENT_LOOKED_FOR_S = 1.0


@dataclass(frozen=True, slots=True)
class ArmWork:
    """One arm in one order."""

    arm: Arm
    order: int
    replayed: bool
    """Whether its log is replayed."""
    keep: bool = False
    """Whether its log stays in the run folder."""


@dataclass(slots=True)
class ArmRunner:
    """
    Runs arms on the questions and outputs of a run folder.

    Args:
        folder: The run folder.
        seed: Of the orders.
        window: Questions open at a time.
        specs: Configured agents by name, for arms that no recorded output can serve.
    """

    folder: RunFolder
    seed: int
    window: int
    specs: Mapping[str, Mapping[str, Any]]
    questions: list[QuestionAsked]
    golds: dict[str, str]
    outputs: RecordedOutputs

    @classmethod
    def of(cls, folder: Path, seed: int, window: int, specs: Mapping[str, Mapping[str, Any]]) -> "ArmRunner":
        """Load questions and outputs."""
        run = RunFolder(folder)
        lines = [line for line in read_questions(run.file(QUESTIONS), [], _no_clock) if line.gold is not None]
        golds = {line.question.question_id: line.gold for line in lines if line.gold is not None}
        outputs = read_outputs([run.file(OUTPUTS)])
        return cls(run, seed, window, specs, [line.question for line in lines], golds, outputs)

    def policy_of(self, arm: Arm) -> PolicyAdopted:
        """
        Build the policy of an arm.

        Raises:
            UsageError: This version does not know its rule.
        """
        specs: list[dict[str, Any]] = [
            {**self.specs[original], "name": name}
            if needs_calls(arm) and original in self.specs
            else {"kind": "recorded", "name": name, "model": original}
            for name, original in arm.members.items()
        ]
        return build_policy(Config(fields=arm.policy()), EPOCH, agents=specs)

    def run(self, work: ArmWork) -> int:
        """Run one arm in one order, and write its outcomes; give the number of questions."""
        policy = self.policy_of(work.arm)
        asked = permuted(self.questions, [q.question_id for q in self.questions], seed=self.seed, order=work.order)
        with self._log_file(work) as file:
            started = time.process_time()
            self._decide(file, policy, asked, simulates_merger=self._lacks_verdicts(work.arm))
            seconds = time.process_time() - started
            with EmbeddedReader(file) as reader:
                result = self._outcomes(reader, work, asked)
                proof = replay(reader, second_process=False) if work.replayed else None
        result |= {
            "cpu_seconds": round(seconds, 3),
            "replay": None if proof is None else {"events": proof.events, "different": proof.different},
        }
        self.folder.write(self.folder.arm_file(work.arm.file_name, work.order), orjson.dumps(result))
        return len(asked)

    def _decide(self, file: Path, policy: PolicyAdopted, asked: list[QuestionAsked], *, simulates_merger: bool) -> None:
        agents: dict[str, Agent] = make_agents(policy, self.outputs)
        if simulates_merger and all(agent.spec.kind == "recorded" for agent in agents.values()):
            agents = {name: SimulatedMerger(agent) for name, agent in agents.items()}
        virtual = all(agent.virtual for agent in agents.values())

        def hear(event: Event) -> tuple[Event, ...]:
            return (gold_feedback(event, self.golds[event.question_id]),) if isinstance(event, DecisionMade) else ()

        async def work(log: EmbeddedWriter) -> None:
            # A clock that stands still: the same arm gives the same log, to the byte, on every machine.
            session = EmbeddedSession(
                log,
                agents,
                clock=_no_clock if virtual else _wall_clock,
                window=self.window,
                calls_in_flight=64,
                listener=hear,
            )
            try:
                await session.run(asked)
            finally:
                await dismiss(agents)

        with EmbeddedWriter(file, processors(), clock=_no_clock if virtual else _wall_clock) as log:
            log.append(policy)
            asyncio.run(work(log))

    def _lacks_verdicts(self, arm: Arm) -> bool:
        """Whether an arm runs its merge agent on outputs that hold no verdict of any model."""
        outputs = self.outputs.by_model.values()
        return arm.rule == PUBLISHED and not any(key.endswith(VERDICT_SUFFIX) for by_id in outputs for key in by_id)

    def _outcomes(self, reader: LogReader, work: ArmWork, asked: list[QuestionAsked]) -> dict[str, Any]:
        places = {question.question_id: place for place, question in enumerate(asked)}
        known = any(
            output.input_tokens or output.output_tokens
            for by_id in self.outputs.by_model.values()
            for output in by_id.values()
        ) or needs_calls(work.arm)
        tokens = tokens_of(reader) if known else {}
        rows: list[ArmOutcome] = []
        digest = hashlib.sha256()
        for record in reader.records((DECISIONS,)):
            event = read_event(record)
            if isinstance(event, DecisionMade):
                gold = self.golds[event.question_id]
                rows.append(outcome_of(event, places[event.question_id], gold, tokens))
                digest.update(event.event_id.encode())
        if len(rows) != len(asked):
            raise InvariantError(f"{work.arm.name}: {len(rows)} decisions on {len(asked)} questions")
        rows.sort()
        # The courses are long, and one order shows them.
        curves = curves_of(reader, len(asked), routed=work.arm.routing.kind == "ema") if work.order == 1 else []
        return {
            "arm": work.arm.name,
            "order": work.order,
            "decisions": digest.hexdigest(),
            "rows": [list(row) for row in rows],
            "curves": curves,
        }

    @contextmanager
    def _log_file(self, work: ArmWork) -> Iterator[Path]:
        if work.keep:
            kept = self.folder.path / "logs"
            kept.mkdir(exist_ok=True)
            file = kept / f"{work.arm.file_name}.order-{work.order:03}.db"
            for left in kept.glob(f"{file.name}*"):
                # Of a run that was killed; an arm is run from its beginning.
                left.unlink()
            yield file
            return
        scratch = Path(_room_for(len(self.questions)), self.folder.scratch_name)
        scratch.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as own:
            yield Path(own, "arm.db")


def needs_calls(arm: Arm) -> bool:
    """Whether an arm needs answers that nobody has recorded: verdicts, or answers to sub-questions."""
    return arm.rule in NEED_CALLS


def tokens_of(reader: LogReader) -> Tokens:
    """Give the tokens of each analysis."""
    found: dict[str, tuple[int | None, int | None]] = {}
    for record in reader.records((ANALYSES,)):
        event = read_event(record)
        if isinstance(event, AnalysisPublished):
            ins = [attempt.input_tokens for attempt in event.attempts if attempt.input_tokens is not None]
            outs = [attempt.output_tokens for attempt in event.attempts if attempt.output_tokens is not None]
            found[event.event_id] = (sum(ins) if ins else None, sum(outs) if outs else None)
    return found


def _no_clock() -> int:
    return 0


def _wall_clock() -> int:
    return time.time_ns() // 1_000_000


def _room_for(questions: int) -> Path:
    """Choose a folder in memory if it has room for some logs, else the system's folder for temporary files."""
    with suppress(OSError):
        enough = shutil.disk_usage(IN_MEMORY).free > SEVERAL_LOGS * ROOM_FOR_A_QUESTION * questions
        if enough and os.access(IN_MEMORY, os.W_OK):
            return IN_MEMORY
    return Path(tempfile.gettempdir())


def remove_scratch(folder: RunFolder) -> None:
    """Remove the unfinished logs of an evaluation, such as those that a killed one left in memory."""
    for place in (IN_MEMORY, Path(tempfile.gettempdir())):
        shutil.rmtree(place / folder.scratch_name, ignore_errors=True)


_runner: ArmRunner | None = None
"""The runner of a worker process."""


def start_worker(folder: Path, seed: int, window: int, specs: Mapping[str, Mapping[str, Any]]) -> None:
    """Prepare a worker process; it ends when the process that started it is gone."""
    global _runner
    # Without this structlog prints every commit of an arm to stdout, which is data.
    logs.configure()
    # The parent handles an interrupt; what is written stays.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_LOOKED_FOR_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    _runner = ArmRunner.of(folder, seed, window, specs)


def run_in_worker(work: ArmWork) -> int:
    """Run one arm in one order in this worker process."""
    assert _runner is not None, "start_worker prepares the process"
    return _runner.run(work)
