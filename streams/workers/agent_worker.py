"""
Agent worker of a Kafka log, step by step.

1. Join the consumer group, and read each partition that is assigned from its committed offsets.
2. Read to the end that the partition had when it was assigned (`partition_consumer`, `open_questions`). A rebalance
   before that costs nothing: no call was made yet.
3. List the free seats of open questions whose question and texts are there, and claim them (`question_state`). A member
   that dies here leaves no trace; the next owner reads the same records and lists the same seats.
4. Start calls in that order, up to the limit of concurrent calls (`call_scheduler`), each with the agent of the policy
   that its panel was chosen under (`call_runner`), within budget, rate limit and circuit breaker (`agents.calls`). A
   member that dies during a call has called a provider and written nothing: the next owner calls again, and the call's
   budget reservation goes on counting in full.
5. Publish the analysis; the call counts as in flight until the brokers acknowledge it. If they refuse, the stage ends
   with the error. If the member dies before it reads the acknowledgement, the analysis may be in the log: then the next
   owner finds the seat taken, otherwise it calls again. A zombie, a member that has lost the partition, may still
   publish: of two analyses of one seat the first in the log counts.
6. Read the decision: the question is closed, and its remaining calls are cancelled. A call that is cancelled after its
   request went out costs money and leaves nothing in the log.
7. Commit each topic up to the first record of a question still open, once a second. A member that dies before that
   leaves decided questions to be read again; their decisions are read with them, so no call is made.

New questions and panels are not read (step 1) while as many calls wait in step 4 as may be in flight; analyses and
decisions always are.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from streams.agents.calls.live_attempt import CallTerms
from streams.log import Clock, Subscription
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers.call_runner import AgentsOf, CallRunner, TermsOf
from streams.workers.partition_consumer import PartitionConsumer, until
from streams.workers.question_state import claim_of

READ = (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS)
NEW_WORK = (QUESTIONS, ASSIGNMENTS)
"""Topics that are paused while too many calls wait; analyses and decisions are always read."""

WAIT_MS = 200


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """Limits on the calls of one agent worker."""

    calls_in_flight: int = 1_000
    """Limit of concurrent calls; while as many more wait, no new work is read."""
    grace_s: float = 10.0
    """Seconds that calls in flight get to end after the worker is told to stop."""


async def run_agents(
    subscription: Subscription,
    agents_of: AgentsOf,
    *,
    clock: Clock,
    stop: asyncio.Event,
    limits: WorkLimits = WorkLimits(),
    terms_of: TermsOf = lambda policy_event_id, left_ms: CallTerms(left_ms=left_ms),
    watched: Callable[[PartitionConsumer], None] = lambda consumer: None,
) -> None:
    """
    Call the agents of every stage that is opened, until *stop* is set.

    The log is the only state: the member reads it from the committed offsets, and makes no call for a partition before
    it has caught up. A call that was in flight when a member died is made again; of two analyses of one seat the first
    in the log counts. When a question is decided, or its partition is revoked, its calls are cancelled.

    Args:
        subscription: Not started.
        agents_of: Gives the agents by policy.
        clock: Wall clock.
        limits: Limits on its calls.
        terms_of: Gives budget account, counters and deadline of a call.
        watched: Receives the consumer before it starts, to read from it how the questions stand, or to give it an
            onlooker, who is told of the calls too.

    Raises:
        OperatorError: The brokers refuse, or an analysis could not be written.
        UsageError: An agent cannot be made.
    """
    consumer = PartitionConsumer(subscription, READ)
    watched(consumer)
    runner = CallRunner(
        subscription, agents_of, clock=clock, most=limits.calls_in_flight, terms_of=terms_of, onlooker=consumer.onlooker
    )
    try:
        await until(stop, consumer.start())
        if not stop.is_set():
            await until(stop, _read(consumer, runner, subscription, limits.calls_in_flight), runner.connect())
            await runner.close(limits.grace_s)
    finally:
        await runner.drop()
        await consumer.stop()


async def _read(consumer: PartitionConsumer, runner: CallRunner, subscription: Subscription, most: int) -> None:
    """Queue the calls of every stage, and cancel those of closed questions."""
    paused = False
    while True:
        for case in await consumer.look(WAIT_MS):
            if case.closed:
                runner.cancel(case)
                continue
            for opened, call in list(case.calls()):
                case.taken[claim_of(call)] = None
                runner.put(case, opened, call)
        if not paused and runner.waiting >= most:
            subscription.pause(NEW_WORK)
            paused = True
        elif paused and runner.waiting <= most // 2:
            subscription.resume(NEW_WORK)
            paused = False
