"""An event loop in a thread, for synchronous callers."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")

Task: TypeAlias = "asyncio.Task[Any]"

_LIMIT_S = 10.0
"""Longest wait for cancelled tasks, before they are cancelled again."""

_ROUNDS = 5
"""A task that was cancelled may start another in its end, so tasks are looked for again, this often at most."""

_CLOSING_TURNS = 3
"""Turns of a loop: first a callback of a task closes its connection, then the transport closes its socket."""


class LoopThread:
    """
    Runs coroutines for callers that have no event loop, or whose own event loop is running.

    Args:
        name: Name of the thread.
        last: Which tasks `close` cancels last; see `drop_all`.
    """

    def __init__(self, name: str = "kafka", *, last: "Callable[[Task], bool]" = lambda _: False) -> None:
        self._last = last
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine and give its result; an interrupt cancels it."""
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def begin(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start a coroutine, and give its future; `close` cancels it."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def close(self) -> None:
        """Stop the loop and its thread; tasks that still run are cancelled."""
        if self._loop.is_closed():
            return
        self.call(drop_all(self._last))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def drop_all(last: "Callable[[Task], bool]" = lambda _: False) -> None:
    """
    Cancel all other tasks of this loop, and wait until they and those that they started have ended.

    What they closed is closed then: a transport lets go of its socket a turn of the loop after it was told to close.

    Args:
        last: Says of a task whether others see to its end, as the owner of a client does, or a generator that nobody
            reads any more. It is cancelled if they do not.
    """
    await _drop(lambda task: not last(task))
    await asyncio.get_running_loop().shutdown_asyncgens()
    await _drop(lambda _: True)
    for _ in range(_CLOSING_TURNS):
        await asyncio.sleep(0)


async def _drop(chosen: "Callable[[Task], bool]") -> None:
    for _ in range(_ROUNDS):
        tasks = {task for task in asyncio.all_tasks() - {asyncio.current_task()} if chosen(task)}
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        ended, _ = await asyncio.wait(tasks, timeout=_LIMIT_S)
        await asyncio.gather(*ended, return_exceptions=True)
