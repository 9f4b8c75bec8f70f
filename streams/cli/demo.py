"""`orch demo`: the main job on a made-up question set, and what to try next."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import orjson

from schemas.decisions import DecisionMade
from schemas.questions import ALL_SUBJECTS, LETTERS
from schemas.router import RouterEntry
from streams.agents.factory import make_agents
from streams.app.demo_world import Baseline, ask_everybody, demo_agents, demo_questions
from streams.app.question_file import Line, read_questions
from streams.app.run import Job, Outcome, do
from streams.cli import output
from streams.cli.ask import weight_of
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.replay import print_difference
from streams.cli.run import print_outcome
from streams.errors import InvariantError
from streams.log import LogReader, read_event
from streams.settings import Config, build_policy
from streams.topology import DECISIONS, ROUTER

DEMO_LOG = "sqlite:///orch-demo.db"


@command(examples=("orch demo", "orch demo --questions 50 --seed 3", "orch --log sqlite:///mine.db demo"))
@click.option(
    "--questions", type=click.IntRange(1, 9_999), default=200, show_default=True, metavar="N", help="How many to ask."
)
@click.option(
    "--seed", type=click.IntRange(0, 10**9), default=7, show_default=True, metavar="N", help="Of the made-up world."
)
@pass_app
def demo(app: App, questions: int, seed: int) -> int:
    """
    Show it all once, on made-up questions and simulated agents.

    Asks, decides, learns from the right answers, derives everything again, and says what to try next. Needs no key, no
    network and no configuration, and uses none. The log is orch-demo.db here, unless --log or ORCH_LOG names another.
    The same seed gives the same events, to the last id; run it again, and what is there already is not asked again.
    """
    app.use_log_unless_named(DEMO_LOG)
    fields = {"policy_id": f"demo-{seed}", "agents": demo_agents(seed)}
    config = Config(path="the demo's own configuration", fields=fields)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "questions.jsonl")
        file.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in demo_questions(questions, seed)))
        lines = list(read_questions(file, [], lambda: 0))
        outcome = do(app, Job(str(file), config, teach=True))
    policy = build_policy(config, lines[0].question.occurred_at)
    baseline = ask_everybody(lines, make_agents(policy, None))
    with app.open_reader() as reader:
        if app.json:
            output.print_json(_as_json(app, outcome, baseline, len(lines)))
        else:
            _print(app, outcome, baseline, lines, reader)
    if outcome.replay.different:
        print_difference(outcome.replay)
        return EXIT_DIFFERENCE
    return 0


def _as_json(app: App, outcome: Outcome, baseline: Baseline, asked: int) -> dict[str, Any]:
    best = _best(baseline)
    return {
        **outcome.as_json(),
        "log": app.log_url,
        "best_single": {"agent": best, "accuracy": baseline.right[best] / asked},
        "all_agents_vote_accuracy": baseline.vote_right / asked,
    }


def _best(baseline: Baseline) -> str:
    return max(baseline.right, key=lambda name: baseline.right[name])


def _print(app: App, outcome: Outcome, baseline: Baseline, lines: Sequence[Line], reader: LogReader) -> None:
    asked = len(lines)
    if outcome.known:
        output.say(f"{app.log_url} held {outcome.known:,} of these questions already; they were not asked again.")
    output.print_text(f"{asked:,} questions in 5 subjects to 5 simulated agents", style="bold")
    print_outcome(outcome)
    best = _best(baseline)
    output.print_text()
    output.print_text("Beside it, every agent asked every question", style="bold")
    output.print_pairs(
        [
            ("best single", f"{baseline.right[best] / asked:.1%} ({best}), {asked:,} calls"),
            ("plain vote", f"{baseline.vote_right / asked:.1%} (all agents), {len(baseline.right) * asked:,} calls"),
        ]
    )
    output.print_text()
    _print_learned(reader, sorted({line.question.subject or "" for line in lines}))
    output.print_text()
    example = _example(reader, lines)
    _print_example(example, next(line for line in lines if line.question.question_id == example.question_id))
    output.print_text()
    output.print_text("Try next", style="bold")
    orch = app.orch
    output.print_command(f"{orch} explain {example.question_id}", "everything behind that decision")
    output.print_command(f"{orch} router", "what the router knows of each agent")
    output.print_command(f"{orch} consume decisions --max 3", "the decisions, as programs see them")
    output.print_command(f"{orch} replay", "prove the log again")
    output.print_command("orch init", "write a configuration, to make it your own")


def _print_learned(reader: LogReader, subjects: Sequence[str]) -> None:
    """Print whom the router has come to trust in each subject, beside how good they really are."""
    newest: dict[tuple[str, str], RouterEntry] = {}
    for record in reader.records((ROUTER,)):
        entry = read_event(record)
        if isinstance(entry, RouterEntry):
            newest[entry.scope, entry.agent] = entry
    rows = []
    for scope in (ALL_SUBJECTS, *subjects):
        known = [entry for (of, _), entry in newest.items() if of == scope and entry.observations.quality]
        known.sort(key=lambda entry: -entry.quality_ppb)
        rows.append(
            (
                "all" if scope == ALL_SUBJECTS else scope,
                *(f"{entry.agent} {output.percent(entry.quality_ppb, 0)}" for entry in known[:3]),
                *("-" for _ in range(3 - len(known[:3]))),
            )
        )
    output.print_table(("subject", "most right", "second", "third"), rows, title="What the router learned")


def _example(reader: LogReader, lines: Sequence[Line]) -> DecisionMade:
    """Choose a decision worth a look: the last in which ballots disagreed and the right answer won."""
    golds = {line.question.question_id: line.gold for line in lines}
    found: list[DecisionMade] = []
    for record in reader.records((DECISIONS,)):
        if record.key in golds:
            event = read_event(record)
            if isinstance(event, DecisionMade):
                found.append(event)
    contested = [
        decision
        for decision in found
        if decision.agreement.agreeing < decision.agreement.counted and decision.answer == golds[decision.question_id]
    ]
    if not found:
        raise InvariantError("the demo made no decision")
    return max(contested or found, key=lambda decision: decision.question_id)


def _print_example(decision: DecisionMade, line: Line) -> None:
    """Explain one decision in three lines."""
    question = line.question
    options = ", ".join(f"{letter} {text}" for letter, text in zip(LETTERS, question.options, strict=False))
    said = ", ".join(
        f"{ballot.agent} {ballot.answer} ({weight_of(decision.rule, ballot.weight)})" for ballot in decision.counted
    )
    left_out = ", ".join(f"{seat.agent} ({seat.reason})" for seat in decision.excluded)
    agreement = decision.agreement
    output.print_text("One decision", style="bold")
    output.print_pairs(
        [
            (decision.question_id, f"{question.text} {options}".strip()),
            ("said", said + (f"; left out: {left_out}" if left_out else "")),
            (
                "decided",
                f"{decision.answer}; {agreement.agreeing} of {agreement.counted} agreed, and their weights decide"
                f" ({decision.rule}); right is {line.gold}",
            ),
        ]
    )
