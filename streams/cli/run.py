"""`orch run`: every stage in one process until all decided."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import click

from streams.app import amounts
from streams.app.foreign_fields import FieldMap
from streams.app.metrics import Counted, instruments
from streams.app.question_file import LineReading
from streams.app.run import Job, RunOutcome, do
from streams.app.traces import traces as sending
from streams.audit.agent_stats import AgentStats
from streams.audit.figures import usd
from streams.audit.run_summary import RunSummary
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, EXIT_USAGE, App, pass_unchecked_app
from streams.cli.file_options import map_option
from streams.cli.metrics_option import metrics_option
from streams.cli.render.terminal import Terminal
from streams.cli.replay import print_difference
from streams.cli.traces_option import traces_option
from streams.errors import UsageError
from streams.evaluation.significance import wilson
from streams.instruments.address import Address
from streams.presets import PresetName
from streams.settings import PRESETS, with_preset

SAFE = "What was committed to {log} is safe; the same command goes on from there."
"""Advice for an interrupted run."""

UNDECIDED = "`{orch} consume decisions --status undecided` shows why; `{orch} retry` asks them again, under new ids."
"""Way on from undecided questions."""

MOST_SHOWN = 5
"""Most undecided questions that are named in the text; JSON has more."""

MOST_SUBJECTS = 20
"""Most subjects that have a line of their own in the text; JSON has all."""

MOST_CLASSES = 3
"""Most error classes that are named for each agent; JSON has them all."""


@command(
    examples=(
        "orch run questions.jsonl",
        "orch run questions.jsonl --outputs outputs.jsonl --feedback gold",
        "orch --format json run questions.jsonl.gz --preset reference --again reference",
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
    help=f"Starting point of the policy, instead of the configured one: {', '.join(PRESETS)}. The reference presets"
    " have the published arithmetic, published is the published experiment; orch.toml says how they differ.",
)
@click.option(
    "--window",
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Questions open at a time; learning lags by as many.",
)
@map_option
@click.option(
    "--again",
    metavar="NAME",
    help="Ask the questions of the file again, under new ids: q1 as q1~NAME. Their recorded outputs and right answers"
    " go along.",
)
@metrics_option
@traces_option
@pass_unchecked_app
def run(
    app: App,
    questions: str | None,
    outputs: tuple[str, ...],
    feedback: Literal["gold"] | None,
    preset: PresetName | None,
    window: int | None,
    names: FieldMap | None,
    again: str | None,
    metrics: Address | None,
    traces: str | None,
) -> int:
    """
    Ask, decide and learn until every question has its decision.

    QUESTIONS.jsonl holds one question a line, plain or gzip, - for stdin; a JSON array, CSV or TSV is read too, and
    with --map a file whose fields have other names. A line is {"question_id", "text", "options": [...],
    "answer_type": "choice" or "number", "subject", "gold", "occurred_at"}. Only question_id, text and options are
    needed. gold, the right answer, is used to count and to teach; no agent sees it. A question the log holds is not
    asked again, so an interrupted run goes on where it stopped. If all were decided, and none under the policy of this
    run, the command says so and ends with exit code 2; --again asks them once more.

    The summary is about the questions of the file, whenever they were decided; without a file, about all of the log.
    The plain vote is one vote for each readable analysis that the decision had, ties by the policy's fixed priority,
    so it is comparable at the same calls. An agent's accuracy is over the questions it was asked; its calls are those
    that decisions rest on, failed ones included, and its latencies those of the calls that gave a reply.
    """
    if again is not None and questions is None:
        raise UsageError("--again needs the file whose questions to ask", remedy="Name it; `orch retry` needs none")
    if feedback and questions is None:
        raise UsageError("--feedback gold needs the file that holds the right answers", remedy="Name QUESTIONS.jsonl")
    config = app.config
    if preset is not None:
        config = with_preset(config, preset)
    if window is not None:
        run = config.run.model_copy(update={"window": window, "live_window": window})
        config = replace(config, run=run)
    app.if_interrupted(SAFE.format(log=app.log_url))
    job = Job(questions, config, outputs, teach=feedback is not None, reading=LineReading(names, again))
    with (
        instruments(metrics, "run", (), lambda url, text: output.say(text)) as shown,
        sending(traces, "run", lambda url, text: output.say(text), shown) as tracer,
    ):
        outcome = do(app, job, Terminal(), Counted(instruments=shown, tracer=tracer))
    if app.json:
        output.print_json(outcome.as_json())
    else:
        print_outcome(outcome)
    if outcome.summary.undecided:
        output.say(UNDECIDED.format(orch=app.orch))
    if outcome.problems:
        output.say(f"{amounts.counted(len(outcome.problems), 'line')} could not be used; see above.")
    if outcome.replay.different:
        print_difference(outcome.replay)
        return EXIT_DIFFERENCE
    return EXIT_USAGE if outcome.problems else 0


def print_outcome(outcome: RunOutcome) -> None:
    """Print a summary for people."""
    summary, replayed = outcome.summary, outcome.replay
    known = f" ({outcome.known:,} asked before)" if outcome.known else ""
    now = outcome.decided_now
    speed = f" ({now / outcome.seconds:,.0f} questions/s)" if now and outcome.seconds else ""
    a_question = f" ({summary.calls / summary.questions:.2f} a question)" if summary.questions else ""
    unpriced = f", without {summary.unpriced_calls:,} calls of unknown cost" if summary.unpriced_calls else ""
    pairs = [
        ("questions", f"{summary.questions:,}{known}"),
        ("decided", f"{summary.decided:,}{_undecided(summary)}"),
        *_policies(outcome),
        *_accuracy(outcome),
        ("rule", ", ".join(f"{name} {number:,}" for name, number in summary.use.decided.items()) or "none decided"),
        ("calls", f"{summary.calls:,}{a_question}"),
        ("cost", f"{usd(summary.cost_nusd)}{unpriced}"),
        *_shadows(summary),
        ("time", f"{amounts.duration(outcome.seconds)}{speed}"),
        ("policy", outcome.policy),
        ("replay", f"{replayed.events:,} events, {replayed.derived:,} derived again, {replayed.different:,} different"),
    ]
    output.print_pairs(pairs)
    _print_notes(summary)
    _print_subjects(summary)
    agents = sorted(summary.agents.items())
    if agents:
        output.print_text()
        rows = [(name, f"{a.asked:,}", amounts.share(a.right, a.graded), f"{a.calls:,}") for name, a in agents]
        output.print_table(
            ("agent", "questions", "right", "calls"), rows, right=("questions", "right", "calls"), names=1
        )
    _print_calls(agents)


def _print_notes(summary: RunSummary) -> None:
    """Print what the rules are worth without feedback."""
    if notes := summary.use.notes(graded=summary.graded > 0):
        output.print_text()
        output.print_text("Without feedback", style="bold")
        for note in notes:
            output.print_text(f"  {note}")


def _shadows(summary: RunSummary) -> list[tuple[str, str]]:
    """Print the calls of shadow seats, where there were any."""
    if not summary.shadow_calls:
        return []
    a_question = f"{summary.shadow_calls / summary.questions:.2f} a question"
    return [("shadow calls", f"{summary.shadow_calls:,} ({a_question}; {usd(summary.shadow_cost_nusd)})")]


def _print_subjects(summary: RunSummary) -> None:
    """Print the accuracy on each subject, the largest first, with its interval."""
    if len(summary.subjects) < 2:
        return
    ranked = sorted(summary.subjects.items(), key=lambda item: (-item[1].graded, item[0]))
    rows = [
        (
            subject,
            f"{part.graded:,}",
            amounts.share(part.correct, part.graded),
            amounts.interval(*wilson(part.correct, part.graded)),
        )
        for subject, part in ranked[:MOST_SUBJECTS]
    ]
    if len(ranked) > MOST_SUBJECTS:
        rest = [part for _, part in ranked[MOST_SUBJECTS:]]
        right, graded = sum(part.correct for part in rest), sum(part.graded for part in rest)
        shown = (amounts.share(right, graded), amounts.interval(*wilson(right, graded)))
        rows.append((f"{len(rest):,} more", f"{graded:,}", *shown))
    columns = ("subject", "questions", "right", "95 % interval")
    output.print_text()
    output.print_table(columns, rows, right=columns[1:], names=1)


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


def _policies(outcome: RunOutcome) -> list[tuple[str, str]]:
    """Say who decided, where it was not this run's policy alone."""
    parts = outcome.summary.policies
    if set(parts) <= {outcome.policy}:
        return []
    told = [f"{name} {part.decided + part.undecided:,}" for name, part in parts.items()]
    return [("policies", ", ".join(told if outcome.policy in parts else [*told, f"{outcome.policy} 0"]))]


