"""
Send slots: their number, release and event loops.

Each slot is released once, also when its holder is cancelled or the next event loop starts.
"""

import asyncio
from contextlib import suppress

from streams.agents.providers.send_slots import AT_ONCE, SendSlots


def test_so_many_are_taken_at_a_time_and_each_ends_once() -> None:
    """More wait; one that ends before its block makes room for one, however often it is told to."""

    async def check() -> list[int]:
        turns, written, begun = SendSlots(), asyncio.Event(), 0

        async def call() -> None:
            nonlocal begun
            async with turns.taken():
                begun += 1
                if begun == 1:
                    await written.wait()
                    turns.end_mine()
                    turns.end_mine()
                await asyncio.Event().wait()

        calls = [asyncio.create_task(call()) for _ in range(2 * AT_ONCE)]
        await asyncio.sleep(0.01)
        counts = [begun]
        written.set()
        await asyncio.sleep(0.01)
        counts.append(begun)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return counts

    assert asyncio.run(check()) == [AT_ONCE, AT_ONCE + 1]


def test_whoever_leaves_takes_no_turn_away() -> None:
    """Waiting or called, who gives up leaves room for all others."""

    async def check() -> int:
        turns, done = SendSlots(), []

        async def call(number: int) -> None:
            async with turns.taken():
                await asyncio.sleep(0.001)
                done.append(number)

        calls = [asyncio.create_task(call(number)) for number in range(6 * AT_ONCE)]
        await asyncio.sleep(0)
        for task in calls[::3]:
            task.cancel()
        for task in calls:
            with suppress(asyncio.CancelledError):
                await task
        async with asyncio.TaskGroup() as group:
            for number in range(AT_ONCE):
                group.create_task(call(number))
        return len(done)

    assert asyncio.run(asyncio.wait_for(check(), 30)) == 5 * AT_ONCE


def test_turns_that_a_loop_left_are_not_missed_in_the_next() -> None:
    """A loop that ends in the middle of calls takes no turns with it."""
    turns, done = SendSlots(), []

    async def leave() -> None:
        entered = [asyncio.create_task(turns.taken().__aenter__()) for _ in range(2 * AT_ONCE)]
        await asyncio.wait(entered, timeout=0.01)

    async def call() -> None:
        async with turns.taken():
            done.append(1)

    asyncio.run(leave())
    asyncio.run(asyncio.wait_for(call(), 30))
    assert done == [1]


def test_who_took_no_turn_ends_none() -> None:
    """A request that waited for no turn goes out, and makes no room for others."""

    async def check() -> int:
        turns, begun = SendSlots(), 0

        async def call() -> None:
            nonlocal begun
            async with turns.taken():
                begun += 1
                await asyncio.Event().wait()

        calls = [asyncio.create_task(call()) for _ in range(2 * AT_ONCE)]
        await asyncio.sleep(0.01)
        turns.end_mine()
        await asyncio.sleep(0.01)
        for task in calls:
            task.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        return begun

    assert asyncio.run(check()) == AT_ONCE
