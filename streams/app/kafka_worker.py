"""One Kafka worker process: stages, agent worker and deadline watcher."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import copy_context
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from structlog.contextvars import bind_contextvars

from streams.agents.by_policy import AgentsByPolicy
from streams.agents.calls.budget import BudgetAccount, SharedReservations
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.progress import CallProgress
from streams.agents.reply_cache import ReplyCache
from streams.app.merge_rules import processors
from streams.app.metrics import AgentReadings, Instruments
from streams.app.require_kafka import require_engine
from streams.app.worker_metrics import WorkerReadings
from streams.app.worker_progress import DecisionCounter, WorkerProgress, lags_of
from streams.jsonlines import Rows
from streams.log import wall_clock_ms
from streams.processors import TUNE
from streams.processors.fold import GATHER_MS
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.group_member import GroupMember
from streams.runtimes.kafka.client.least_rights import working
from streams.runtimes.kafka.client.outage import GIVE_UP_S, outage_of
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.client.topics import require_topics
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.runtimes.kafka.stages.partition_task import Place
from streams.runtimes.kafka.stages.runner import FOLDING, EngineName, HostingOptions, RunningStages, running
from streams.runtimes.kafka.stages.state_dir import slot
from streams.runtimes.kafka.stages.undecided import UndecidedFinder
from streams.runtimes.state_cache import DEFAULT_MIB, MIB
from streams.topology import POLICIES, SPENDING
from streams.workers.agent_worker import WorkLimits, run_agents
from streams.workers.deadline_watcher import run_deadlines
from streams.workers.partition_consumer import PartitionConsumer

if TYPE_CHECKING:
    from streams.instruments.tracer import Tracer

_log = structlog.get_logger("orch.worker")

STAGES = (*FOLDING, "agents", "deadlines")
"""Stages a worker can run, in the order in which a question meets them."""


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """Configuration of one worker process."""

    connection: Connection
    stages: tuple[str, ...]
    """Stages to run; `tune` is left out beside others if the log lacks its topics."""
    outputs: tuple[str | Rows, ...] = ()
    """Files of recorded outputs, for agents that play them back."""
    state: Path | None = None
    """Folder of the local state stores; None keeps them in memory."""
    instance: str | None = None
    """Fixed name of this process in its consumer groups (static membership), if it restarts under the same name."""
    engine: EngineName = "aiokafka"
    """Engine that delivers records to the folding stages; must be the same in every process of a log."""
    rebuild: bool = False
    """Whether the states of the folding stages are rebuilt from the topics."""
    skipped: frozenset[Place] = frozenset()
    """Places (topic, partition, offset) whose records become dead letters unfolded."""
    cache_mib: int = DEFAULT_MIB
    """Bound of the loaded states of the folding stages together, in MiB."""
    calls_in_flight: int = 1_000
    grace_s: float = 10.0
    """Time that calls in flight get to end when the process stops."""
    replies: str | None = None
    """File of the reply cache; None: there is no cache."""
    activity: CallProgress | None = None
    """Counters of calls that take wall time."""
    give_up_s: float = GIVE_UP_S
    """Longest time without any broker, after which the process ends."""
    line_s: float | None = None
    """Seconds between two lines of progress in the log; None for none."""
    instruments: Instruments | None = None
    """Metrics and probes; None: nothing is counted for them."""
    tracer: "Tracer | None" = None
    """Traces; None: nothing is traced."""


class KafkaWorker:
    """The running stages of one process."""

    def __init__(self, stages: RunningStages, producer: RecordProducer, tasks: Sequence[asyncio.Task[Any]]) -> None:
        self.stages = stages
        self.producer = producer
        self._tasks = tasks

    async def until(self, work: Coroutine[Any, Any, Any]) -> None:
        """
        Run *work* while all stages run.

        Raises:
            OperatorError: A stage failed; *work* is cancelled.
        """
        wanted = asyncio.create_task(work)
        failed = asyncio.create_task(self.stages.failed())
        try:
            done, _ = await asyncio.wait([wanted, failed, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {wanted}:
                task.result()
            if wanted in done:
                wanted.result()
        finally:
            for task in (wanted, failed):
                task.cancel()
            await asyncio.gather(wanted, failed, return_exceptions=True)


@asynccontextmanager
async def at_work(given: WorkerSpec) -> AsyncIterator[KafkaWorker]:
    """
    Run stages until the block ends, then stop them: calls in flight get the grace period, finished work is committed.

    Raises:
        OperatorError: The engine is not installed, no broker answers, the user lacks a right, or topics are missing.
        UsageError: An agent cannot be made.
    """
    connection = given.connection
    require_engine(given.engine)
    given = await _hostable(given)
    stop, activity = asyncio.Event(), given.activity or CallProgress()
    async with AsyncExitStack() as stack:
        state = None if given.state is None else stack.enter_context(slot(given.state))
        meters = None if given.instruments is None else given.instruments.meters
        producer = await stack.enter_async_context(DecisionCounter(connection, meters, given.tracer))
        outage = outage_of(connection, give_up_s=given.give_up_s)
        watching = [_stage_task(outage.watch(), ",".join(given.stages))]
        stack.push_async_callback(_cancelled, watching)
        readings = None
        if given.instruments is not None:
            readings = WorkerReadings(given.instruments, outage, given.stages)
            watching.append(_stage_task(given.instruments.health.keep_looking(), ",".join(given.stages)))
        folding = [name for name in given.stages if name in FOLDING]
        stages = await stack.enter_async_context(
            running(
                connection,
                folding,
                producer,
                HostingOptions(
                    state,
                    given.instance,
                    given.engine,
                    given.rebuild,
                    given.skipped,
                    given.cache_mib * MIB,
                    processors(),
                ),
            )
        )
        tasks: list[asyncio.Task[Any]] = []

        async def end() -> None:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)

        stack.push_async_callback(end)
        if "deadlines" in given.stages:
            watched = GroupMember(
                connection,
                producer,
                "deadlines",
                instance=given.instance,
                gather_ms=GATHER_MS,
                find_begin=UndecidedFinder(connection),
            )
            if readings is not None:
                readings.members["deadlines"] = watched
            tasks.append(_stage_task(run_deadlines(watched, clock=wall_clock_ms, stop=stop), "deadlines"))
        if "agents" in given.stages:
            reservations = SharedReservations(lambda event: producer.publish([message_of(event)]))
            policies = KafkaGlobalTables(connection, (POLICIES, SPENDING), reservations.hear)
            stack.push_async_callback(policies.stop)
            await policies.start()
            replies = None if given.replies is None else stack.enter_context(ReplyCache(given.replies))
            agents_by_policy = AgentsByPolicy(policies.policies, given.outputs, replies)
            stack.push_async_callback(agents_by_policy.close)

            def terms_of(policy_event_id: str, left_ms: int | None) -> CallTerms | None:
                budget = agents_by_policy.budget_of(policy_event_id)
                if budget is None:
                    return None
                account = BudgetAccount(reservations, policy_event_id, budget, wall_clock_ms)
                return CallTerms(account, activity, left_ms)

            def watch(consumer: PartitionConsumer) -> None:
                consumer.onlooker = given.tracer
                if readings is not None:
                    readings.watch(consumer)

            find_begin = UndecidedFinder(connection)
            seated = GroupMember(connection, producer, "agents", instance=given.instance, find_begin=find_begin)
            if readings is not None and given.instruments is not None:
                readings.members["agents"] = seated
                readings.agents = AgentReadings(given.instruments, activity, agents_by_policy.made)
            agents = run_agents(
                seated,
                agents_by_policy.agents_of,
                clock=wall_clock_ms,
                limits=WorkLimits(given.calls_in_flight, given.grace_s),
                stop=stop,
                terms_of=terms_of,
                watched=watch,
            )
            tasks.append(_stage_task(agents, "agents"))
        if readings is not None:
            readings.members |= stages.members
            readings.stages = stages
        if given.line_s is not None:
            progress = WorkerProgress(given.stages, producer, activity, lags_of(connection, given.stages))
            watching.append(_stage_task(progress.keep_writing(given.line_s), ",".join(given.stages)))
        yield KafkaWorker(stages, producer, [*tasks, *watching])


async def _hostable(given: WorkerSpec) -> WorkerSpec:
    """
    Leave out the stage `tune` if the log lacks its topics: it is older than they are, and no policy needs them yet.

    Raises:
        OperatorError: Topics are missing, or no broker answers.
    """
    others = tuple(name for name in given.stages if name != TUNE.name)
    rights = working(given.stages, rebuild=given.rebuild)
    absent = await require_topics(given.connection, rights, odds=not others)
    if not absent or others == given.stages:
        return given
    remedy = f"`orch --log {given.connection.url} topics create` creates them; then start the worker again"
    _log.warning("stage_left_out", stage=TUNE.name, missing=sorted(absent), remedy=remedy)
    return replace(given, stages=others)


def _stage_task(work: Coroutine[Any, Any, Any], stage: str) -> asyncio.Task[Any]:
    """Start a task whose log lines carry the stage, unless they name another."""
    context = copy_context()
    context.run(bind_contextvars, stage=stage)
    return asyncio.create_task(work, name=stage, context=context)


async def _cancelled(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def run_until_told(given: WorkerSpec, *, started: Callable[[], None], stopping: Callable[[], None]) -> None:
    """
    Run stages in this process until SIGINT or SIGTERM.

    Args:
        given: Configuration of the worker.
        started: Called once all stages run; a signal before that cancels the start.
        stopping: Called after a signal, before the stages stop.

    Raises:
        OperatorError: No broker answers, topics are missing, or a stage failed.
    """

    async def work() -> None:
        told = asyncio.Event()
        loop, starting = asyncio.get_running_loop(), asyncio.current_task()

        def tell() -> None:
            if starting is not None and not told.is_set():
                # No stage runs yet, and no call is in flight.
                starting.cancel()
            told.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, tell)
        try:
            async with at_work(given) as worker:
                starting = None
                started()
                await worker.until(told.wait())
                stopping()
        except asyncio.CancelledError:
            if not told.is_set():
                raise

    asyncio.run(work())
