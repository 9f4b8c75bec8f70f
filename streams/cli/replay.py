"""`orch replay`: proof that derived events follow from inputs."""

from typing import Any

import click
import orjson

from streams.app import amounts
from streams.app.log_start import archive_url
from streams.app.replay import replay as replay_log
from streams.app.replay import replay_with_origin
from streams.audit.replay.replay import Replay
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import EXIT_DIFFERENCE, EXIT_ENVIRONMENT, App, pass_app
from streams.cli.render.match_rate_text import print_match_rate
from streams.cli.render.terminal import Terminal
from streams.errors import UsageError
from streams.runtimes.urls import open_reader
from streams.written_amounts import plain_amounts


@command(examples=("orch replay", "orch --format json replay"))
@click.option("--origin", metavar="ARCHIVE", help="Archive of the log that this one was started from.")
@click.option(
    "--requery",
    "wanted",
    type=click.IntRange(min=1),
    metavar="N",
    help="Instead, ask N recorded requests of live agents again, and report the match rate of the answers.",
)
@click.option("--max-cost", metavar="AMOUNT", help='Most that --requery may cost, such as "$0.50".')
@click.option("--dry-run", is_flag=True, help="With --requery: say what it would cost, and call nothing.")
@pass_app
def replay(app: App, origin: str | None, wanted: int | None, max_cost: str | None, dry_run: bool) -> int:
    """
    Derive every derived event again and compare it with the log.

    Reads the log, calls no model and writes nothing. If nothing differs, the exit code is 0. Otherwise the first
    difference is printed with its position, the expected and the actual value, and the exit code is 4. What no log of
    its kind can prove is listed under "not proved".

    A log that `orch log start` began goes on from tables of an earlier log. --origin replays that log's archive, too,
    and compares what it ended with.

    --requery N replays nothing: it calls models, which costs money, and tells how often they give the recorded answer
    again. The N requests are spread evenly over the agents and the log, always the same. Agents, prompts, limits and
    prices are those of the question's policy. The calls are written to no log, so no budget of the log knows them;
    their limit is --max-cost, else the policy's budget of a run.
    """
    if wanted is not None:
        return _requery(app, wanted, max_cost, dry_run=dry_run)
    if max_cost is not None or dry_run:
        raise UsageError("--max-cost and --dry-run are about --requery", remedy="`orch replay` costs nothing")
    with app.open_reader() as reader:
        if origin is None:
            found = replay_log(reader, Terminal())
        else:
            with open_reader(archive_url(origin)) as earlier:
                found = replay_with_origin(reader, earlier, Terminal())
    if app.json:
        output.print_json(found.as_json())
    else:
        speed = f" ({found.events / found.seconds:,.0f} events/s)" if found.seconds else ""
        output.print_pairs(
            [
                ("events", f"{found.events:,}{_repeats(found)}"),
                ("derived again", f"{found.derived:,}"),
                ("different", f"{found.different:,}"),
                ("waiting", f"{amounts.counted(found.pending, 'question')} without a decision"),
                ("time", f"{amounts.duration(found.seconds)}{speed}"),
            ]
        )
        for claim in found.proved[-1:] if origin is not None else ():
            output.print_text(f"proved: {claim}")
        for claim in found.not_proved:
            output.print_text(f"not proved: {claim}")
    if not found.different:
        return 0
    print_difference(found)
    return EXIT_DIFFERENCE


def _requery(app: App, wanted: int, max_cost: str | None, *, dry_run: bool) -> int:
    from streams.app.requery import requery

    limit = None if max_cost is None else plain_amounts({"max_cost_nusd": max_cost}, "--requery")["max_cost_nusd"]
    found = requery(app, wanted, max_cost_nusd=limit, dry_run=dry_run, reporter=Terminal())
    if app.json:
        output.print_json(found.as_json())
    elif not dry_run:
        print_match_rate(found)
    if not dry_run and not found.total.answered:
        output.say("No request was answered.")
        return EXIT_ENVIRONMENT
    return 0


def _repeats(found: Replay) -> str:
    return f", {found.repeats:,} of them repeats" if found.repeats else ""


def print_difference(found: Replay) -> None:
    """Print on stderr where a log first differs from what it should hold."""
    first = found.first_difference
    if first is None:
        return
    others = f" (the first of {found.different:,} differences)" if found.different > 1 else ""
    output.say(
        f"Difference{others} in {first.topic}, partition {first.partition}, offset {first.offset}, field {first.field}:"
        f"\n  expected  {_shown(first.expected)}\n  in log    {_shown(first.actual)}"
    )


def _shown(value: Any) -> str:
    return "nothing" if value is None else output.one_line(orjson.dumps(value).decode())
