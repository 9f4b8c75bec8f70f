"""`orch consume`: events of one topic, each printed once."""

from contextlib import closing
from itertools import islice
from typing import Any

import click
import orjson

from streams.app.consume import PREFIX, Following, topic_name
from streams.app.consume import consume as events
from streams.app.selection import BEGINNING, Status, TopicPlace, selection_of
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.render.terminal import Terminal
from streams.log import Record, read_event

STATUSES = ("decided", "undecided")


@command(
    examples=(
        "orch consume decisions",
        "orch consume decisions --max 1",
        "orch --format text consume decisions --status decided",
        'orch consume decisions --since "90 days" --where status=decided',
        "orch consume analyses --question q1",
        "orch consume decisions --places --after 1",
        "orch --format text consume feedback",
        "orch consume decisions --follow --max 1",
    )
)
@click.argument("topic")
@click.option("--follow", is_flag=True, help="Wait for more events, until interrupted (exit code 130).")
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="Stop after so many events.")
@click.option("--after", metavar="PLACE", help="Begin after this place, as --places prints it.")
@click.option("--since", metavar="TIME", help='Records of this time or later, or of an age such as "2 h".')
@click.option("--group", metavar="NAME", help="On Kafka: the consumer group that keeps the place.")
@click.option("--question", "question_id", metavar="ID", help="Events about this question.")
@click.option("--status", type=click.Choice(STATUSES), help="Decisions of this status alone.")
@click.option("--where", multiple=True, metavar="FIELD=VALUE", help="Events with this value; may be repeated.")
@click.option("--places", is_flag=True, help="Print each event with the place after it.")
@pass_app
def consume(
    app: App,
    topic: str,
    follow: bool,
    most: int | None,
    after: str | None,
    since: str | None,
    group: str | None,
    question_id: str | None,
    status: Status | None,
    where: tuple[str, ...],
    places: bool,
) -> None:
    """
    Print the events of a topic as JSON Lines, each once.

    Starts at the beginning of the log, or after --after, or where --group has come to. Each line is the event as it is
    stored; --places prints {"place", "event"} instead, and --format text one readable line for each. --status undecided
    shows the decisions that `orch retry` asks again. A field inside others is written with dots (agreement.agreeing),
    and of a list some element must fit (counted.agent). The prefix of a topic may be left out: decisions is
    orch.decisions.
    """
    name = topic_name(topic)
    chosen = selection_of(name, since=since, question_id=question_id, status=status, where=where)
    how = Following(BEGINNING if after is None else TopicPlace.parse(after), follow, group, before_waiting=output.flush)
    app.if_interrupted("")
    with closing(events(app, name, chosen, how, Terminal())) as found:
        try:
            for record, place in islice(found, most):
                _print(record, place, text=app.text, places=places)
            output.flush()
        except BaseException:
            how.waiter.abandoned = True
            raise


def _print(record: Record, place: TopicPlace, *, text: bool, places: bool) -> None:
    if text:
        output.print_bytes((f"{place}  " if places else "").encode() + readable(record).encode())
    elif places:
        output.print_bytes(b'{"place":"%b","event":%b}' % (str(place).encode(), record.value))
    else:
        output.print_bytes(record.value)


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
    "lesson.given": "scope source right wrong corrects",
    "router.carried": "scope agent",
    "weights.carried": "scope",
    "log.started": "log root records policy_id",
    "weights.entry": "scope sequence lessons lesson_id",
    "policy.adopted": "policy_id",
    "record.rejected": "source_topic reason detail",
}
"""Fields worth showing, by kind without its version."""
