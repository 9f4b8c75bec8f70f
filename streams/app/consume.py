"""Events of one topic, each yielded once."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from schemas.registry import InvalidRecord, decode
from streams.app.reporter import SILENT, Reporter
from streams.app.require_kafka import connection_of
from streams.app.selection import BEGINNING, PLACES, Selection, TopicPlace
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


class Consumed(NamedTuple):
    """An event of a topic in canonical form, and the place after it."""

    record: Record
    place: TopicPlace


class Waiter:
    """The wait of a follower between two polls; another thread may end it."""

    def __init__(self) -> None:
        self._wake = threading.Event()
        self.stopped = False
        """Whether the follower is to end."""
        self.abandoned = False
        """Whether the event given last was not taken, and is to come again to a consumer group."""

    def wait(self) -> None:
        """Wait for the next poll."""
        self._wake.wait(POLL_S)
        if not self.stopped:
            self._wake.clear()

    def poke(self) -> None:
        """Let the follower look at once."""
        self._wake.set()

    def stop(self) -> None:
        """End the follower: its iterator ends soon."""
        self.stopped = True
        self._wake.set()


@dataclass(frozen=True, slots=True)
class Following:
    """How a topic is read, besides from its beginning to its end."""

    after: TopicPlace = BEGINNING
    """Where to begin."""
    follow: bool = False
    """Whether to wait for new events at the end."""
    group: str | None = None
    """On Kafka: consumer group that keeps the place."""
    waiter: Waiter = field(default_factory=Waiter)
    before_waiting: Callable[[], None] = lambda: None
    """Called before it waits for new events; on Kafka, after each followed event."""


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


def consume(
    work: Workspace,
    topic: str,
    chosen: Selection = Selection(),  # noqa: B008 (frozen)
    how: Following = Following(),
    reporter: Reporter = SILENT,
) -> Generator[Consumed, None, None]:
    """
    Read a topic from a place on, each event once, in canonical form, with the place after it.

    Args:
        work: Workspace of the log.
        topic: Full name of the topic.
        chosen: Conditions; what does not fit is passed over.
        how: From where, and whether to follow.
        reporter: Told of Kafka records that cannot be decoded.

    Raises:
        UsageError: The place is none of this log; a group was given for a log that has none.
        OperatorError: The log cannot be read.
    """
    if work.log.scheme == "kafka":
        records = _on_kafka(work, topic, how, reporter)
    elif how.group is not None:
        raise UsageError(
            f"{work.log_url} is a file, and keeps no places of consumer groups",
            remedy="Keep the place of the last event yourself (--places), and go on with --after PLACE",
        )
    else:
        records = _in_a_file(work, topic, chosen, how)
    place = how.after
    for record in _each_once(records):
        place = place.passed(record)
        if chosen.chooses(record):
            yield Consumed(record, place)


def end_of(work: Workspace, topic: str) -> TopicPlace:
    """
    Give the place after the newest event of a topic.

    Raises:
        OperatorError: The log does not exist or cannot be read.
    """
    if work.log.scheme != "kafka":
        with work.open_reader(topics=(topic,)) as reader:
            return TopicPlace(seq=reader.end)
    from streams.runtimes.kafka.reading.tail import ends_of

    ends = ends_of(connection_of(work, "consume"), topic)
    return TopicPlace(offsets=tuple((number, end - 1) for number, end in sorted(ends.items()) if end))


def events_of(
    work: Workspace,
    topic: str,
    *,
    follow: bool = False,
    before_waiting: Callable[[], None] = lambda: None,
    reporter: Reporter = SILENT,
) -> Generator[Record, None, None]:
    """Read a whole topic from the beginning of the log; see `consume`."""
    how = Following(follow=follow, before_waiting=before_waiting)
    for found in consume(work, topic, how=how, reporter=reporter):
        yield found.record


def _in_a_file(work: Workspace, topic: str, chosen: Selection, how: Following) -> Iterator[Record]:
    after = how.after.seq
    with work.open_reader() as reader:
        if how.after.offsets:
            # Only the numbers of partitions and offsets are known: of the whole topic, what comes after them.
            yield from (record for record in reader.records((topic,)) if how.after.is_before(record))
            after = reader.end
        elif chosen.question_id is not None and not how.follow:
            of_topic = (record for record in reader.about(chosen.question_id) if record.topic == topic)
            yield from (record for record in of_topic if record.seq > after)
            return
        while True:
            for record in reader.records((topic,), after=after):
                yield record
                after = record.seq
            if not how.follow:
                return
            how.before_waiting()
            while not reader.refresh():
                how.waiter.wait()
                if how.waiter.stopped:
                    return


def _on_kafka(work: Workspace, topic: str, how: Following, reporter: Reporter) -> Iterator[Record]:
    """Read the topic itself: convert records of any producer to canonical form, and report undecodable ones."""
    connection = connection_of(work, "consume")
    if how.after.seq:
        raise UsageError(f"{how.after} is no place of a log on Kafka", remedy=f"Give {PLACES}")
    starts = {number: offset + 1 for number, offset in how.after.offsets}
    unknown = [number for number in starts if number >= TOPICS[topic].partitions]
    if unknown:
        raise UsageError(f"{topic} has no partition {unknown[0]}", remedy=f"It has 0 to {TOPICS[topic].partitions - 1}")
    waiter = how.waiter
    if how.group is not None:
        if starts:
            raise UsageError("a place and a group were given together", remedy="The group keeps the place: give one")
        from streams.runtimes.kafka.reading.group_tail import records_of_group

        records = records_of_group(
            connection,
            topic,
            how.group,
            follow=how.follow,
            stopped=lambda: waiter.stopped,
            abandoned=lambda: waiter.abandoned,
        )
    else:
        from streams.runtimes.kafka.reading.tail import records_of

        records = records_of(connection, topic, follow=how.follow, starts=starts, stopped=lambda: waiter.stopped)
    for record in records:
        try:
            event = decode(topic, record.value, record.timestamp_ms)
        except InvalidRecord as problem:
            reporter.say(f"{topic}, partition {record.partition}, offset {record.offset}: no event: {problem}")
            continue
        yield record._replace(value=event.encode())
        if how.follow:
            how.before_waiting()


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
