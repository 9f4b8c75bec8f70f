"""`orch consume`: the events of a topic for whoever wants to read them, each once."""

import time
from collections import OrderedDict
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from itertools import islice
from typing import Any

import click
import orjson

from schemas.registry import InvalidRecord, decode
from streams.cli import output
from streams.cli.command import command
from streams.cli.context import App, pass_app
from streams.cli.require_kafka import connection_of
from streams.errors import UsageError
from streams.log import Record, read_event
from streams.topology import TOPICS

POLL_S = 0.2
"""Wait between two looks at a log that is followed; a decision is seen after half of it on average."""
REMEMBERED_IDS = 200_000
"""Event ids kept, about 30 MB, to show each event once: a repeat comes soon after the first, or not at all."""

_ID_MARK = b'"event_id":"'
_SHORT = "orch."


@command(
    examples=(
        "orch consume decisions",
        "orch consume decisions --max 1",
        "orch --format text consume feedback",
        "orch consume decisions --follow --max 1",
    )
)
@click.argument("topic")
@click.option("--follow", is_flag=True, help="Wait for more events, until interrupted (exit code 130).")
@click.option("--max", "most", type=click.IntRange(1), metavar="N", help="End after so many events.")
@pass_app
def consume(app: App, topic: str, follow: bool, most: int | None) -> None:
    """
    Print the events of a topic as JSON Lines, each once.

    Starts at the beginning of the log. Each line is the event as it is stored; --format text gives one readable line
    for each instead. The prefix of a topic may be left out: decisions is orch.decisions.
    """
    name = topic_name(topic)
    app.if_interrupted("")
    with closing(
        _records_on_kafka(app, name, follow) if app.log.scheme == "kafka" else _records(app, name, follow)
    ) as found:
        for record in islice(_each_once(found), most):
            output.print_bytes(readable(record).encode() if app.text else record.value)


def topic_name(given: str) -> str:
    """
    Find the topic somebody means.

    Raises:
        UsageError: There is none of that name, with or without its prefix.
    """
    for name in (given, _SHORT + given):
        if name in TOPICS:
            return name
    short = ", ".join(name.removeprefix(_SHORT) for name in TOPICS)
    raise UsageError(f"there is no topic {given!r}", remedy=f"There are {short}")


def _records(app: App, topic: str, follow: bool) -> Generator[Record, None, None]:
    after = 0
    with app.open_reader() as reader:
        while True:
            for record in reader.records((topic,), after=after):
                yield record
                after = record.seq
            if not follow:
                return
            output.flush()
            while not reader.refresh():
                time.sleep(POLL_S)


def _records_on_kafka(app: App, topic: str, follow: bool) -> Generator[Record, None, None]:
    """Read a topic itself: strangers' records become events in canonical form, and what is none is told of."""
    from streams.runtimes.kafka.reading.tail import records_of

    for record in records_of(connection_of(app, "consume"), topic, follow=follow):
        try:
            event = decode(topic, record.value, record.timestamp_ms)
        except InvalidRecord as problem:
            output.say(f"{topic}, partition {record.partition}, offset {record.offset}: no event: {problem}")
            continue
        yield record._replace(value=event.encode())
        if follow:
            output.flush()


def _each_once(records: Iterable[Record]) -> Iterator[Record]:
    """Leave out events that came before: delivery is at least once."""
    seen: OrderedDict[bytes, None] = OrderedDict()
    for record in records:
        start = record.value.find(_ID_MARK) + len(_ID_MARK)
        event_id = record.value[start : start + 64]
        if event_id in seen:
            continue
        seen[event_id] = None
        if len(seen) > REMEMBERED_IDS:
            seen.popitem(last=False)
        yield record


def readable(record: Record) -> str:
    """Put what matters of an event on one line: when, where, what about, and what it says."""
    read_event(record)
    event = orjson.loads(record.value)
    said = _SAYS.get(event.get("kind"), "")
    words = [f"{name}={_word(event[name])}" for name in said.split() if event.get(name) not in (None, "", [])]
    place = f"{record.topic.removeprefix(_SHORT)}/{record.partition}@{record.offset}"
    about = event.get("question_id") or record.key
    return output.one_line("  ".join([event.get("occurred_at", "-"), place, str(about), *words]), 300)


def _word(value: Any) -> str:
    """Write a value as one word: in JSON where it is not a plain one."""
    return value if isinstance(value, str) and value.isalnum() else orjson.dumps(value).decode()


_SAYS = {
    "question.asked.v1": "answer_type subject text",
    "panel.assigned.v1": "policy_id explored",
    "stage.opened.v1": "reason",
    "analysis.published.v1": "agent role status answer latency_ms",
    "decision.made.v1": "status answer reason rule agreement calls cost_nusd",
    "feedback.given.v1": "source author answer verdict",
    "feedback.retracted.v1": "feedback_id",
    "agent.observed.v1": "agent source quality_ppb latency_ms cost_nusd stability_ppb",
    "router.entry.v1": "scope agent sequence quality_ppb latency_ns cost_pusd stability_ppb",
    "policy.adopted.v1": "policy_id",
    "record.rejected.v1": "source_topic reason detail",
}
"""Fields worth showing, by kind."""
