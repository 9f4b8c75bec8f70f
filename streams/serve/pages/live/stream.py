"""Lists of decisions that stay current in a browser."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from weakref import WeakSet

from markupsafe import Markup

from streams.log import wall_clock_ms
from streams.serve.pages.live.choice import PAGE_ROWS, RowChoice, RowSieve
from streams.serve.pages.live.index import NewestQuestions, RowNews
from streams.serve.pages.live.row import QuestionRow
from streams.serve.pages.templating import written

BATCH_S = 0.25
"""Shortest time between two messages to a client; what happens in it comes in one."""

HEARTBEAT_S = 15.0
"""Seconds without news after which a sign of life is sent: proxies drop connections that are silent for 30 s."""

RATE_MS = 60_000
"""Time over which the rate is counted."""

_DRAWN = 4_096
"""Rows kept as markup, some 5 MB; all clients share them."""


class LiveList:
    """
    The newest rows of one client, its only queue: a row that comes beyond the last place pushes the oldest out.

    Args:
        choice: Which rows it shows.
        rows: Rows to begin with, the newest first.
    """

    def __init__(self, choice: RowChoice, rows: "list[QuestionRow]") -> None:
        self._sieve = RowSieve(choice)
        self._rows = OrderedDict((row.question_id, row) for row in reversed(rows))
        self._fresh: dict[str, bool] = {}
        """Questions whose rows came after the last message, and whether that is lost if nobody sees it."""
        self._waits = {row.question_id for row in rows if row.state == "open"}
        """Questions of the list that it has not heard to be decided."""
        self._told = {row.question_id for row in rows if row.state != "open"}
        """Questions that were shown with decisions before the list heard of them: its rows are those of the index."""
        self._of_open = choice.state == "open"
        self.unseen = 0
        """Questions whose rows came and were pushed out between two messages, so nobody saw them. One without a
        decision comes again with it, and counts then."""
        self.news = asyncio.Event()

    @property
    def rows(self) -> list[QuestionRow]:
        """The rows to show, the newest first."""
        return list(reversed(self._rows.values()))

    def take(self, row: QuestionRow, news: RowNews) -> None:
        """Put a row that is new, or has changed, in front, or take it out if it is not chosen any more."""
        name = row.question_id
        before = self._rows.pop(name, None)
        lost = self._of_open or (news == "decided" and name not in self._told)
        if news == "decided":
            self._told.discard(name)
            self._waits.discard(name)
        if self._sieve.lets_pass(row):
            self._rows[name] = row
            self._fresh[name] = self._fresh.get(name, False) or lost
            if news == "asked":
                self._waits.add(name)
            if len(self._rows) > PAGE_ROWS:
                self._push_out()
        elif before is None:
            return
        else:
            self._waits.discard(name)
            self._fresh.pop(name, None)
        self.news.set()

    def _push_out(self) -> None:
        name, _ = self._rows.popitem(last=False)
        self._waits.discard(name)
        self.unseen += self._fresh.pop(name, False)

    def sent(self) -> None:
        """Note that the client gets the rows now."""
        self._fresh.clear()
        self._told.update(name for name in self._waits if self._rows[name].state != "open")


class LiveLists:
    """
    The lists of all clients, fed by the index.

    Args:
        index: Calls `heard` from its threads.
        stopping: Set when the server ends: then every list ends, and the index.
    """

    def __init__(self, index: NewestQuestions, stopping: asyncio.Event) -> None:
        self._index, self._stopping = index, stopping
        self._loop = asyncio.get_running_loop()
        # Weak, for a client may leave before its first message: then nothing ends its list.
        self._lists: WeakSet[LiveList] = WeakSet()
        self._rate = (0, 0)
        self._ending = asyncio.ensure_future(self._end())
        index.heard = lambda row, news: self._in_loop(self._arrived, row, news)

    @property
    def clients(self) -> int:
        """Number of lists that are open."""
        return len(self._lists)

    def rate(self) -> int:
        """Count the decisions of the last minute; counted once for all clients of a moment."""
        now = wall_clock_ms()
        if now - self._rate[0] >= 1_000 * BATCH_S:
            self._rate = (now, self._index.recent(now - RATE_MS))
        return self._rate[1]

    def messages(self, choice: RowChoice, rows: "list[QuestionRow]") -> AsyncIterator[bytes]:
        """Write what one client gets, from now on until the server ends."""
        mine = LiveList(choice, rows)
        mine.news.set()
        self._lists.add(mine)
        return self._messages(mine)

    async def _messages(self, mine: LiveList) -> AsyncIterator[bytes]:
        try:
            while not self._stopping.is_set():
                try:
                    async with asyncio.timeout(HEARTBEAT_S):
                        await mine.news.wait()
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                mine.news.clear()
                if self._stopping.is_set():
                    return
                yield message(self._text(mine))
                await asyncio.sleep(BATCH_S)
        finally:
            self._lists.discard(mine)

    def _text(self, mine: LiveList) -> str:
        """Write what the client gets now."""
        with self._index.held():
            mine.sent()
            rows = list(map(drawn, mine.rows))
        return written("live/batch.html", rows=rows, unseen=mine.unseen, index=self._index, rate=self.rate())

    def _in_loop(self, work: Callable[[QuestionRow, RowNews], None], row: QuestionRow, news: RowNews) -> None:
        # Not after the loop was closed: its threads end a moment later.
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(work, row, news)

    def _arrived(self, row: QuestionRow, news: RowNews) -> None:
        for each in self._lists:
            each.take(row, news)

    async def _end(self) -> None:
        await self._stopping.wait()
        for each in self._lists:
            each.news.set()
        self._index.stop()


def message(text: str) -> bytes:
    """Write markup as a message that htmx swaps in: without a name, each line a field of its own."""
    lines = "".join(f"data: {line}\n" for line in text.splitlines())
    return f"{lines}\n".encode()


def drawn(row: QuestionRow) -> Markup:
    """Write one row as markup."""
    return _drawn(_Drawable(row))


class _Drawable:
    """A row as the key of its markup, which holds until the row changes."""

    __slots__ = ("_key", "row")

    def __init__(self, row: QuestionRow) -> None:
        self.row = row
        self._key = (row.question_id, row.number, row.state, bool(row.text))

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Drawable) and other._key == self._key


@lru_cache(_DRAWN)
def _drawn(drawable: _Drawable) -> Markup:
    return Markup(written("live/row.html", row=drawable.row))
