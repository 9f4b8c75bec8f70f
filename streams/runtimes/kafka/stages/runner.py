"""Stages of one process, started and stopped together."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from aiokafka import AIOKafkaConsumer
from structlog.contextvars import bind_contextvars

from streams.processors import PROCESSORS
from streams.processors.fold import Processor
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.fetch import plain_consumer
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.lifecycle import let_go
from streams.runtimes.kafka.client.producer import RecordProducer
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.kafka.stages.group_progress import Waiting, caught_up
from streams.runtimes.kafka.stages.partition_task import Place
from streams.runtimes.kafka.stages.polling_engine import Engine, PollingEngine, RecordQueue
from streams.runtimes.kafka.stages.stage import KafkaStage
from streams.runtimes.state_cache import DEFAULT_MIB, MIB, StateCache

FOLDING = tuple(processor.name for processor in PROCESSORS)
"""Names of the stages that fold."""

EngineName = Literal["aiokafka", "faust"]


class RunningStages:
    """The running stages of one process."""

    def __init__(
        self,
        connection: Connection,
        engines: Sequence[Engine],
        looking: AIOKafkaConsumer,
        members: Mapping[str, GroupMember],
    ) -> None:
        self._connection = connection
        self._engines = engines
        self.members = members
        """Group members by stage; Faust has its own."""
        self._looking = looking

    @property
    def lines(self) -> Sequence[RecordQueue]:
        """The queue before each stage."""
        return [engine.line for engine in self._engines]

    async def failed(self) -> None:
        """
        Wait until a stage fails.

        Raises:
            OperatorError: Brokers, topics or disk failed; any other exception of the stage is raised as it is.
        """
        if not self._engines:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(
            [engine.line.failed for engine in self._engines], return_when=asyncio.FIRST_COMPLETED
        )
        done.pop().result()

    async def settled(self, waiting: Waiting = lambda stage, records: None) -> None:
        """
        Wait until all records that the input topics hold now, and all that follow from them, are folded.

        By whichever process: of partitions that others hold, the committed offsets of the groups count. Stages are
        taken in the order in which a question meets them; what one of them writes is read by those behind it.

        Args:
            waiting: Called at each look with a stage's name and how many records it has still to fold.

        Raises:
            OperatorError: The brokers refuse.
        """
        for engine in self._engines:
            # A record in the wrong partition is folded by moving it: its copy is there at the second look.
            for _ in range(2):
                await caught_up(self._connection, self._looking, engine.line, waiting)


@dataclass(frozen=True, slots=True)
class HostingOptions:
    """Options of a process that hosts stages."""

    state_dir: Path | None = None
    """Directory of the local state stores; None keeps them in memory."""
    instance: str | None = None
    """Kafka's `group.instance.id`, for static membership; None for a dynamic member."""
    engine: EngineName = "aiokafka"
    rebuild: bool = False
    """Whether to derive the states again from the topics."""
    skipped: frozenset[Place] = frozenset()
    """Places whose records become dead letters unfolded."""
    cache_bytes: int = DEFAULT_MIB * MIB
    """Bound of the loaded states of all stages; see `state_cache`."""
    processors: Sequence[Processor] = PROCESSORS
    """The processors, with the merge rules of other distributions that this process has."""


@asynccontextmanager
async def running(
    connection: Connection, names: Sequence[str], producer: RecordProducer, hosting: HostingOptions
) -> AsyncIterator[RunningStages]:
    """
    Run stages until the block ends, then stop them gracefully.

    Args:
        names: Names of stages, each one of `FOLDING`.
        producer: Started.

    Raises:
        OperatorError: No broker answers.
    """
    async with AsyncExitStack() as stack:
        engines: list[Engine] = []
        members: dict[str, GroupMember] = {}
        cache = StateCache(hosting.cache_bytes)
        for processor in hosting.processors:
            if processor.name not in names:
                continue
            tables = None
            if processor.sees_tables:
                tables = KafkaGlobalTables(connection)
                stack.push_async_callback(tables.stop)
                await tables.start()
            stage = KafkaStage(
                processor,
                connection,
                producer,
                tables,
                hosting.state_dir,
                rebuild=hosting.rebuild,
                skipped=hosting.skipped,
            )
            stage.cache = cache
            engines.append(_engine(connection, stage, producer, hosting, members))

        async def stop() -> None:
            # All at once: without a broker each of them takes its full time-out.
            await asyncio.gather(*(engine.stop() for engine in engines))

        stack.push_async_callback(stop)
        looking = await plain_consumer(connection)
        stack.push_async_callback(let_go, looking)
        await asyncio.gather(*map(_start, engines))
        yield RunningStages(connection, engines, looking, members)


async def _start(engine: Engine) -> None:
    """Start an engine whose log lines carry its stage."""
    # `gather` runs this in a task, so the binding holds there and in the tasks that the engine starts.
    bind_contextvars(stage=engine.line.stage.processor.name)
    await engine.start()


def _engine(
    connection: Connection,
    stage: KafkaStage,
    producer: RecordProducer,
    hosting: HostingOptions,
    members: dict[str, GroupMember],
) -> Engine:
    """Make the engine of a stage, and enter its group member in *members*."""
    if hosting.engine == "faust":
        # Faust is an optional extra, and slow to import.
        from streams.runtimes.kafka.stages.faust_engine import FaustEngine

        return FaustEngine(connection, stage, hosting.instance)
    name, gather_ms = stage.processor.name, stage.processor.gather_ms
    subscription = GroupMember(connection, producer, name, instance=hosting.instance, gather_ms=gather_ms)
    members[name] = subscription
    return PollingEngine(stage, subscription)
