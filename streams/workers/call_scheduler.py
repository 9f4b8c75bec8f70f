"""Calls under way, of many agents at a time: each ends with its analysis in the log, or is cancelled."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from streams.agents.agent import Agent, Task
from streams.agents.calls.live_attempt import Terms
from streams.agents.calls.retry import drive, take_seat
from streams.agents.calls.seat import Call, absent, task_of
from streams.log import Clock, Headers, Subscription
from streams.workers.question_state import Case, Opened

AgentsOf = Callable[[str], Mapping[str, Agent]]
"""Gives the agents of a policy, by name, from its event id; those of the newest policy where that one is not known."""

TermsOf = Callable[[str, int], Terms]
"""Gives the terms of a call under a policy, from its event id and what is left of the question's time, in ms."""

STARTED_AT_ONCE = 64
"""Calls started in one go; between two goes records are read, so a decision is heard soon."""

POLICY_MS = 5_000
"""Time after a stage was opened in which the policy that names its agents may still be on its way to this process."""

_LOOK_AGAIN_S = 0.1

_log: FilteringBoundLogger = structlog.get_logger("orch.switchboard")


class Switchboard:
    """
    Takes seats: at most so many at a time, the others wait in line.

    Args:
        subscription: Publishes the analyses.
        agents_of: Whom to ask. A seat of an agent that is not there fails, and is so recorded.
        clock: Wall clock, compared with the times of records.
        most: Calls under way at a time, those counted whose analysis is being written.
        terms_of: What calls are charged to and counted in.
    """

    def __init__(
        self,
        subscription: Subscription,
        agents_of: AgentsOf,
        *,
        clock: Clock,
        most: int,
        terms_of: TermsOf,
    ) -> None:
        self._terms_of = terms_of
        self._subscription = subscription
        self._agents_of = agents_of
        self._clock = clock
        self._most = most
        self._line: deque[tuple[Case, Opened, Call]] = deque()
        self._calls: dict[Case, set[asyncio.Task[None]]] = {}
        self._running = 0
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Count the calls in line."""
        return len(self._line)

    @property
    def running(self) -> int:
        """Count the calls under way."""
        return self._running

    def put(self, case: Case, opened: Opened, call: Call) -> None:
        """Put a call in line."""
        self._line.append((case, opened, call))
        self._wake.set()

    def cancel(self, case: Case) -> None:
        """Cancel the calls of a closed case; those in line are passed over."""
        calls = self._calls.get(case, ())
        for task in calls:
            task.cancel()
        if calls:
            _log.debug("calls_cancelled", question_id=case.question_id, calls=len(calls))

    async def connect(self) -> None:
        """
        Start calls as soon as there is room for them, until cancelled.

        Raises:
            OperatorError: An analysis could not be written.
            UsageError: An agent cannot be made.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            started = 0
            while self._failure is None and self._line and self._running < self._most:
                self._begin(*self._line.popleft())
                started += 1
                if started % STARTED_AT_ONCE == 0:
                    await asyncio.sleep(0)
            if self._failure is not None:
                raise self._failure

    async def close(self, grace_s: float) -> None:
        """
        Give the calls under way so many seconds to end, then cancel them.

        Raises:
            OperatorError: An analysis could not be written.
        """
        self._line.clear()
        running = self._tasks()
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            await self.drop()
            _log.info("calls_ended", ended=len(running) - len(late), cancelled=len(late))
        if self._failure is not None:
            raise self._failure

    async def drop(self) -> None:
        """Cancel all calls; their seats stay free, and the next owner of the partition takes them."""
        self._line.clear()
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list["asyncio.Task[None]"]:
        return [task for tasks in self._calls.values() for task in tasks]

    def _begin(self, case: Case, opened: Opened, call: Call) -> None:
        panel, question = case.panel, case.question
        if panel is None or question is None:
            # Closed since.
            return
        policy_event_id = panel.causes[1] if len(panel.causes) > 1 else ""
        agent = self._agents_of(policy_event_id).get(call.seat.agent)
        if agent is None:
            if self._clock() - opened.at_ms < POLICY_MS:
                asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self.put, case, opened, call)
            else:
                self._spawn(case, self._subscription.publish(absent(call), opened.headers))
            return
        task = task_of(call, question, case.texts)
        if agent.virtual:
            outcome = drive(take_seat(agent, task, call.opener))
            self._spawn(case, self._subscription.publish(outcome, opened.headers))
        else:
            # As the deadline watcher counts: from the record of the panel.
            left_ms = max(case.opened[0].at_ms + panel.deadline_ms - self._clock(), 0)
            terms = self._terms_of(policy_event_id, left_ms)
            self._spawn(case, self._call(agent, task, call, terms, opened.headers))

    async def _call(self, agent: Agent, task: Task, call: Call, terms: Terms, carried: Headers) -> None:
        await self._subscription.publish(await take_seat(agent, task, call.opener, terms=terms), carried)

    def _spawn(self, case: Case, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._running += 1
        self._calls.setdefault(case, set()).add(task)
        task.add_done_callback(partial(self._ended, case))

    def _ended(self, case: Case, task: "asyncio.Task[None]") -> None:
        self._running -= 1
        calls = self._calls[case]
        calls.discard(task)
        if not calls:
            del self._calls[case]
        if not task.cancelled() and task.exception() is not None and self._failure is None:
            self._failure = task.exception()
        self._wake.set()
