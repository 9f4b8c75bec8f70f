"""The engine on Faust."""

import asyncio
import tempfile
from typing import Any

import faust
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread, Consumer

from streams.errors import OperatorError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.header_names import read_any_header_name
from streams.runtimes.kafka.client.lifecycle import watch
from streams.runtimes.kafka.client.member_version import version_mark
from streams.runtimes.kafka.stages.polling_engine import RecordQueue
from streams.runtimes.kafka.stages.stage import KafkaStage

SESSION_TIMEOUT_S = 6.0
"""Silence after which the group removes a member; the shortest that brokers accept by default."""
HEARTBEAT_S = 1.5
COMMIT_S = 0.5
WATCH_S = 0.5
FULL_WAIT_S = 0.005


class FaustEngine:
    """
    Runs one stage on a Faust app that only consumes records and commits offsets.

    The stage keeps states and sends outputs itself. Faust's tables have no fencing; its agents acknowledge a record
    whose processing raised; and it writes a state and its outputs separately. So this engine acknowledges a record only
    after the stage has processed it. After a failure the stage folds nothing more: the process ends, and its next start
    resumes from the changelog.

    Args:
        connection: The cluster.
        stage: Processes the records.
        instance: Kafka's `group.instance.id`: the member returns after a restart without a rebalance.
    """

    def __init__(self, connection: Connection, stage: KafkaStage, instance: str | None = None) -> None:
        self.line = RecordQueue(stage)
        self._stage = stage
        self._connection = connection
        self._tasks: list[asyncio.Task[None]] = []
        # Faust creates a data directory although the app has no tables.
        self._folder = tempfile.TemporaryDirectory(prefix="orch-faust-")
        read_any_header_name()
        self._app = self._make_app(instance)

    def _make_app(self, instance: str | None) -> Any:
        connection, name = self._connection, self._stage.processor.name
        app = faust.App(
            connection.group(name),
            broker=";".join(f"aiokafka://{address}" for address in connection.bootstrap),
            broker_credentials=_credentials(connection),
            broker_client_id="orch",
            broker_session_timeout=SESSION_TIMEOUT_S,
            broker_heartbeat_interval=HEARTBEAT_S,
            broker_commit_interval=COMMIT_S,
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=instance,
            datadir=self._folder.name,
            # Faust must co-partition the topics. Its own assignor does so, and Faust uses it only where tables have
            # standbys; otherwise it assigns topics one by one.
            table_standby_replicas=1,
            # Faust's subscription has no field of our own. Nobody opens this address, for there is no web server.
            canonical_url=f"http://{version_mark()}",
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            web_enabled=False,
            loghandlers=[],
            key_serializer="raw",
            value_serializer="raw",
        )
        app.transport.Consumer = _CommittedConsumer  # type: ignore[misc]
        topics = [connection.topic(topic) for topic in self._stage.processor.reads]
        channel = app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=f"{app.conf.id}-host")(self._host)
        # With a weak reference the bound method would be collected at once.
        app.on_partitions_assigned.connect(self._on_assigned, weak=False)  # type: ignore[arg-type]  # it gets keywords
        return app

    async def start(self) -> None:
        """Join the group."""
        name = self._stage.processor.name
        await self._app.start()
        self._tasks = [
            asyncio.create_task(self.line.work(), name=f"{name}-work"),
            asyncio.create_task(self._watch(), name=f"{name}-watch"),
        ]

    async def stop(self) -> None:
        """Commit the offsets of processed records and leave the group."""
        await self._app.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stage.close()
        self._folder.cleanup()

    async def _on_assigned(self, app: Any, assigned: Any, **kwargs: Any) -> None:
        self._stage.hold({place.partition for place in assigned})

    async def _host(self, stream: Any) -> None:
        """Queue the records that Faust delivers."""
        async for event in stream.noack().events():
            self.line.put(self._record(event.message), event.ack)
            while self.line.full:
                await asyncio.sleep(FULL_WAIT_S)

    async def _watch(self) -> None:
        """Report a crash of Faust itself."""
        while not self._app.crashed:
            await asyncio.sleep(WATCH_S)
        reason = self._app.crash_reason
        name = self._stage.processor.name
        self.line.fail(
            OperatorError(
                f"stage {name}: Faust crashed: {type(reason).__name__}: {reason}",
                remedy="Start the worker again: it resumes where it stopped; `orch doctor` checks brokers and topics",
            )
        )

    def _record(self, message: Any) -> Record:
        return Record(
            self._connection.logical(message.topic),
            message.partition,
            message.offset,
            round(message.timestamp * 1000),
            (message.key or b"").decode("utf-8", "backslashreplace"),
            message.value or b"",
            tuple(message.headers or ()),
        )


class _CommittedConsumer(Consumer):
    """Faust's consumer, whose client leaves out the records of aborted transactions."""

    async def getmany(self, timeout: float) -> Any:
        """
        Fetch records, and note the gap behind a record at offset 0.

        Faust (0.15.3) takes that offset for none and notes no gap there; it would then commit nothing more, and the
        stage would seem to lag for good.
        """
        async for place, message in super().getmany(timeout):
            if self._read_offset[place] == 0:
                await self._add_gap(place, 1, message.offset - 1)
            yield place, message

    def _new_consumer_thread(self) -> Any:
        return _CommittedThread(self, loop=self.loop, beacon=self.beacon)


class _CommittedThread(AIOKafkaConsumerThread):
    """
    The thread of Faust's client.

    Faust reads committed records only where it writes transactions itself (`processing_guarantee`), and has no setting
    (0.15.3). aiokafka takes the level at its start, which follows.
    """

    def _create_worker_consumer(self, transport: Any) -> Any:
        client = super()._create_worker_consumer(transport)
        client._isolation_level = "read_committed"
        watch(client)
        return client


def _credentials(connection: Connection) -> Any:
    settings = connection.security
    if settings.protocol.startswith("SASL"):
        return faust.SASLCredentials(
            username=settings.username,
            password=settings.password,
            mechanism=settings.mechanism,
            ssl_context=settings.tls,
        )
    context = settings.tls
    return None if context is None else faust.SSLCredentials(context)
