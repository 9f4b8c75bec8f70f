"""Start and stop of aiokafka clients, without leaked connections."""

import asyncio
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection

Client: TypeAlias = AIOKafkaAdminClient | AIOKafkaConsumer | AIOKafkaProducer

STOP_S = 5.0
"""Longest wait for a client to end in order: to leave its group, or to have acknowledgements of what is on its way.
Also for one that is still connecting."""


async def connect(client: Client, connection: Connection) -> None:
    """
    Start a client; one that cannot start, or is no longer wanted meanwhile, is let go of.

    In a task of its own, for whoever is cancelled while a client connects would leave the connection it was about to
    keep open (aiokafka 0.14, `AIOKafkaClient.bootstrap`).

    Raises:
        OperatorError: No broker answers.
    """
    starting = asyncio.create_task(client.start())
    try:
        await asyncio.shield(starting)
    except BaseException as error:
        await _ended(starting)
        await let_go(client)
        if isinstance(error, (KafkaError, OSError)):
            raise unreachable(connection, error) from error
        raise


async def let_go(client: Client) -> None:
    """
    Stop a client, also while brokers are away: its own way for a while, then by closing its connections.

    In a task of its own, for a consumer whose fetch has just failed takes its own cancelling for ours, raises it, and
    leaves the connections open (aiokafka 0.14, `Fetcher.close`).
    """
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    await _ended(asyncio.create_task(stop()))
    await (client.client if isinstance(client, AIOKafkaProducer) else client._client).close()


async def _ended(task: "asyncio.Task[None]") -> None:
    await asyncio.wait({task}, timeout=STOP_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def unreachable(connection: Connection, error: BaseException) -> OperatorError:
    """Say that no broker answers, and what may be done about it."""
    said = str(error) or type(error).__name__
    return OperatorError(
        f"{connection.url}: no broker answers ({said})",
        remedy="`orch broker start` starts one on this machine; else correct the URL, or ORCH_KAFKA_*",
    )
