"""Start and stop of aiokafka clients, without leaked connections."""

import asyncio
from typing import TypeAlias

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.header_names import read_any_header_name
from streams.runtimes.kafka.client.refusal import refusal

Client: TypeAlias = AIOKafkaAdminClient | AIOKafkaConsumer | AIOKafkaProducer

STOP_S = 5.0
"""Longest wait for a client's own stop (it leaves its group, waits for acknowledgements), or for its start to end."""


async def connect(client: Client, connection: Connection) -> None:
    """
    Start a client; stop it if it cannot start or if the caller is cancelled.

    The start runs in a task of its own: a cancellation inside it would leak the connection that it was about to keep
    (aiokafka 0.14, `AIOKafkaClient.bootstrap`).

    Raises:
        OperatorError: No broker answers, or one refuses the user, or TLS fails.
    """
    read_any_header_name()
    starting = asyncio.create_task(client.start())
    try:
        await asyncio.shield(starting)
    except BaseException as error:
        await _ended(starting)
        await let_go(client)
        if isinstance(error, (KafkaError, OSError)):
            raise (await refusal(connection) or unreachable(connection, error)) from error
        raise


async def let_go(client: Client) -> None:
    """
    Stop a client, also while no broker answers: give its own stop `STOP_S`, then close its connections.

    The stop runs in a task of its own: a consumer whose fetch has just failed cancels itself there, which would look
    like a cancellation of the caller and leave the connections open (aiokafka 0.14, `Fetcher.close`).
    """
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    await _ended(asyncio.create_task(stop()))
    await (client.client if isinstance(client, AIOKafkaProducer) else client._client).close()


async def _ended(task: "asyncio.Task[None]") -> None:
    await asyncio.wait({task}, timeout=STOP_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def unreachable(connection: Connection, error: BaseException) -> OperatorError:
    """Make the error for a cluster of which no broker answers."""
    said = str(error) or type(error).__name__
    return OperatorError(
        f"{connection.url}: no broker answers ({said})",
        remedy="`orch broker start` starts one on this machine; else correct the URL, or ORCH_KAFKA_*",
    )
