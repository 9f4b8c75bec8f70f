"""One session of a log for many callers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.questions import QuestionAsked
from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.question_session import QuestionSession, open_session
from streams.app.reporter import Reporter
from streams.app.workspace import Workspace
from streams.errors import OrchError, PendingError, UsageError
from streams.log import Headers


class SessionKeeper:
    """
    Opens the session of a log for the first question, shares it, opens another after a failure, and closes it.

    Used in one event loop alone; any number of its calls may run at a time.

    Args:
        work: Workspace of the log.
        reporter: Told when workers do not seem to run.
        counted: What is counted of sessions on a file.
    """

    def __init__(self, work: Workspace, reporter: Reporter, counted: Counted = NOT_COUNTED) -> None:
        self._work, self._reporter, self._counted = work, reporter, counted
        self._session: QuestionSession | None = None
        self._gate = asyncio.Lock()
        self.users = 0
        """Calls that use the session now."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False

    @property
    def trouble(self) -> str | None:
        """Say why questions cannot be taken, or not be decided; None if nothing is known to prevent it."""
        session = self._session
        return "the log is not open" if session is None or not session.usable else session.trouble

    async def submit(self, question: QuestionAsked, carried: Headers = ()) -> bool:
        """Put a question into the log, see `QuestionSession.submit`."""
        async with self._used() as session:
            return await session.submit(question, carried)

    async def decision(self, question_id: str, wait_s: float | None) -> DecisionMade:
        """
        Wait for the decision of a question, see `QuestionSession.decision`.

        Args:
            wait_s: Seconds to wait at most; None for as long as it takes.

        Raises:
            PendingError: There is none by then.
        """
        async with self._used() as session, _limited(question_id, wait_s):
            return await session.decision(question_id)

    async def ask(self, question: QuestionAsked, wait_s: float | None, carried: Headers = ()) -> DecisionMade:
        """Put a question into the log and wait for its decision."""
        async with self._used() as session, _limited(question.question_id, wait_s):
            await session.submit(question, carried)
            return await session.decision(question.question_id)

    async def append(self, event: Event) -> None:
        """Append another input, see `QuestionSession.append`."""
        async with self._used() as session:
            await session.append(event)

    async def open(self) -> None:
        """Open the session now, so that a wrong setting is told before the first question."""
        async with self._used():
            pass

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let another writer of the file work: open questions that someone waits for are decided first."""
        async with self._gate:
            self._require_open()
            await self._idle.wait()
            if self._work.log.scheme != "kafka":
                await self._drop()
            yield

    async def close(self) -> None:
        """Close the session; who still waits gets a PendingError."""
        self._closed = True
        session = self._session
        if session is not None:
            # Not behind the gate: those who wait for a decision hold it open.
            await session.close()
        await self._idle.wait()

    @asynccontextmanager
    async def _used(self) -> AsyncIterator[QuestionSession]:
        async with self._gate:
            self._require_open()
            if self._session is not None and not self._session.usable:
                with suppress(OrchError, OSError):
                    await self._drop()
            if self._session is None:
                self._session = await open_session(self._work, reporter=self._reporter, counted=self._counted)
            session = self._session
            self.users += 1
            self._idle.clear()
        try:
            yield session
        finally:
            self.users -= 1
            if not self.users:
                self._idle.set()

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("the log was closed", remedy="Make another object to open it again")


@asynccontextmanager
async def _limited(question_id: str, wait_s: float | None) -> AsyncIterator[None]:
    """
    Wait at most so long.

    Raises:
        PendingError: The time is over.
    """
    limit = asyncio.timeout(wait_s)
    try:
        async with limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise PendingError(
            f"question {question_id!r} has no decision after {wait_s:g} s",
            remedy="It stays open: ask it again with the same id to wait for its decision",
            key=question_id,
        ) from error
