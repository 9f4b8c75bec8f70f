"""Decisions as they are made, for any number of readers."""

import asyncio
import threading
from collections import deque
from itertools import islice

from streams.api.reading import Placed, decision_in
from streams.app.consume import Consumed, Following, Waiter, consume, end_of
from streams.app.selection import Selection, TopicPlace
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.topology import DECISIONS

KEPT = 4_096
"""Newest decisions kept for all readers, some 20 MB; a reader that is further behind reads the log."""

CHUNK = 500
"""Decisions that a reader takes at a time, some 2 MB: so much a reader that is slow keeps in memory."""


class DecisionFeed:
    """
    Reads the new decisions of a log once, in a thread, for all subscriptions of one event loop.

    Args:
        work: Workspace of the log.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._waiter = Waiter()
        self._kept: deque[Consumed] = deque(maxlen=KEPT)
        self._thread: threading.Thread | None = None
        self._starting = asyncio.Lock()
        self._arrived = asyncio.Event()
        self._failure: BaseException | None = None
        self.next = 0
        """Number of the next decision that is read; it comes a little after the log's."""

    async def start(self) -> None:
        """
        Begin to read at the end of the log, unless that has happened.

        Raises:
            OperatorError: The log does not exist, or cannot be read.
        """
        async with self._starting:
            if self._thread is None:
                end, _ = await self.now()
                self._thread = threading.Thread(target=self._read, args=(end,), name="orch-feed", daemon=True)
                self._thread.start()

    async def now(self) -> tuple[TopicPlace, int]:
        """
        Give the place after the newest decision of the log, and the number from which this feed has all after it.

        Decisions of that number and later may lie before the place, for the feed reads them a little later.

        Raises:
            OperatorError: The log does not exist, or cannot be read.
        """
        number = self.next
        return await asyncio.to_thread(end_of, self._work, DECISIONS), number

    def since(self, number: int) -> list[Consumed] | None:
        """
        Give a chunk of decisions from a number on; None if some of them are not kept any more.

        Raises:
            OrchError: The log could not be read further.
        """
        if self._failure is not None:
            raise self._failure
        first = number - (self.next - len(self._kept))
        return None if first < 0 else list(islice(self._kept, first, first + CHUNK))

    async def wait(self, number: int) -> None:
        """Wait until there is a decision of this number, or the feed has ended."""
        while number >= self.next and self._failure is None:
            arrived = self._arrived
            await arrived.wait()

    def poke(self) -> None:
        """Look for a new decision at once."""
        self._waiter.poke()

    async def close(self) -> None:
        """Stop reading; subscriptions end with an error."""
        self._waiter.stop()
        self._end(UsageError("the log was closed", remedy="Open it again, and go on after the last place"))
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _read(self, after: TopicPlace) -> None:
        try:
            for found in consume(self._work, DECISIONS, how=Following(after, follow=True, waiter=self._waiter)):
                self._loop.call_soon_threadsafe(self._keep, found)
        except Exception as error:
            self._loop.call_soon_threadsafe(self._end, error)

    def _keep(self, found: Consumed) -> None:
        self._kept.append(found)
        self.next += 1
        self._wake()

    def _end(self, error: BaseException) -> None:
        self._failure = self._failure or error
        self._wake()

    def _wake(self) -> None:
        """Wake everyone who waits now; who waits later waits for the next time."""
        self._arrived.set()
        self._arrived = asyncio.Event()


class DecisionSubscription:
    """
    An asynchronous iterator over decisions with their places, which waits for new ones, without end.

    Made by `AsyncOrch.follow`. It holds no thread, and a reader that is slow costs no memory: it reads from the log
    what it missed. Leave it whenever you like, and go on elsewhere with `follow(after=place)`.
    """

    def __init__(
        self, work: Workspace, feed: DecisionFeed, chosen: Selection, after: TopicPlace, number: int | None
    ) -> None:
        self._work, self._feed, self._chosen = work, feed, chosen
        self._after = after
        self._given = str(after)
        self._number = number
        """Number in the feed at which it goes on; None while it reads from the log."""
        self._ready: deque[tuple[Consumed, str]] = deque()
        """Decisions that were chosen, each with the place after it; decoded when they are given."""
        self.behind = 0
        """How often the reader was too slow for what is kept in memory, and read on from the log."""

    @property
    def place(self) -> str:
        """The place after the last decision that `next` gave: nothing that was chosen lies between."""
        return str(self._after) if not self._ready else self._given

    def __aiter__(self) -> "DecisionSubscription":
        return self

    async def __anext__(self) -> Placed:
        while True:
            found = await self.next()
            if found is not None:
                return found

    async def next(self, wait_s: float | None = None) -> Placed | None:
        """
        Wait for the next decision.

        Args:
            wait_s: Seconds to wait at most, for a sign of life to a client; None for as long as it takes.

        Returns:
            None if there is none by then; nothing is lost, also if the call is cancelled.

        Raises:
            UsageError: The log was closed.
            OperatorError: The log does not exist, or cannot be read further.
        """
        limit = asyncio.timeout(wait_s)
        try:
            async with limit:
                while not self._ready:
                    await self._fill()
        except TimeoutError:
            if not limit.expired():
                raise
            return None
        return self._give()

    def ready(self, most: int) -> list[Placed]:
        """Give decisions that were read together with the last one, without waiting; at most so many."""
        return [self._give() for _ in range(min(len(self._ready), most))]

    def _give(self) -> Placed:
        found, self._given = self._ready.popleft()
        return Placed(decision_in(found), self._given)

    async def _fill(self) -> None:
        """Take what there is from the feed, or else from the log; wait if there is nothing."""
        if self._number is None:
            await self._catch_up(self._after)
            return
        kept = self._feed.since(self._number)
        if kept is None:
            self._number = None
            self.behind += 1
            return
        if not kept:
            await self._feed.wait(self._number)
            return
        self._take(kept)
        self._number += len(kept)

    async def _catch_up(self, after: TopicPlace) -> None:
        """Read a chunk from the log; after the last one the feed has everything that follows."""
        # Taken before the log is read: what is decided meanwhile is in both, and counts once, by its place.
        number = self._feed.next

        def read() -> list[Consumed]:
            return list(islice(consume(self._work, DECISIONS, how=Following(after)), CHUNK))

        found = await asyncio.to_thread(read)
        self._take(found)
        if len(found) < CHUNK:
            self._number = number

    def _take(self, found: list[Consumed]) -> None:
        for each in found:
            if self._after.is_before(each.record):
                self._after = self._after.passed(each.record)
                if self._chosen.chooses(each.record):
                    self._ready.append((each, str(self._after)))
