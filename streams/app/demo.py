"""The demo run over a generated question set."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson

from schemas.decisions import DecisionMade
from schemas.router import RouterEntry
from streams.agents.factory import make_agents
from streams.app.demo_world import Baseline, ask_everybody, demo_agents, demo_questions
from streams.app.question_file import QuestionLine, read_questions
from streams.app.reporter import SILENT, Reporter
from streams.app.run import Job, RunOutcome, do
from streams.app.workspace import Workspace
from streams.errors import InvariantError
from streams.log import LogReader, read_event
from streams.settings import Config, build_policy
from streams.topology import DECISIONS, ROUTER

DEMO_LOG = "sqlite:///orch-demo.db"


@dataclass(frozen=True, slots=True)
class Demonstration:
    """Result of a demo."""

    outcome: RunOutcome
    baseline: Baseline
    lines: Sequence[QuestionLine]
    """The questions, with their right answers."""

    @property
    def best_single(self) -> str:
        """The agent that is right most often on its own."""
        right = self.baseline.right
        return max(right, key=lambda name: right[name])


def demonstrate(work: Workspace, questions: int, seed: int, reporter: Reporter = SILENT) -> Demonstration:
    """
    Ask generated questions, decide, learn and replay, with the demo's own configuration.

    Args:
        work: Its log is used; its configuration is not.
        questions: Number of questions.
        seed: Seed of the simulated world; the same seed gives the same events and ids.
        reporter: Told of the progress.
    """
    fields = {"policy_id": f"demo-{seed}", "agents": demo_agents(seed)}
    config = Config(path="the demo's own configuration", fields=fields)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "questions.jsonl")
        file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in demo_questions(questions, seed)))
        lines = list(read_questions(file, [], lambda: 0))
        outcome = do(work, Job(str(file), config, teach=True), reporter)
    policy = build_policy(config, lines[0].question.occurred_at)
    return Demonstration(outcome, ask_everybody(lines, make_agents(policy, None)), lines)


def newest_entries(reader: LogReader) -> list[RouterEntry]:
    """Give what the router knows now: the newest entry of each scope and agent."""
    newest: dict[tuple[str, str], RouterEntry] = {}
    for record in reader.records((ROUTER,)):
        entry = read_event(record)
        if isinstance(entry, RouterEntry):
            newest[entry.scope, entry.agent] = entry
    return list(newest.values())


def example_of(reader: LogReader, lines: Sequence[QuestionLine]) -> tuple[DecisionMade, QuestionLine]:
    """Choose an example: the last decision in which ballots disagreed and the right answer won, else the last."""
    asked = {line.question.question_id: line for line in lines}
    found: list[DecisionMade] = []
    for record in reader.records((DECISIONS,)):
        if record.key in asked:
            event = read_event(record)
            if isinstance(event, DecisionMade):
                found.append(event)
    contested = [
        decision
        for decision in found
        if decision.agreement.agreeing < decision.agreement.counted
        and decision.answer == asked[decision.question_id].gold
    ]
    if not found:
        raise InvariantError("the demo made no decision")
    chosen = max(contested or found, key=lambda decision: decision.question_id)
    return chosen, asked[chosen.question_id]
