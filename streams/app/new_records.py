"""Records of several topics that came since the last look."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

from streams.app.require_kafka import connection_of
from streams.app.workspace import Workspace
from streams.log import Record

PORTION = 500
"""Records given at a time; who takes them may rest in between."""

Look = Callable[[], Iterator[Sequence[Record]]]


@contextmanager
def new_records(work: Workspace, topics: Sequence[str]) -> Iterator[Look]:
    """
    Give a function that gives the records since its last call, in portions, each call to its end. Nothing is written.

    In a file they come in log order, on Kafka in the order of each partition, there also those that are no events, and
    some twice.

    Raises:
        UsageError: There is no such log.
        OperatorError: No broker answers, or the user lacks a right.
    """
    if work.log.scheme == "kafka":
        with _on_kafka(work, topics) as look:
            yield look
        return
    with work.open_reader(topics=topics) as reader:
        after = 0

        def look() -> Iterator[Sequence[Record]]:
            nonlocal after
            reader.refresh()
            end = reader.end
            if end > after:
                yield from _portions(reader.records(topics, after=after))
            after = end

        yield look


def _portions(records: Iterator[Record]) -> Iterator[Sequence[Record]]:
    while portion := list(islice(records, PORTION)):
        yield portion


@contextmanager
def _on_kafka(work: Workspace, topics: Sequence[str]) -> Iterator[Look]:
    from streams.runtimes.kafka.client.fetch import plain_consumer
    from streams.runtimes.kafka.client.least_rights import reading
    from streams.runtimes.kafka.client.lifecycle import let_go
    from streams.runtimes.kafka.client.topics import require_topics
    from streams.runtimes.kafka.reading.topic_reader import TopicReader

    connection = connection_of(work, "ui")
    with asyncio.Runner() as runner:
        runner.run(require_topics(connection, [*reading(topics)]))
        consumer = runner.run(plain_consumer(connection))
        try:
            topic_reader = TopicReader(connection, consumer, topics)

            def look() -> Iterator[Sequence[Record]]:
                portions = topic_reader.read()
                while portion := runner.run(_next(portions)):
                    yield portion

            yield look
        finally:
            runner.run(let_go(consumer))


async def _next(portions: AsyncIterator[list[Record]]) -> Sequence[Record]:
    async for portion in portions:
        if portion:
            return portion
    return ()
