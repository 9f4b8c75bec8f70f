"""
Prefilled outputs of other stages: router table and analyses.

The router table knows every agent; the analyses are those of a panel.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from itertools import islice
from pathlib import Path

from aiokafka import TopicPartition

from infra.bench.workload import OPTIONS, bench_policy, questions, run_session
from schemas.analyses import AnalysisPublished
from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.registry import decode
from streams.agents.agent import Agent, Task
from streams.agents.calls.retry import take_seat
from streams.log import read_event
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import fetch, plain_consumer
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.urls import open_reader
from streams.topology import ASSIGNMENTS, ROUTER, TOPICS

_LEARNED = 300
"""Questions after which the warm-up of all agents is over, so that panels have three seats."""
_AT_ONCE = 500


async def teach(log: Connection, directory: Path) -> None:
    """Write the policy, and the router table of a run on an embedded log."""
    path = directory / "taught.db"
    await asyncio.to_thread(run_session, path, islice(questions(), _LEARNED))
    with open_reader(f"sqlite:///{path}") as reader:
        newest: dict[str, Event] = {record.key: read_event(record) for record in reader.records((ROUTER,))}
    path.unlink()
    await publish(log, [bench_policy(), *newest.values()])


async def publish(log: Connection, events: list[Event]) -> None:
    """Write events, and wait until the log has them."""
    async with RecordProducer(log) as producer:
        for start in range(0, len(events), _AT_ONCE):
            await producer.publish(map(message_of, events[start : start + _AT_ONCE]))


async def analyses_of(assignment: PanelAssigned, agents: Mapping[str, Agent]) -> list[AnalysisPublished]:
    """Have simulated agents take all seats of a panel."""
    task = task_about(assignment.question_id)
    return [await take_seat(agents[seat.agent], task, assignment) for seat in assignment.stage.seats]


def task_about(question_id: str) -> Task:
    """Make an analyst's task; what a simulated agent does depends on the id, the options and the subject alone."""
    return Task(
        question_id=question_id,
        text="",
        options=OPTIONS,
        answer_type="choice",
        subject=None,
        role="analyst",
        stage=0,
    )


async def assignments(log: Connection, *, last: int | None = None) -> AsyncIterator[PanelAssigned]:
    """
    Iterate the panels in a log, partition by partition.

    Args:
        last: Only the one at this place from the end of each partition, counted from 1.
    """
    topic = log.topic(ASSIGNMENTS)
    places = [TopicPartition(topic, number) for number in range(TOPICS[ASSIGNMENTS].partitions)]
    consumer = await plain_consumer(log)
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
    finally:
        await consumer.stop()
    for place, end in ends.items():
        start, stop = (0, end) if last is None else (end - last, end - last + 1)
        async for record in fetch(log, topic, place.partition, start, stop):
            event = decode(ASSIGNMENTS, record.value, record.timestamp)
            if isinstance(event, PanelAssigned):
                yield event
