"""Watch over the brokers: lost, back, given up."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import structlog
from structlog.typing import FilteringBoundLogger

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.client.failed_connection import FailedConnection, try_address
from streams.runtimes.kafka.client.lifecycle import last_answers

LOOK_S = 3.0
"""Time between two looks at the brokers."""

SERVED_S = 2 * LOOK_S
"""Age of an answer on an older connection up to which a cluster that refuses new ones is not lost."""

GIVE_UP_S = 600.0
"""Default of `Outage.give_up_s`."""

_log: FilteringBoundLogger = structlog.get_logger("orch.brokers")


class Look(NamedTuple):
    """What one look at the brokers found."""

    usable: bool
    """Whether a broker can be used."""
    failed: tuple[FailedConnection, ...] = ()
    """Addresses that cannot be used; without a usable broker at least one."""


class BrokerLook:
    """
    Looks at a cluster by new connections: at one broker in turn, again at those that failed, at all if need be.

    All brokers count that the cluster has named, not only those that the log's URL names.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: tuple[str, ...] = ()
        self._turn = 0
        self._failed: tuple[str, ...] = ()

    async def __call__(self) -> Look:
        """Ask the brokers."""
        known = self._known or self._connection.bootstrap
        self._turn += 1
        found = await self._try(known[self._turn % len(known)], *self._failed)
        if not list(_brokers(found)):
            found |= await self._try(*(name for name in (*known, *self._connection.bootstrap) if name not in found))
        self._known = next(_brokers(found), ()) or self._known
        failed = {address: one for address, one in found.items() if isinstance(one, FailedConnection)}
        # A broker that left the cluster is none that fails.
        self._failed = tuple(address for address in failed if not self._known or address in self._known)
        usable = len(failed) < len(found)
        order = self._failed if usable else dict.fromkeys((*known, *self._connection.bootstrap))
        return Look(usable, tuple(failed[name] for name in order))

    async def _try(self, *addresses: str) -> dict[str, tuple[str, ...] | FailedConnection]:
        several = tuple(dict.fromkeys(addresses))
        answers = await asyncio.gather(*(try_address(self._connection, address) for address in several))
        return dict(zip(several, answers, strict=True))


def _brokers(found: dict[str, tuple[str, ...] | FailedConnection]) -> Iterator[tuple[str, ...]]:
    return (answer for answer in found.values() if not isinstance(answer, FailedConnection))


class Outage:
    """
    Watches the brokers of one process with connections of its own.

    aiokafka's consumers and producers wait for absent brokers without an error, so nothing else would tell. A broker
    that refuses new connections, because a password or a certificate has changed, still serves those that it has: only
    if they do not get answers either, the process makes no progress.

    Args:
        look: Looks at the brokers.
        clock: Monotonic seconds.
        give_up_s: Longest time without any broker, or with one that refuses this client.
        answered: Gives the time of the last answer that a client of this process got from each address, by *clock*.
    """

    def __init__(
        self,
        look: Callable[[], Awaitable[Look]],
        clock: Callable[[], float],
        *,
        give_up_s: float = GIVE_UP_S,
        answered: Callable[[], dict[str, float]] = dict,
    ) -> None:
        self._look = look
        self._clock = clock
        self._give_up_s = give_up_s
        self._answered = answered
        self._lost_at: float | None = None
        self._why = ""
        self._refusing: dict[str, tuple[str, float]] = {}
        """What is wrong with each broker that answers and cannot be used, and since when."""

    @property
    def lost(self) -> bool:
        """Whether no broker could be used at the last look."""
        return self._lost_at is not None

    async def watch(self, *, after_s: float = 0.0) -> None:
        """
        Look at the brokers until cancelled.

        Args:
            after_s: Seconds before the first look; a short command never takes one.

        Raises:
            OperatorError: This process has made no progress for *give_up_s*.
        """
        await asyncio.sleep(after_s)
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """
        Look at the brokers once; log when they are lost, why, and when one is back; and each that refuses.

        Raises:
            OperatorError: No broker could be used for *give_up_s*, or one has refused this client for so long; and no
                older connection has got an answer meanwhile.
        """
        began = self._clock()
        found = await self._look()
        answered = self._answered()
        newest = max(answered.values(), default=float("-inf"))
        served = found.usable or (all(one.answers for one in found.failed) and began - newest <= SERVED_S)
        if served:
            self._back()
        else:
            self._lost(found, began)
        self._note_refusing(found, began, served=served)
        self._give_up(found, answered)

    def _back(self) -> None:
        if self._lost_at is not None:
            _log.warning("broker_back", seconds=round(self._clock() - self._lost_at, 1))
            self._lost_at = None

    def _lost(self, found: Look, began: float) -> None:
        why = "; ".join(map(str, found.failed))
        if self._lost_at is None:
            self._lost_at = began
            _log.warning("broker_lost", why=why, give_up_seconds=self._give_up_s)
        elif why != self._why:
            # An outage may end in another one: brokers come back with new passwords.
            _log.warning("broker_still_lost", why=why, seconds=round(self._clock() - self._lost_at, 1))
        self._why = why

    def _note_refusing(self, found: Look, began: float, *, served: bool) -> None:
        """Tell of brokers that refuse, while others can be used, or older connections."""
        refusing = {one.address: one.said for one in found.failed if one.answers}
        for address in [address for address in self._refusing if address not in refusing]:
            said, since = self._refusing.pop(address)
            _log.info("broker_usable", broker=address, was=said, seconds=round(self._clock() - since, 1))
        for address, said in refusing.items():
            known, since = self._refusing.get(address, ("", began))
            self._refusing[address] = said, since
            if said != known and served:
                _log.warning("broker_unusable", broker=address, why=said, give_up_seconds=self._give_up_s)

    def _give_up(self, found: Look, answered: dict[str, float]) -> None:
        if self._lost_at is not None:
            since = max(self._lost_at, *answered.values(), 0.0)
            self._require(found.failed, since, "no broker could be used")
        for one in found.failed:
            if one.address in self._refusing:
                since = max(self._refusing[one.address][1], answered.get(one.address, 0.0))
                self._require((one,), since, "a broker could not be used")

    def _require(self, failed: tuple[FailedConnection, ...], since: float, what: str) -> None:
        silent_s = self._clock() - since
        if silent_s >= self._give_up_s:
            raise OperatorError(
                f"{what} for {silent_s:,.0f} s: {'; '.join(map(str, failed))}",
                remedy=f"{next((one for one in failed if one.answers), failed[0]).remedy}. Then start it again: it goes"
                " on from what is committed. `orch worker --give-up` sets how long a worker waits",
            )


def outage_of(connection: Connection, *, give_up_s: float = GIVE_UP_S) -> Outage:
    """Make the watch over a cluster."""
    return Outage(BrokerLook(connection), time.monotonic, give_up_s=give_up_s, answered=last_answers)
