"""Budget reservations, made before a call and settled after it."""

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
    """Where reservations are written, and what became of them."""

    def should_wait(self, reserved: BudgetReserved) -> bool:
        """Whether there is no room for a reservation now, but may be when others are settled."""

    async def changed(self) -> None:
        """Wait until there may be more room."""

    async def reserve(self, reserved: BudgetReserved) -> Verdict:
        """Write a reservation, wait until it is durable, and give the verdict on it."""

    async def write(self, event: BudgetSettled | BudgetRefused) -> None:
        """Write what became of a reservation; nobody waits for it, since until then the reservation counts."""


class Notifier:
    """Something that many may wait for, again and again."""

    def __init__(self) -> None:
        self._told = asyncio.Event()

    def tell(self) -> None:
        """Wake all who wait now."""
        self._told.set()
        self._told = asyncio.Event()

    async def wait(self) -> None:
        """Wait until it is told the next time."""
        await self._told.wait()


class SharedReservations:
    """
    Reservations on a log that several processes write: what comes first in the topic comes first.

    Args:
        publish: Writes an event and waits until the log has it.
    """

    def __init__(self, publish: Callable[[Event], Awaitable[None]]) -> None:
        self._accounts = Accounts()
        self._publish = publish
        self._news = Notifier()
        self._sent: dict[str, tuple[BudgetReserved, asyncio.Future[Verdict]]] = {}
        """Reservations of this process that were not read back yet, each with who waits for the verdict."""

    def hear(self, event: Event) -> None:
        """Take in a record of the topic, in its order, from its beginning."""
        verdict = self._accounts.take(event)
        sent = self._sent.pop(event.event_id, None)
        if verdict is not None and sent is not None and not sent[1].done():
            sent[1].set_result(verdict)
        # One of our own that is granted makes no room: it has counted since it was sent.
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
            # Where nobody waits any more, and it may come or not.
            self._sent.pop(reserved.event_id, None)

    async def write(self, event: BudgetSettled | BudgetRefused) -> None:
        await self._publish(event)


class LocalReservations:
    """
    Reservations on a log with one writer: what is appended first comes first, and is durable with the next commit.

    Args:
        log: The writer; whoever has it commits it, and then says so.
    """

    def __init__(self, log: FoldingWriter) -> None:
        self.wanted = asyncio.Event()
        """Set while somebody waits for a commit."""
        self._log = log
        self._news = Notifier()
        self._waiting: list[asyncio.Future[None]] = []

    async def reserve(self, reserved: BudgetReserved) -> Verdict:
        verdict = self.accounts.take(reserved)
        assert verdict is not None, "a reservation says when it was made, so it is a new one"
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
        """Let everybody go on whose reservation is durable now."""
        self.wanted.clear()
        waiting, self._waiting = self._waiting, []
        for durable in waiting:
            if not durable.done():
                durable.set_result(None)

    @cached_property
    def accounts(self) -> Accounts:
        """What counts so far; it is read from the log when it is first needed."""
        accounts = Accounts()
        for record in self._log.of_topic(SPENDING):
            accounts.take(read_event(record))
        # Their writer is gone, for this one has the log now.
        accounts.give_up_open()
        return accounts


@dataclass(frozen=True, slots=True)
class BudgetAccount:
    """What the calls under one policy are charged to."""

    reservations: Reservations
    policy_event_id: str
    budget: Budget
    clock: Clock
    """Wall clock, for the times of what is written."""

    async def reserve(
        self, task: Task, opener: Event, agent: str, most_nusd: int, left_ms: int | None
    ) -> BudgetReserved | BudgetRefused:
        """
        Reserve the most a call can cost; a refusal where there is no room for it.

        Where there is none only because of calls under way, which mostly cost less than they reserved, it waits for
        them, at most *left_ms*.
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
        """Say what a call has cost; None: not known, so it goes on counting with all it reserved."""
        settled = BudgetSettled(
            causes=(reserved.event_id,),
            occurred_at=instant_of_ms(self.clock()),
            question_id=reserved.question_id,
            cost_nusd=cost_nusd,
        )
        await self.reservations.write(settled)
