"""Start and stop of aiokafka clients, without leaked connections."""

import asyncio
from pathlib import Path
from typing import Any, TypeAlias
from weakref import WeakSet

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, NodeNotReadyError

from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import why_unreachable
from streams.runtimes.kafka.client.header_names import read_any_header_name

Client: TypeAlias = AIOKafkaAdminClient | AIOKafkaConsumer | AIOKafkaProducer

_LIBRARY = str(Path(aiokafka.__file__).parent)

_clients: "WeakSet[Client]" = WeakSet()
"""Clients of this process that were started and not stopped."""

STOP_S = 5.0
"""Longest wait for a client's own stop (it leaves its group, waits for acknowledgements), or for its start to end."""


async def connect(client: Client, connection: Connection) -> None:
    """
    Start a client; stop it if it cannot start or if the caller is cancelled.

    The start runs in a task of its own: a cancellation inside it would leak the connection that it was about to keep
    (aiokafka 0.14, `AIOKafkaClient.bootstrap`).

    Raises:
        UnreachableError: No broker can be used; the message says why, for each address.
    """
    read_any_header_name()
    starting = asyncio.create_task(_started(client))
    try:
        await asyncio.shield(starting)
    except BaseException as error:
        try:
            await _ended(starting)
        finally:
            await let_go(client)
        if isinstance(error, (KafkaError, OSError)):
            raise await why_unreachable(connection, error) from error
        raise
    watch(client)


def watch(client: Client) -> None:
    """Count the answers that a started client gets among those of this process (`last_answers`)."""
    _clients.add(client)


def last_answers() -> dict[str, float]:
    """
    Give the time of the last answer that any client of this process got from each broker.

    Returns:
        Monotonic seconds, by `host:port` as the brokers advertise it. Connections that cannot be made leave no trace.
    """
    found: dict[str, float] = {}
    # Faust's clients run in a thread of their own.
    for client in list(_clients):
        for made in list(_inner(client)._conns.values()):
            address = f"{made.host}:{made.port}"
            found[address] = max(made._last_action, found.get(address, 0.0))
    return found


async def _started(client: Client) -> None:
    """Start a client, and require that it reaches a broker at the address which the brokers advertise."""
    await client.start()
    inner = _inner(client)
    for broker in inner.cluster.brokers():
        if await inner.ready(broker.nodeId):
            return
    if inner.cluster.brokers():
        raise NodeNotReadyError("no broker can be reached at the address that it advertises")


def _inner(client: Client) -> AIOKafkaClient:
    return client.client if isinstance(client, AIOKafkaProducer) else client._client


async def let_go(client: Client) -> None:
    """
    Stop a client, also while no broker answers: give its own stop `STOP_S`, then close its connections.

    The stop runs in a task of its own: a consumer whose fetch has just failed cancels itself there, which would look
    like a cancellation of the caller and leave the connections open (aiokafka 0.14, `Fetcher.close`). A cancellation of
    the caller closes the connections at once.
    """
    _clients.discard(client)
    stop = client.close if isinstance(client, AIOKafkaAdminClient) else client.stop
    inner = _inner(client)
    try:
        await _ended(asyncio.create_task(stop()))
        await inner.close()
    finally:
        for made in list(inner._conns.values()):
            made.close()


def is_client_task(task: "asyncio.Task[Any]") -> bool:
    """
    Say whether a task starts, serves or stops a client.

    Such tasks end with their client. A cancellation inside one would leak the connection that it is making.
    """
    code = getattr(task.get_coro(), "cr_code", None)
    return code is not None and (code is _started.__code__ or code.co_filename.startswith(_LIBRARY))


async def _ended(task: "asyncio.Task[None]") -> None:
    await asyncio.wait({task}, timeout=STOP_S)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
