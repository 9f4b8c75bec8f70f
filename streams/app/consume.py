"""Events of one topic, each yielded once."""

import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator

from schemas.registry import InvalidRecord, decode
from streams.app.reporter import SILENT, Reporter
from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.log import Record
from streams.topology import TOPICS

POLL_S = 0.2
"""Seconds between two polls of a followed log; an event is seen after half of it on average."""
REMEMBERED_IDS = 200_000
"""Event ids remembered to drop repeats, about 30 MB; a repeat comes soon after the first, or not at all."""

PREFIX = "orch."
"""Optional prefix of a topic's name."""

_ID_MARK = b'"event_id":"'


def topic_name(given: str) -> str:
    """
    Resolve a topic's name, given with or without its prefix.

    Raises:
        UsageError: There is no such topic.
    """
    for name in (given, PREFIX + given):
        if name in TOPICS:
            return name
    short = ", ".join(name.removeprefix(PREFIX) for name in TOPICS)
    raise UsageError(f"there is no topic {given!r}", remedy=f"There are {short}")


def events_of(
    work: Workspace,
    topic: str,
    *,
    follow: bool = False,
    before_waiting: Callable[[], None] = lambda: None,
    reporter: Reporter = SILENT,
) -> Generator[Record, None, None]:
    """
    Read a topic from the beginning of the log, each event once, in canonical form.

    Args:
        work: Workspace of the log.
        topic: Full name of the topic.
        follow: Whether to wait for new events at the end.
        before_waiting: Called before it waits for new events; on Kafka, after each followed event.
        reporter: Told of Kafka records that cannot be decoded.
    """
    if work.log.scheme == "kafka":
        yield from _each_once(_on_kafka(work, topic, follow, before_waiting, reporter))
    else:
        yield from _each_once(_in_a_file(work, topic, follow, before_waiting))


def _in_a_file(work: Workspace, topic: str, follow: bool, before_waiting: Callable[[], None]) -> Iterator[Record]:
    after = 0
    with work.open_reader() as reader:
        while True:
            for record in reader.records((topic,), after=after):
                yield record
                after = record.seq
            if not follow:
                return
            before_waiting()
            while not reader.refresh():
                time.sleep(POLL_S)


def _on_kafka(
    work: Workspace, topic: str, follow: bool, before_waiting: Callable[[], None], reporter: Reporter
) -> Iterator[Record]:
    """Read the topic itself: convert records of any producer to canonical form, and report undecodable ones."""
    from streams.runtimes.kafka.reading.tail import records_of

    for record in records_of(connection_of(work, "consume"), topic, follow=follow):
        try:
            event = decode(topic, record.value, record.timestamp_ms)
        except InvalidRecord as problem:
            reporter.say(f"{topic}, partition {record.partition}, offset {record.offset}: no event: {problem}")
            continue
        yield record._replace(value=event.encode())
        if follow:
            before_waiting()


def _each_once(records: Iterable[Record]) -> Iterator[Record]:
    """Drop repeated events: delivery is at least once."""
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
