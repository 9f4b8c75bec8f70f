"""The `agents` stage: every seat of an open question is taken, and every analysis published."""

import asyncio

from streams.agents.calls.live_attempt import Terms
from streams.log import Clock, Subscription
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers.call_runner import AgentsOf, Switchboard, TermsOf
from streams.workers.partition_consumer import Share, until
from streams.workers.question_state import claim_of

READ = (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS)
NEW_WORK = (QUESTIONS, ASSIGNMENTS)
"""What is not read while too many calls wait; what ends calls is read always."""

WAIT_MS = 200


async def run_agents(
    subscription: Subscription,
    agents_of: AgentsOf,
    *,
    clock: Clock,
    stop: asyncio.Event,
    calls_in_flight: int = 1_000,
    grace_s: float = 10.0,
    terms_of: TermsOf = lambda policy_event_id, left_ms: Terms(left_ms=left_ms),
) -> None:
    """
    Ask the agents of every stage that is opened, until told to stop.

    There is no state but the log: the member reads it from what was committed, and makes no call for a partition before
    it has read all that was there. A call that was under way when a member died is made again; of two analyses of one
    seat the first in the log counts. When a question is decided, or its partition goes to another member, its calls
    are cancelled.

    Args:
        subscription: Not started.
        agents_of: Gives the agents by policy.
        clock: Wall clock.
        calls_in_flight: Calls under way at a time; while as many wait besides, no new work is read.
        grace_s: Seconds that calls under way are given to end when it stops.
        terms_of: Gives what calls are charged to and counted in.

    Raises:
        OperatorError: No broker answers at the start, or an analysis could not be written.
        UsageError: An agent cannot be made.
    """
    share = Share(subscription, READ)
    board = Switchboard(subscription, agents_of, clock=clock, most=calls_in_flight, terms_of=terms_of)
    try:
        await until(stop, share.start())
        if not stop.is_set():
            await until(stop, _read(share, board, subscription, calls_in_flight), board.connect())
            await board.close(grace_s)
    finally:
        await board.drop()
        await share.stop()


async def _read(share: Share, board: Switchboard, subscription: Subscription, most: int) -> None:
    """Put the calls of every stage in line, and cancel those that are not wanted any more."""
    paused = False
    while True:
        for case in await share.look(WAIT_MS):
            if case.closed:
                board.cancel(case)
                continue
            for opened, call in list(case.calls()):
                case.taken[claim_of(call)] = None
                board.put(case, opened, call)
        if not paused and board.waiting >= most:
            subscription.pause(NEW_WORK)
            paused = True
        elif paused and board.waiting <= most // 2:
            subscription.resume(NEW_WORK)
            paused = False
