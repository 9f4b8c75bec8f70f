"""`orch demo`: a run over a generated question set."""

from collections.abc import Sequence
from typing import Any

import click

from schemas.decisions import DecisionMade
from schemas.questions import ALL_SUBJECTS, LETTERS
from streams.app import amounts
from streams.app.demo import DEMO_LOG, Demonstration, demonstrate, example_of, newest_entries
from streams.app.question_file import QuestionLine
from streams.cli import output
from streams.cli.ask import weight_of
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, App, pass_app
from streams.cli.render.terminal import Terminal
from streams.cli.replay import print_difference
from streams.cli.run import SAFE, print_outcome
from streams.log import LogReader


@command(examples=("orch demo", "orch demo --questions 50 --seed 3", "orch --log sqlite:///mine.db demo"))
@click.option(
    "--questions",
    type=click.IntRange(1, 9_999),
    default=200,
    show_default=True,
    metavar="N",
    help="Number of questions.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 10**9),
    default=7,
    show_default=True,
    metavar="N",
    help="Seed of the simulated world.",
)
@pass_app
def demo(app: App, questions: int, seed: int) -> int:
    """
    Run the whole pipeline on generated questions and simulated agents.

    Asks, decides, learns from the right answers, replays the log, and shows what to try next. Needs and uses no key, no
    network and no configuration. The log is orch-demo.db here, unless --log or ORCH_LOG names another. The same seed
    gives the same events and ids; a second run does not ask the questions that the log holds.
    """
    app.use_log_unless_named(DEMO_LOG)
    app.if_interrupted(SAFE.format(log=app.log_url))
    shown = demonstrate(app, questions, seed, Terminal())
    with app.open_reader() as reader:
        if app.json:
            output.print_json(_as_json(app, shown))
        else:
            _print(app, shown, reader)
    if shown.outcome.replay.different:
        print_difference(shown.outcome.replay)
        return EXIT_DIFFERENCE
    return 0


def _as_json(app: App, shown: Demonstration) -> dict[str, Any]:
    best, baseline, asked = shown.best_single, shown.baseline, len(shown.lines)
    return {
        **shown.outcome.as_json(),
        "log": app.log_url,
        "best_single": {"agent": best, "accuracy": baseline.right[best] / asked},
        "all_agents_vote_accuracy": baseline.vote_right / asked,
    }


def _print(app: App, shown: Demonstration, reader: LogReader) -> None:
    outcome, baseline, lines = shown.outcome, shown.baseline, shown.lines
    asked, best = len(lines), shown.best_single
    if outcome.known:
        output.say(f"{app.log_url} held {outcome.known:,} of these questions already; they were not asked again.")
    output.print_text(f"{asked:,} questions in 5 subjects to 5 simulated agents", style="bold")
    print_outcome(outcome)
    output.print_text()
    output.print_text("Beside it, every agent asked every question", style="bold")
    output.print_pairs(
        [
            ("best single", f"{amounts.share(baseline.right[best], asked)} ({best}), {asked:,} calls"),
            (
                "plain vote",
                f"{amounts.share(baseline.vote_right, asked)} (all agents), {len(baseline.right) * asked:,} calls",
            ),
        ]
    )
    output.print_text()
    _print_learned(reader, sorted({line.question.subject or "" for line in lines}))
    output.print_text()
    example, line = example_of(reader, lines)
    _print_example(example, line)
    output.print_text()
    output.print_text("Try next", style="bold")
    orch = app.orch
    output.print_command(f"{orch} explain {example.question_id}", "everything behind that decision")
    output.print_command(f"{orch} router", "what the router knows of each agent")
    output.print_command(f"{orch} consume decisions --max 3", "the decisions, as programs see them")
    output.print_command(f"{orch} replay", "prove the log again")
    output.print_command("orch init", "write a configuration, to make it your own")


def _print_learned(reader: LogReader, subjects: Sequence[str]) -> None:
    """Print the three agents of the highest learned quality in each subject."""
    newest = newest_entries(reader)
    rows = []
    for scope in (ALL_SUBJECTS, *subjects):
        known = [entry for entry in newest if entry.scope == scope and entry.observations.quality]
        known.sort(key=lambda entry: -entry.quality_ppb)
        rows.append(
            (
                "all" if scope == ALL_SUBJECTS else scope,
                *(f"{entry.agent} {amounts.percent(entry.quality_ppb, 0)}" for entry in known[:3]),
                *("-" for _ in range(3 - len(known[:3]))),
            )
        )
    output.print_table(("subject", "most right", "second", "third"), rows, title="What the router learned")


def _print_example(decision: DecisionMade, line: QuestionLine) -> None:
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
