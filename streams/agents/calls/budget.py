"""
Budget reservations, made before a call and settled after it.

A call starts only once its reservation is durable and fits into the budget.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from schemas.event import Event
from schemas.policies import Budget
from schemas.quantities import MAX_CALL_NUSD, instant_of_ms
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.agents.agent import Task
from streams.log import Clock, FoldingWriter, read_event
from streams.processors.budget import Accounts, Verdict, refusal
from streams.topology import SPENDING


class Reservations(Protocol):
    """Log of reservations, and the verdicts on them."""

    def should_wait(self, reserved: BudgetReserved) -> bool:
        """Whether a reservation does not fit now, but may fit once others are settled."""

    async def changed(self) -> None:
        """Wait until more of the budget may be free."""

    async def reserve(self, reserved: BudgetReserved) -> Verdict:
        """Write a reservation, wait until it is durable if it fits, and return the verdict on it."""

    async def write(self, event: BudgetSettled | BudgetRefused) -> None:
        """Write the settlement or refusal of a reservation; until it is in the log, the reservation counts in full."""


class Notifier:
    """A signal that any number of tasks can wait for, repeatedly."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Wake all tasks that wait now."""
        self._told.set()
        self._told = asyncio.Event()

    async def wait(self) -> None:
        """Wait for the next `tell`."""
        await self._told.wait()


class SharedReservations:
    """
    Reservations in a topic that several processes write; the topic's order decides which of them fit.

    Args:
        publish: Writes an event and waits until the log has it.
    """

    def __init__(self, publish: Callable[[Event], Awaitable[None]]) -> None:
        self._accounts = Accounts()
        self._publish = publish
        self._news = Notifier()
        self._sent: dict[str, tuple[BudgetReserved, asyncio.Future[Verdict]]] = {}
        """Reservations of this process that were not read back yet, each with the future of its verdict."""

    def hear(self, event: Event) -> None:
        """Apply an event of the topic; events come in the topic's order, from its beginning."""
        verdict = self._accounts.take(event)
        sent = self._sent.pop(event.event_id, None)
        if verdict is not None and sent is not None and not sent[1].done():
            sent[1].set_result(verdict)
        # A granted reservation of this process frees nothing: it has counted since it was sent.
        if sent is None or verdict is None or verdict.refused_by is not None:
            self._news.tell()

    def should_wait(self, reserved: BudgetReserved) -> bool:
        before = (sent for sent, _ in self._sent.values())
        return not self._accounts.fits(reserved, before) and self._accounts.may_fit_later(reserved)

    async def changed(self) -> None:
        await self._news.wait()

    async def reserve(self, reserved: BudgetReserved) -> Verdict:
        verdict: asyncio.Future[Verdict] = asyncio.get_running_loop().create_future()
        self._sent[reserved.event_id] = reserved, verdict
        try:
            await self._publish(reserved)
            return await verdict
        finally:
            # After a failure or a cancellation `hear` must find no future to resolve.
            self._sent.pop(reserved.event_id, None)

    async def write(self, event: BudgetSettled | BudgetRefused) -> None:
        await self._publish(event)


class LocalReservations:
    """
    Reservations in a log with one writer; the append order decides which fit, and the next commit makes them durable.

    Args:
        log: The writer. Its owner commits it and then calls `committed`.
    """

    def __init__(self, log: FoldingWriter) -> None:
        self.wanted = asyncio.Event()
        """Set while a reservation waits for a commit."""
        self._log = log
        self._news = Notifier()
        self._waiting: list[asyncio.Future[None]] = []

    async def reserve(self, reserved: BudgetReserved) -> Verdict:
        verdict = self.accounts.take(reserved)
        assert verdict is not None, "a reservation holds its time, so its event id is new"
        self._log.append(reserved)
        if verdict.refused_by is None:
            durable: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(durable)
            self.wanted.set()
            await durable
        return verdict

    async def write(self, event: BudgetSettled | BudgetRefused) -> None:
        self.accounts.take(event)
        self._log.append(event)
        self._news.tell()

    def should_wait(self, reserved: BudgetReserved) -> bool:
        return not self.accounts.fits(reserved) and self.accounts.may_fit_later(reserved)

    async def changed(self) -> None:
        await self._news.wait()

    def committed(self) -> None:
        """Wake the callers whose reservations are durable now."""
        self.wanted.clear()
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            if not durable.done():
                durable.set_result(None)

    @cached_property
    def accounts(self) -> Accounts:
        """Amounts reserved and spent so far; read from the log on first use."""
        accounts = Accounts()
        for record in self._log.of_topic(SPENDING):
            accounts.take(read_event(record))
        # The writer of open reservations is gone: this process is the log's only writer now.
        accounts.give_up_open()
        return accounts


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """Budget account of the calls under one policy."""

    reservations: Reservations
    policy_event_id: str
    budget: Budget
    clock: Clock
    """Wall clock, for the times of the events written."""

    async def reserve(
        self, task: Task, opener: Event, agent: str, most_nusd: int, left_ms: int | None
    ) -> BudgetReserved | BudgetRefused:
        """
        Reserve the most a call can cost, or return a refusal if that exceeds the budget.

        If it fits except for the reservations of calls in flight, which mostly cost less than they reserved, it waits
        for their settlement, at most *left_ms*.
        """
        try:
            async with asyncio.timeout(None if left_ms is None else left_ms / 1000):
                while True:
                    reserved = self._reservation(task, opener, agent, most_nusd)
                    if self.reservations.should_wait(reserved):
                        await self.reservations.changed()
                        continue
                    verdict = await self.reservations.reserve(reserved)
                    if verdict.refused_by is None or not self.reservations.should_wait(reserved):
                        break
        except TimeoutError:
            reserved = self._reservation(task, opener, agent, most_nusd)
            verdict = await self.reservations.reserve(reserved)
        if verdict.refused_by is None:
            return reserved
        refused = refusal(verdict)
        await self.reservations.write(refused)
        return refused

    def _reservation(self, task: Task, opener: Event, agent: str, most_nusd: int) -> BudgetReserved:
        return BudgetReserved(
            causes=(opener.event_id,),
            occurred_at=instant_of_ms(self.clock()),
            question_id=task.question_id,
            policy_event_id=self.policy_event_id,
            agent=agent,
            stage=task.stage,
            role=task.role,
            attempt=task.attempt,
            amount_nusd=min(most_nusd, MAX_CALL_NUSD),
            question_limit_nusd=self.budget.question_nusd,
            run_limit_nusd=self.budget.run_nusd,
        )

    async def settle(self, reserved: BudgetReserved, cost_nusd: int | None) -> None:
        """Write a call's cost; None: unknown, so the reservation goes on counting in full."""
        settled = BudgetSettled(
            causes=(reserved.event_id,),
            occurred_at=instant_of_ms(self.clock()),
            question_id=reserved.question_id,
            cost_nusd=cost_nusd,
        )
        await self.reservations.write(settled)
