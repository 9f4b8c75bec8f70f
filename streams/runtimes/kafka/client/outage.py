"""Watch over the brokers: lost, back, given up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError
from aiokafka.protocol.metadata import MetadataRequest
from structlog.typing import FilteringBoundLogger

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.refusal import REFUSED

LOOK_S = 3.0
"""Time between two looks at the brokers."""

ANSWER_MS = 5_000
"""Longest wait for one broker's answer: a broker that hangs is as good as lost."""

GIVE_UP_S = 600.0
"""Default of `Outage.give_up_s`."""

_log: FilteringBoundLogger = structlog.get_logger("orch.brokers")


async def answering(connection: Connection, known: Sequence[str] = ()) -> tuple[str, ...]:
    """
    Ask the brokers one after the other, until one answers.

    Args:
        known: Addresses beside those of the connection, as an earlier answer gave them.

    Returns:
        Addresses of the cluster's brokers; none if no broker answers. One that refuses the user does answer.
    """
    settings = connection.client()
    del settings["bootstrap_servers"]
    addresses = tuple(dict.fromkeys((*connection.bootstrap, *known)))
    for address in addresses:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(ANSWER_MS / 1000):
                made = await create_conn(host.strip("[]"), int(port), request_timeout_ms=ANSWER_MS, **settings)
                try:
                    told = await made.send(MetadataRequest([]))
                finally:
                    made.close()
        except REFUSED:
            return addresses
        except (KafkaError, OSError, TimeoutError):
            continue
        return tuple(f"{broker[1]}:{broker[2]}" for broker in told.brokers) or addresses
    return ()


class Outage:
    """
    Watches the brokers of one process with connections of its own.

    aiokafka's consumers and producers wait for absent brokers without an error, so nothing else would tell.

    Args:
        answers: Says whether a broker answers.
        clock: Monotonic seconds.
        give_up_s: Longest time without any broker, counted from the first look that found none.
    """

    def __init__(
        self, answers: Callable[[], Awaitable[bool]], clock: Callable[[], float], *, give_up_s: float = GIVE_UP_S
    ) -> None:
        self._answers = answers
        self._clock = clock
        self._give_up_s = give_up_s
        self._lost_at: float | None = None

    @property
    def lost(self) -> bool:
        """Whether no broker answered at the last look."""
        return self._lost_at is not None

    async def watch(self) -> None:
        """
        Look at the brokers until cancelled.

        Raises:
            OperatorError: No broker has answered for *give_up_s*.
        """
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """
        Ask the brokers once; log when they are lost, and when one is back.

        Raises:
            OperatorError: No broker has answered for *give_up_s*.
        """
        began = self._clock()
        if await self._answers():
            if self._lost_at is not None:
                _log.warning("broker_back", seconds=round(self._clock() - self._lost_at, 1))
                self._lost_at = None
            return
        if self._lost_at is None:
            self._lost_at = began
            _log.warning("broker_lost", give_up_seconds=self._give_up_s)
        elif self._clock() - self._lost_at >= self._give_up_s:
            raise OperatorError(
                f"no broker has answered for {self._clock() - self._lost_at:,.0f} s",
                remedy="Start it again once the brokers are back; it goes on from what is committed. --give-up sets"
                " how long it waits",
            )


def outage_of(connection: Connection, *, give_up_s: float = GIVE_UP_S) -> Outage:
    """Make the watch over a cluster, all of whose brokers count, not only those that the log's URL names."""
    known: tuple[str, ...] = ()

    async def answers() -> bool:
        nonlocal known
        found = await answering(connection, known)
        known = found or known
        return bool(found)

    return Outage(answers, time.monotonic, give_up_s=give_up_s)
