"""Calls in flight on Kafka: started, published and cancelled."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.analyses import AnalysisPublished
from streams.agents.agent import Agent, Task
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.retry import drive, take_seat
from streams.agents.calls.seat import OpenSeat, absent, task_of
from streams.log import Clock, Headers, Subscription
from streams.workers.call_scheduler import CallScheduler, left_ms
from streams.workers.onlooker import Onlooker
from streams.workers.question_state import Opened, QuestionState

AgentsOf = Callable[[str], Mapping[str, Agent]]
"""Gives the agents of a policy, by name, from its event id; those of the newest policy if that one is unknown."""

TermsOf = Callable[[str, int | None], CallTerms | None]
"""Gives the terms of a call from the policy's event id and the milliseconds left until the question's deadline."""

STARTED_AT_ONCE = 64
"""Calls started in one batch; records are read between batches, so that decisions are noticed soon."""

POLICY_MS = 5_000
"""Longest wait, from the opening of a stage, until this process has read the policy that names its agents."""

_LOOK_AGAIN_S = 0.1

_log: FilteringBoundLogger = structlog.get_logger("orch.call_scheduler")


class CallRunner:
    """
    Takes seats; calls above the limit of concurrent calls wait in a queue.

    Args:
        subscription: Publishes the analyses.
        agents_of: Gives the agents by policy. A seat whose agent does not exist gets a failed analysis.
        clock: Wall clock, compared with the timestamps of records.
        most: Limit of concurrent calls; a call counts until its analysis is written.
        terms_of: Gives budget account, counters and deadline of a call; None while the policy is unknown.
        onlooker: Is told of the calls; None: nobody is.
    """

    def __init__(
        self,
        subscription: Subscription,
        agents_of: AgentsOf,
        *,
        clock: Clock,
        most: int,
        terms_of: TermsOf,
        onlooker: Onlooker | None = None,
    ) -> None:
        self._terms_of = terms_of
        self._onlooker = onlooker
        self._subscription = subscription
        self._agents_of = agents_of
        self._clock = clock
        self._scheduler: CallScheduler[QuestionState, tuple[Opened, OpenSeat]] = CallScheduler(most)
        self._calls: dict[QuestionState, set[asyncio.Task[None]]] = {}
        self._wake = asyncio.Event()
        self._failure: BaseException | None = None

    @property
    def waiting(self) -> int:
        """Count the queued calls."""
        return self._scheduler.waiting

    @property
    def running(self) -> int:
        """Count the calls in flight."""
        return self._scheduler.running

    def put(self, case: QuestionState, opened: Opened, call: OpenSeat) -> None:
        """Queue a call."""
        self._scheduler.put(case, (opened, call))
        self._wake.set()

    def cancel(self, case: QuestionState) -> None:
        """Cancel the calls in flight of a closed question; the scheduler skips its queued ones."""
        calls = self._calls.get(case, ())
        for task in calls:
            task.cancel()
        if calls:
            _log.debug("calls_cancelled", question_id=case.question_id, calls=len(calls))

    async def connect(self) -> None:
        """
        Start calls as soon as the limit of concurrent calls allows, until cancelled.

        Raises:
            OperatorError: An analysis could not be written.
            UsageError: An agent cannot be made.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._failure is None and self._scheduler.may_start:
                for case, (opened, call), _ in self._scheduler.start(STARTED_AT_ONCE):
                    self._begin(case, opened, call)
                await asyncio.sleep(0)
            if self._failure is not None:
                raise self._failure

    async def close(self, grace_s: float) -> None:
        """
        Give the calls in flight *grace_s* seconds to end, then cancel them.

        Raises:
            OperatorError: An analysis could not be written.
        """
        self._scheduler.clear()
        running = self._tasks()
        if running:
            _, late = await asyncio.wait(running, timeout=grace_s)
            await self.drop()
            _log.info("calls_ended", ended=len(running) - len(late), cancelled=len(late))
        if self._failure is not None:
            raise self._failure

    async def drop(self) -> None:
        """Cancel all calls; their seats stay free, and the next owner of the partition takes them."""
        self._scheduler.clear()
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _tasks(self) -> list["asyncio.Task[None]"]:
        return [task for tasks in self._calls.values() for task in tasks]

    def _begin(self, case: QuestionState, opened: Opened, call: OpenSeat) -> None:
        panel, question = case.panel, case.question
        assert panel is not None
        assert question is not None, "a call waits for its question, and is passed over once that is closed"
        policy_event_id = panel.causes[1] if len(panel.causes) > 1 else ""
        agent = self._agents_of(policy_event_id).get(call.seat.agent)
        terms = None
        if agent is not None and not agent.virtual:
            terms = self._terms_of(policy_event_id, left_ms(case, self._clock()))
        if agent is None or not (agent.virtual or terms):
            # The policy may not have been read yet; a call without its budget would cost what nobody allowed.
            if self._clock() - opened.at_ms < POLICY_MS:
                self._scheduler.ended()
                asyncio.get_running_loop().call_later(_LOOK_AGAIN_S, self.put, case, opened, call)
            else:
                self._spawn(case, self._subscription.publish(absent(call), opened.headers))
            return
        task = task_of(call, question, case.texts)
        if agent.virtual:
            outcome = drive(take_seat(agent, task, call.opener))
            self._tell(agent, outcome, opened.headers)
            self._spawn(case, self._subscription.publish(outcome, opened.headers))
        elif terms is not None:
            self._spawn(case, self._call(agent, task, call, terms, opened.headers))

    async def _call(self, agent: Agent, task: Task, call: OpenSeat, terms: CallTerms, carried: Headers) -> None:
        outcome = await take_seat(agent, task, call.opener, terms=terms)
        self._tell(agent, outcome, carried)
        await self._subscription.publish(outcome, carried)

    def _tell(self, agent: Agent, outcome: AnalysisPublished, carried: Headers) -> None:
        if self._onlooker is not None:
            self._onlooker.called(agent.spec, outcome, carried)

    def _spawn(self, case: QuestionState, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._calls.setdefault(case, set()).add(task)
        task.add_done_callback(partial(self._ended, case))

    def _ended(self, case: QuestionState, task: "asyncio.Task[None]") -> None:
        self._scheduler.ended()
        calls = self._calls[case]
        calls.discard(task)
        if not calls:
            del self._calls[case]
        if not task.cancelled() and task.exception() is not None and self._failure is None:
            self._failure = task.exception()
        self._wake.set()
