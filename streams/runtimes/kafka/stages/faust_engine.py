"""The engine on Faust."""

import asyncio
import tempfile
from typing import Any

import faust

from streams.errors import OperatorError
from streams.log import Record
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.stages.polling_engine import RecordQueue
from streams.runtimes.kafka.stages.stage import KafkaStage

SESSION_TIMEOUT_S = 6.0
"""Until a silent member's partitions go to others; the shortest that brokers take unless told otherwise."""
HEARTBEAT_S = 1.5
COMMIT_S = 0.5
WATCH_S = 0.5
FULL_WAIT_S = 0.005


class FaustEngine:
    """
    Runs one stage as a Faust app, which consumes and nothing else.

    State and outputs are the stage's own: Faust's tables cannot tell whether another process has taken over, its agents
    acknowledge a record although what followed from it failed, and a record and its output are two sends. So nothing is
    acknowledged here before the stage has done with it, and after a failure nothing more is folded: the process ends,
    and whoever starts it again goes on from the changelog.

    Args:
        connection: The cluster.
        stage: What to run.
        instance: Name of this member, for one that comes back after a restart without a rebalance.
    """

    def __init__(self, connection: Connection, stage: KafkaStage, instance: str | None = None) -> None:
        self.line = RecordQueue(stage)
        self._stage = stage
        self._connection = connection
        self._tasks: list[asyncio.Task[None]] = []
        # Faust makes a folder for tables, of which there are none.
        self._folder = tempfile.TemporaryDirectory(prefix="orch-faust-")
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
            # Without tables of its own Faust deals out topics one by one; its assignor keeps those of one size
            # together, and is chosen where tables have standbys.
            table_standby_replicas=1,
            topic_allow_declare=False,
            topic_disable_leader=True,
            stream_wait_empty=False,
            web_enabled=False,
            loghandlers=[],
            key_serializer="raw",
            value_serializer="raw",
        )
        topics = [connection.topic(topic) for topic in self._stage.processor.reads]
        channel = app.topic(*topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")
        app.agent(channel, name=f"{app.conf.id}-host")(self._host)
        # Held weakly, a bound method would be gone at once.
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
        """Leave the group, with what was done committed."""
        await self._app.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stage.close()
        self._folder.cleanup()

    async def _on_assigned(self, app: Any, assigned: Any, **kwargs: Any) -> None:
        self._stage.hold({place.partition for place in assigned})

    async def _host(self, stream: Any) -> None:
        """Line up what Faust brings."""
        async for event in stream.noack().events():
            self.line.put(self._record(event.message), event.ack)
            while self.line.full:
                await asyncio.sleep(FULL_WAIT_S)

    async def _watch(self) -> None:
        """Notice when Faust itself gives up."""
        while not self._app.crashed:
            await asyncio.sleep(WATCH_S)
        reason = self._app.crash_reason
        name = self._stage.processor.name
        self.line.fail(
            OperatorError(
                f"stage {name}: Faust gave up: {type(reason).__name__}: {reason}",
                remedy="Start the worker again: it goes on where it was; `orch doctor` looks at brokers and topics",
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
