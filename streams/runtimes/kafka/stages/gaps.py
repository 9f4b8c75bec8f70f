"""Records that an engine left out, in batches."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import NamedTuple

from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import fetch, record_of

BATCH_RECORDS = 500
"""Most records of a batch."""
BATCH_BYTES = 4 << 20
"""Bytes of values at which a batch ends. A gap may be as long as its topic, and no more than a batch of it is kept,
beside what the clients have fetched ahead: some megabytes for each topic."""


class Gap(NamedTuple):
    """Offsets of a topic's partition, from *start* to before *end*."""

    topic: str
    """Its name in the topology."""
    partition: int
    start: int
    end: int


async def with_gaps(
    connection: Connection, gaps: Sequence[Gap], records: Sequence[Record]
) -> AsyncGenerator[Sequence[Record], None]:
    """
    Read the records of gaps, and give them with the records behind them, in batches.

    Topics are merged by timestamp, as within a batch: a deadline comes after the earlier analyses.

    Args:
        connection: The cluster.
        gaps: At most one for each topic.
        records: Behind the gaps; those of other topics may be among them.

    Raises:
        OperatorError: No broker answers.
    """
    behind: dict[str, list[Record]] = {gap.topic: [] for gap in gaps}
    for record in records:
        behind.setdefault(record.topic, []).append(record)
    missing = {gap.topic: gap for gap in gaps}
    async with AsyncExitStack() as stack:
        sources = [_source(connection, missing.get(topic), some) for topic, some in behind.items()]
        for source in sources:
            await stack.enter_async_context(aclosing(source))
        batch: list[Record] = []
        size = 0
        merged = await stack.enter_async_context(aclosing(_merged(sources)))
        async for record in merged:
            batch.append(record)
            size += len(record.value)
            if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch


async def _source(connection: Connection, gap: Gap | None, behind: Sequence[Record]) -> AsyncGenerator[Record, None]:
    """Give the records of one topic."""
    if gap is not None:
        name = connection.topic(gap.topic)
        async with aclosing(fetch(connection, name, gap.partition, gap.start, gap.end)) as found:
            async for one in found:
                yield record_of(one, gap.topic)
    for record in behind:
        yield record


async def _merged(sources: Sequence[AsyncGenerator[Record, None]]) -> AsyncGenerator[Record, None]:
    """Merge records by timestamp; records of one source keep their order."""
    heads = {number: head for number, source in enumerate(sources) if (head := await anext(source, None)) is not None}
    while heads:
        number = min(heads, key=lambda number: (heads[number].timestamp_ms, number))
        yield heads.pop(number)
        head = await anext(sources[number], None)
        if head is not None:
            heads[number] = head
