"""`orch consume`: events of one topic, each printed once."""

from contextlib import closing
from itertools import islice
from typing import Any

import click
import orjson

from schemas.decisions import DecisionMade
from streams.app.consume import PREFIX, events_of, topic_name
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.errors import UsageError
from streams.log import Record, read_event
from streams.topology import DECISIONS

STATUSES = ("decided", "undecided")


@command(
    examples=(
        "orch consume decisions",
        "orch consume decisions --max 1",
        "orch --format text consume decisions --status decided",
        "orch --format text consume feedback",
        "orch consume decisions --follow --max 1",
    )
)
@click.argument("topic")
@click.option("--follow", is_flag=True, help="Wait for more events, until interrupted (exit code 130).")
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="Stop after so many events.")
@click.option("--status", type=click.Choice(STATUSES), help="Decisions of this status alone.")
@pass_app
def consume(app: App, topic: str, follow: bool, most: int | None, status: str | None) -> None:
    """
    Print the events of a topic as JSON Lines, each once.

    Starts at the beginning of the log. Each line is the event as it is stored; --format text gives one readable line
    for each instead. --status undecided shows the decisions that `orch retry` asks again. The prefix of a topic may be
    left out: decisions is orch.decisions.
    """
    name = topic_name(topic)
    if status is not None and name != DECISIONS:
        raise UsageError(f"--status is for decisions, not for {name}", remedy="`orch consume decisions --status ...`")
    app.if_interrupted("")
    with closing(events_of(app, name, follow=follow, before_waiting=output.flush, reporter=Terminal())) as found:
        wanted = found if status is None else (record for record in found if status_of(record) == status)
        for record in islice(wanted, most):
            output.print_bytes(readable(record).encode() if app.text else record.value)


def status_of(record: Record) -> str | None:
    """Give the status of a decision."""
    event = read_event(record)
    return event.status if isinstance(event, DecisionMade) else None


def readable(record: Record) -> str:
    """Format an event on one line: time, position in the log, question or key, and its main fields."""
    read_event(record)
    event = orjson.loads(record.value)
    said = _SAYS.get(event.get("kind").rpartition(".")[0], "")
    words = [f"{name}={_word(event[name])}" for name in said.split() if event.get(name) not in (None, "", [])]
    place = f"{record.topic.removeprefix(PREFIX)}/{record.partition}@{record.offset}"
    about = event.get("question_id") or record.key
    return output.one_line("  ".join([event.get("occurred_at", "-"), place, str(about), *words]), 300)


def _word(value: Any) -> str:
    """Format a value as one word: as it is if alphanumeric, else as JSON."""
    return value if isinstance(value, str) and value.isalnum() else orjson.dumps(value).decode()


_SAYS = {
    "question.asked": "answer_type subject text",
    "panel.assigned": "policy_id explored",
    "stage.opened": "reason",
    "analysis.published": "agent role status answer latency_ms",
    "decision.made": "status answer reason rule agreement calls cost_nusd",
    "feedback.given": "source author answer verdict",
    "feedback.retracted": "feedback_id",
    "agent.observed": "agent source quality_ppb latency_ms cost_nusd stability_ppb",
    "router.entry": "scope agent sequence quality_ppb latency_ns cost_pusd stability_ppb",
    "policy.adopted": "policy_id",
    "record.rejected": "source_topic reason detail",
}
"""Fields worth showing, by kind without its version."""
