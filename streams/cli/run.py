"""`orch run`: every stage in one process until all decided."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import click

from streams.app import amounts
from streams.app.foreign_fields import FieldMap
from streams.app.run import Job, RunOutcome, do
from streams.audit.agent_stats import AgentStats
from streams.audit.run_summary import RunSummary
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, EXIT_USAGE, App, pass_unchecked_app
from streams.cli.file_options import map_option
from streams.cli.render.terminal import Terminal
from streams.cli.replay import print_difference
from streams.errors import UsageError
from streams.presets import PresetName
from streams.settings import PRESETS

SAFE = "What was committed to {log} is safe; the same command goes on from there."
"""Advice for an interrupted run."""

MOST_CLASSES = 3
"""Most error classes that are named for each agent; JSON has them all."""


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
    help="Recorded outputs, as JSON Lines; each model in them becomes an agent, instead of the configured ones.",
)
@click.option("--feedback", type=click.Choice(["gold"]), help="Teach the router the right answers of the file.")
@click.option(
    "--preset",
    type=click.Choice(PRESETS),
    metavar="NAME",
    help=f"Starting point of the policy, instead of the configured one: {', '.join(PRESETS)}.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Questions open at a time; learning lags by as many.",
)
@map_option
@pass_unchecked_app
def run(
    app: App,
    questions: str | None,
    outputs: tuple[str, ...],
    feedback: Literal["gold"] | None,
    preset: PresetName | None,
    window: int | None,
    names: FieldMap | None,
) -> int:
    """
    Ask, decide and learn until every question has its decision.

    QUESTIONS.jsonl holds one question a line, plain or gzip, - for stdin; a JSON array, CSV or TSV is read too, and
    with --map a file whose fields have other names. A line is {"question_id", "text", "options": [...],
    "answer_type": "choice" or "number", "subject", "gold", "occurred_at"}. Only question_id, text and options are
    needed. gold, the right answer, is used to count and to teach; no agent sees it. A question the log holds is not
    asked again, so an interrupted run goes on where it stopped.

    The summary is about the questions of the file, whenever they were decided; without a file, about all of the log.
    The plain vote is one vote for each readable analysis that the decision had, ties by the policy's fixed priority,
    so it is comparable at the same calls. An agent's accuracy is over the questions it was asked; its calls are those
    that decisions rest on, failed ones included, and its latencies those of the calls that gave a reply.
    """
    if feedback and questions is None:
        raise UsageError("--feedback gold needs the file that holds the right answers", remedy="Name QUESTIONS.jsonl")
    config = app.config
    if preset is not None:
        config = replace(config, preset=preset)
    if window is not None:
        run = config.run.model_copy(update={"window": window, "live_window": window})
        config = replace(config, run=run)
    app.if_interrupted(SAFE.format(log=app.log_url))
    outcome = do(app, Job(questions, config, outputs, teach=feedback is not None, names=names), Terminal())
    if app.json:
        output.print_json(outcome.as_json())
    else:
        print_outcome(outcome)
    if outcome.problems:
        output.say(f"{amounts.counted(len(outcome.problems), 'line')} could not be used; see above.")
    if outcome.replay.different:
        print_difference(outcome.replay)
        return EXIT_DIFFERENCE
    return EXIT_USAGE if outcome.problems else 0


def print_outcome(outcome: RunOutcome) -> None:
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
        ("cost", f"{amounts.usd(summary.cost_nusd)}{unpriced}"),
        ("time", f"{amounts.duration(outcome.seconds)}{speed}"),
        ("replay", f"{replayed.events:,} events, {replayed.derived:,} derived again, {replayed.different:,} different"),
    ]
    output.print_pairs(pairs)
    agents = sorted(summary.agents.items())
    if agents:
        output.print_text()
        rows = [(name, f"{a.asked:,}", _share(a.accuracy), f"{a.calls:,}") for name, a in agents]
        output.print_table(
            ("agent", "questions", "right", "calls"), rows, right=("questions", "right", "calls"), names=1
        )
    _print_calls(agents)


def _print_calls(agents: Sequence[tuple[str, AgentStats]]) -> None:
    """Print the totals of each agent's calls, without columns that are zero or unknown for all agents."""
    columns: dict[str, list[str]] = {
        "failed": [_many(a.failed.total()) for _, a in agents],
        "refused": [_many(a.refused) for _, a in agents],
        "tokens in": [_many(a.input_tokens) for _, a in agents],
        "tokens out": [_many(a.output_tokens) for _, a in agents],
        "cost": [_cost(a) for _, a in agents],
        "median": [_latency(a, 50) for _, a in agents],
        "p95": [_latency(a, 95) for _, a in agents],
    }
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    if not told:
        return
    output.print_text()
    rows = list(
        zip((name for name, _ in agents), *([cell or "-" for cell in cells] for cells in told.values()), strict=True)
    )
    output.print_table(("agent", *told), rows, right=tuple(told), names=1)
    errors = [(f"{name} failed", _errors(a)) for name, a in agents if a.failed]
    if errors:
        output.print_text()
        output.print_pairs(errors)


def _many(number: int) -> str:
    return f"{number:,}" if number else ""


def _cost(agent: AgentStats) -> str:
    """Format the known cost of an agent, to a hundredth of a cent; empty if no cost is known."""
    if not agent.cost_nusd:
        return ""
    return f"{'≥ ' if agent.unpriced_calls else ''}${agent.cost_nusd / 10**9:,.4f}"


def _latency(agent: AgentStats, percent: int) -> str:
    latency_ms = agent.latencies.at(percent)
    return amounts.duration(latency_ms / 1000) if latency_ms else ""


def _errors(agent: AgentStats) -> str:
    """Name the most frequent classes of an agent's errors; ties in the order of names."""
    ranked = sorted(agent.failed.items(), key=lambda item: (-item[1], item[0]))
    more = len(ranked) - MOST_CLASSES
    told = ", ".join(f"{error} {number:,}" for error, number in ranked[:MOST_CLASSES])
    return f"{told}, {more} more" if more > 0 else told


def _accuracy(summary: RunSummary) -> list[tuple[str, str]]:
    if not summary.graded:
        return [("right", "not known: no right answers were given")]
    graded = "" if summary.graded == summary.questions else " whose answer is known"
    return [
        ("right", f"{_share(summary.accuracy)} ({summary.correct:,} of {summary.graded:,}{graded})"),
        ("plain vote", f"{_share(summary.vote_accuracy)} on the same analyses"),
    ]


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"
