"""`orch run`: all stages in one process, until every question has its decision."""

from dataclasses import replace
from typing import Literal

import click

from streams.audit.summary import Summary
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, EXIT_USAGE, App, pass_app
from streams.cli.job import Job, Outcome, do
from streams.cli.replay import print_difference
from streams.errors import UsageError
from streams.presets import PresetName
from streams.settings import PRESETS


@command(
    examples=(
        "orch run questions.jsonl",
        "orch run questions.jsonl --outputs outputs.jsonl --feedback gold",
        "orch --format json run questions.jsonl.gz --preset reference",
        "orch run  # goes on with what the log holds",
    )
)
@click.argument("questions", metavar="[QUESTIONS.jsonl]", required=False)
@click.option(
    "--outputs",
    metavar="FILE",
    multiple=True,
    help="Recorded outputs, as JSON Lines; each model in them is an agent of its name, instead of the configured ones.",
)
@click.option("--feedback", type=click.Choice(["gold"]), help="Teach the router the right answers of the file.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    metavar="NAME",
    help=f"Starting point of the policy, instead of the configured: {', '.join(PRESETS)}.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Questions open at a time; learning lags by as many.",
)
@pass_app
def run(
    app: App,
    questions: str | None,
    outputs: tuple[str, ...],
    feedback: Literal["gold"] | None,
    preset: PresetName | None,
    window: int | None,
) -> int:
    """
    Ask, decide and learn until every question has its decision.

    QUESTIONS.jsonl holds one question a line, plain or gzip, - for stdin: {"question_id", "text", "options": [...],
    "answer_type": "choice" or "number", "subject", "gold", "occurred_at"}. Only question_id, text and options are
    needed. gold, the right answer, is used to count and to teach; no agent sees it. A question the log holds is not
    asked again, so an interrupted run goes on where it stopped.

    The summary is about the questions of the file, whenever they were decided; without a file, about all of the log.
    The plain vote is one vote for each readable analysis that the decision had, ties by the policy's fixed priority,
    so it is comparable at the same calls. An agent's accuracy is over the questions it was asked.
    """
    if feedback and questions is None:
        raise UsageError("--feedback gold needs the file that holds the right answers", remedy="Name QUESTIONS.jsonl")
    config = app.config
    if preset is not None:
        config = replace(config, preset=preset)
    if window is not None:
        config = replace(config, run=replace(config.run, window=window, live_window=window))
    outcome = do(app, Job(questions, config, outputs, teach=feedback is not None))
    if app.json:
        output.print_json(outcome.as_json())
    else:
        print_outcome(outcome)
    if outcome.problems:
        output.say(f"{output.counted(len(outcome.problems), 'line')} could not be used; see above.")
    if outcome.replay.different:
        print_difference(outcome.replay)
        return EXIT_DIFFERENCE
    return EXIT_USAGE if outcome.problems else 0


def print_outcome(outcome: Outcome) -> None:
    """Print a summary for people."""
    summary, replayed = outcome.summary, outcome.replay
    undecided = f", {summary.undecided:,} undecided" if summary.undecided else ""
    known = f" ({outcome.known:,} asked before)" if outcome.known else ""
    new = summary.questions - outcome.known
    speed = f" ({new / outcome.seconds:,.0f} questions/s)" if new > 0 and outcome.seconds else ""
    a_question = f" ({summary.calls / summary.questions:.2f} a question)" if summary.questions else ""
    unpriced = f", without {summary.unpriced_calls:,} calls of unknown cost" if summary.unpriced_calls else ""
    pairs = [
        ("questions", f"{summary.questions:,}{known}"),
        ("decided", f"{summary.decided:,}{undecided}"),
        *_accuracy(summary),
        ("calls", f"{summary.calls:,}{a_question}"),
        ("cost", f"{output.usd(summary.cost_nusd)}{unpriced}"),
        ("time", f"{output.duration(outcome.seconds)}{speed}"),
        ("replay", f"{replayed.events:,} events, {replayed.derived:,} derived again, {replayed.different:,} different"),
    ]
    output.print_pairs(pairs)
    rows = [
        (name, f"{agent.asked:,}", _share(agent.accuracy), f"{agent.calls:,}")
        for name, agent in sorted(summary.agents.items())
    ]
    if rows:
        output.print_text()
        output.print_table(("agent", "questions", "right", "calls"), rows, right=("questions", "right", "calls"))


def _accuracy(summary: Summary) -> list[tuple[str, str]]:
    if not summary.graded:
        return [("right", "not known: no right answers were given")]
    graded = "" if summary.graded == summary.questions else " whose answer is known"
    return [
        ("right", f"{_share(summary.accuracy)} ({summary.correct:,} of {summary.graded:,}{graded})"),
        ("plain vote", f"{_share(summary.vote_accuracy)} on the same analyses"),
    ]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