def _accuracy(outcome: RunOutcome) -> list[tuple[str, str]]:
    """Print how many were right; of a file that several policies decided, the share of each on its own."""
    summary = outcome.summary
    if not summary.graded:
        return [("right", "not known: no right answers were given")]
    graded = "" if summary.graded == summary.questions else " whose answer is known"
    if len(summary.policies) > 1:
        return [
            (
                f"right, {name}",
                f"{amounts.share(part.correct, part.graded)} ({part.correct:,} of {part.graded:,}{graded})",
            )
            for name, part in summary.policies.items()
        ]
    return [
        (
            "right",
            f"{amounts.share(summary.correct, summary.graded)} ({summary.correct:,} of {summary.graded:,}{graded};"
            f" 95 % interval {amounts.interval(*wilson(summary.correct, summary.graded))})",
        ),
        ("plain vote", f"{amounts.share(summary.vote_correct, summary.graded)} on the same analyses"),
    ]


def _undecided(summary: RunSummary) -> str:
    """Name the first undecided questions."""
    if not summary.undecided:
        return ""
    shown = ", ".join(map(output.clean, summary.undecided_ids[:MOST_SHOWN]))
    more = summary.undecided - min(summary.undecided, MOST_SHOWN)
    return f", {summary.undecided:,} undecided: {shown}{f' and {more:,} more' if more else ''}"
