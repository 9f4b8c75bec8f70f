"""`orch status`: questions, stages and calls at a glance."""

import time

import click

from streams.app import amounts
from streams.app.status import RECENT_MS, Glance, glances
from streams.audit.agent_stats import AgentStats
from streams.audit.figures import usd
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app

WATCH_S = 2.0
"""Time between two looks of `--watch`."""


@command(
    examples=(
        "orch status",
        "orch --log kafka://localhost:9092 status --watch",
        "orch --format json status --last 15",
    )
)
@click.option("--watch", is_flag=True, help="Look every two seconds, until interrupted (exit code 130).")
@click.option(
    "--last",
    type=click.IntRange(1, 10_080),
    default=RECENT_MS // 60_000,
    show_default=True,
    metavar="MINUTES",
    help="Length of the time for rates, calls and spend.",
)
@pass_app
def status(app: App, watch: bool, last: int) -> None:
    """
    Show questions, lag, and the calls of the last minutes.

    It reads the log and writes nothing, beside whatever works on it: questions by state, how many were decided lately,
    which one has waited longest, on Kafka the members and the lag of each stage, and by agent the calls, failures and
    spend of the last minutes. Times are those of the records. --format json prints one line for each look. Of an
    archive it shows the questions; nothing happened in it lately.
    """
    app.if_interrupted("")
    with glances(app, last * 60_000) as look:
        while True:
            seen = look()
            if app.json:
                output.print_json({"log": app.log_url, **seen.as_json()})
            else:
                if watch:
                    click.clear()
                _print(app, seen, last)
            output.flush()
            if not watch:
                return
            time.sleep(WATCH_S)


def _print(app: App, seen: Glance, last: int) -> None:
    log = seen.log
    rate = f"{log.recently_decided:,} in the last {last} min ({log.recently_decided / last:,.1f} a minute)"
    oldest = log.oldest
    pairs = [
        ("log", app.log_url),
        ("questions", f"{log.asked:,}: {log.decided:,} decided, {log.undecided:,} undecided, {log.open:,} open"),
        (
            "oldest open",
            "none" if oldest is None else f"{oldest.question_id}, {amounts.duration(oldest.waited_ms / 1000)}",
        ),
        ("decisions", rate),
        ("dead letters", f"{log.dead_letters:,}"),
    ]
    if seen.lag is not None:
        pairs.append(("lag", f"{seen.lag:,} records are not folded"))
    output.print_pairs([(name, output.clean(text)) for name, text in pairs])
    if seen.stages:
        output.print_text()
        rows = [
            (stage.stage, f"{stage.members:,}", f"{stage.lag:,}{f' ({stage.held:,} held)' if stage.held else ''}")
            for stage in seen.stages
        ]
        output.print_table(("stage", "members", "lag"), rows, right=("members", "lag"), names=1)
    if log.agents:
        output.print_text()
        columns = (f"agent, {last} min", "calls", "failed", "refused", "cost", "median")
        calls = [(name, *_row(agent)) for name, agent in sorted(log.agents.items())]
        output.print_table(columns, calls, right=columns[1:], names=1)


def _row(agent: AgentStats) -> tuple[str, ...]:
    median = agent.latencies.at(50)
    failed = agent.failed.total()
    most = f" {agent.failed.most_common(1)[0][0]}" if failed else ""
    return (
        f"{agent.calls:,}",
        f"{failed:,}{most}",
        f"{agent.refused:,}",
        f"{'≥ ' if agent.unpriced_calls else ''}{usd(agent.cost_nusd)}",
        "-" if median is None else amounts.duration(median / 1000),
    )
