"""A log as JSON routes and pages see it."""

import asyncio
from collections.abc import Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple, TypeVar

import structlog
from structlog.typing import FilteringBoundLogger

from schemas.decisions import DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import FeedbackSource
from schemas.questions import QuestionAsked
from streams.api import repairs
from streams.api.async_orch import AsyncOrch
from streams.api.reading import Placed, decision_in
from streams.api.subscription import DecisionSubscription
from streams.app.consume import Following, consume
from streams.app.dead_letters import Retried
from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.selection import BEGINNING, PLACES, Status, TopicPlace, selection_of
from streams.app.workspace import Workspace
from streams.audit.explain.explanation import Explanation
from streams.errors import OperatorError, OrchError, PendingError, TransientError, UsageError
from streams.topology import DECISIONS

T = TypeVar("T")

_log: FilteringBoundLogger = structlog.get_logger("orch.serve")

MOST_WAITING = 5_000
"""Callers that may wait for a decision at a time; each costs some 10 kB. Who comes then is told to come again."""

REOPEN_S = 5.0
"""Seconds between two looks at whether the log can be used, and attempts to open it again."""

AT_ONCE_S = 0.001
"""Wait of who does not wait: a decision that is there already is given all the same."""


class AskedQuestion(NamedTuple):
    """A question in the log, and its decision if there is one yet."""

    question: QuestionAsked
    decision: DecisionMade | None


class Page(NamedTuple):
    """Decisions from one place in the log on."""

    decisions: list[Placed]
    place: str
    """The place after the last of them."""
    more: bool
    """Whether the log held further ones."""


class ReadOnlyError(UsageError):
    """The log takes no events here: it is an archive, or was opened for reading alone."""


@dataclass(slots=True)
class StreamCounts:
    """Clients that follow the decisions."""

    open: int = 0
    """Now."""
    behind: int = 0
    """How often one read too slowly for the decisions in memory, and went on from the log."""
    stalled: int = 0
    """How many were dropped because they read nothing."""


class Service:
    """
    What a server does with its log, for any number of callers in one event loop.

    Over a file it is the only writer; over Kafka it publishes and waits for the workers' decisions; an archive it only
    reads.

    Args:
        work: The log and its settings.
        counted: What is counted while a file is open for writing.
        tell: Receives remarks for people, in other threads.
        lenient: Whether a log that exists and cannot be written to is served read-only: for who looks at it while
            another process writes, or has no agents.
    """

    def __init__(
        self,
        work: Workspace,
        *,
        counted: Counted = NOT_COUNTED,
        tell: Callable[[str], None] | None = None,
        lenient: bool = False,
    ) -> None:
        self.work = work
        self.read_only: OrchError | None = None
        """Why the log takes no events; None if it does."""
        if self.kind == "parquet":
            self.read_only = ReadOnlyError(
                f"{work.log_url} is an archive, and takes no events",
                remedy="Serve the log that it was exported from, or start a new one: `orch log start --from ARCHIVE`",
            )
        self._lenient = lenient
        self.stopping = asyncio.Event()
        """Set once the server ends: who waits is answered, and streams end."""
        self.waiting = 0
        """Callers that wait for a decision."""
        self.streams = StreamCounts()
        self._orch = AsyncOrch.on(work, counted=counted, tell=tell)
        self._opened = False
        self._keeping: asyncio.Task[None] | None = None

    @property
    def kind(self) -> str:
        """Kind of the log: `sqlite`, `kafka` or `parquet`."""
        return self.work.log.scheme

    @property
    def writable(self) -> bool:
        """Whether questions and feedback are taken."""
        return self.read_only is None

    async def open(self) -> None:
        """
        Open the log: for writing, or an archive for reading.

        Raises:
            UsageError: A setting is wrong, or there are no agents.
            OperatorError: Another process writes to the file, an agent cannot be made, or no broker can be used.
        """
        if self.writable:
            try:
                await self._orch.open()
                self._keeping = asyncio.create_task(self._keep_open())
            except (UsageError, OperatorError) as error:
                if not self._lenient or self.kind != "sqlite" or not self.work.log_exists:
                    raise
                self.read_only = ReadOnlyError(error.message, remedy=f"{error.remedy}; then start again")
        if not self.writable:
            await asyncio.to_thread(lambda: self.work.open_reader().close())
        self._opened = True

    def unready(self) -> list[str]:
        """Say why questions are not taken; empty if they are."""
        if self.stopping.is_set():
            return ["it is stopping"]
        if not self._opened:
            return ["the log is not open yet"]
        trouble = self._orch.trouble if self.writable else None
        return [] if trouble is None else [trouble]

    async def ask(
        self,
        text: str,
        options: Sequence[str] = (),
        *,
        number: bool = False,
        subject: str | None = None,
        question_id: str | None = None,
        wait_s: float,
        traceparent: str | None = None,
    ) -> AskedQuestion:
        """
        Put a question into the log, where it is durable, and wait for its decision.

        Args:
            text, options, number, subject, question_id, traceparent: The question, as `AsyncOrch.ask` takes it.
            wait_s: Seconds to wait at most.

        Returns:
            The question, and no decision if there is none by then, or if the server ends.

        Raises:
            UsageError: The fields form no question.
            ConflictError: The id stands for another question.
            ReadOnlyError: The log is an archive.
            TransientError: Too many callers wait.
            OperatorError: The log cannot be written.
        """
        self._require_writable()
        self._require_room()
        question = await self._orch.submit(
            text, options, number=number, subject=subject, question_id=question_id, traceparent=traceparent
        )
        return AskedQuestion(question, await self._awaited(question.question_id, wait_s))

    async def decision(self, question_id: str, *, wait_s: float = 0) -> DecisionMade | None:
        """
        Give the decision of a question in the log, after *wait_s* seconds at most; None if there is none by then.

        Raises:
            UsageError: The log holds no such question.
            TransientError: Too many callers wait.
        """
        if wait_s and self.writable:
            self._require_room()
            return await self._awaited(question_id, wait_s)
        try:
            return await self._orch.decision(question_id)
        except PendingError:
            return None

    async def page(
        self, *, after: str | None = None, status: Status | None = None, subject: str | None = None, limit: int
    ) -> Page:
        """
        Give decisions in log order (on Kafka in the order of each partition), from a place on.

        Args:
            after: The place of an earlier page or event; None: the beginning of the log.
            status, subject: Only decisions of these.
            limit: How many at most.

        Raises:
            UsageError: The place is none of this log.
            OperatorError: The log cannot be read.
        """
        chosen = selection_of(DECISIONS, status=status, subject=subject)
        place = BEGINNING if after is None else TopicPlace.parse(after)

        def read() -> list[Placed]:
            found = consume(self.work, DECISIONS, chosen, Following(place))
            try:
                return [Placed(decision_in(each), str(each.place)) for each in islice(found, limit + 1)]
            finally:
                found.close()

        decisions = await asyncio.to_thread(read)
        kept = decisions[:limit]
        return Page(kept, kept[-1].place if kept else str(place), more=len(decisions) > limit)

    async def subscribe(self, *, after: str | None = None, status: Status | None = None) -> DecisionSubscription:
        """
        Subscribe to decisions, see `AsyncOrch.follow`.

        Raises:
            UsageError: The place is none of this log.
        """
        if after is not None and self.kind == "kafka" and TopicPlace.parse(after).seq:
            raise UsageError(f"{after} is no place of a log on Kafka", remedy=f"Give {PLACES}")
        return await self._orch.follow(after=after, status=status)

    async def explain(self, question_id: str) -> Explanation:
        """Explain a decision, or what a question waits for; see `Orch.explain`."""
        return await self._orch.explain(question_id)

    async def feedback(
        self,
        question_id: str,
        *,
        answer: str | None = None,
        verdict: str | None = None,
        source: FeedbackSource = "human",
        author: str | None = None,
    ) -> FeedbackGiven:
        """
        Say what the right answer is, or whether the decision was right; see `Orch.feedback`.

        Raises:
            UsageError: It is no feedback, or the question does not offer the answer.
            ReadOnlyError: The log is an archive.
        """
        self._require_writable()
        return await self._orch.feedback(question_id, answer=answer, verdict=verdict, source=source, author=author)

    async def retract(self, question_id: str, feedback_id: str) -> FeedbackRetracted:
        """
        Take feedback back; see `Orch.retract`.

        Raises:
            NoFeedbackError: The log holds no such question, nothing was said of it, or not this.
            UsageError: This is no id of an event.
            ReadOnlyError: The log is an archive.
        """
        self._require_writable()
        return await self._orch.retract(question_id, feedback_id)

    async def ask_again(self, question_id: str) -> QuestionAsked:
        """
        Ask an undecided question again under a new id, and do not wait; see `repairs.ask_again`.

        Raises:
            UsageError: It is unknown, open or decided, or was asked again already.
            ReadOnlyError: The log is an archive.
        """
        self._require_writable()
        return await repairs.ask_again(self._orch, question_id)

    async def retry_letters(self, offsets: Collection[int]) -> Retried:
        """
        Append the records of dead letters again; on a file, once those who wait for decisions have them.

        Raises:
            UsageError: There is no letter at an offset.
            ReadOnlyError: The log is an archive.
        """
        self._require_writable()
        return await repairs.retry_letters(self._orch, offsets)

    def stop(self) -> None:
        """Answer everyone who waits, and end all streams."""
        self.stopping.set()

    async def close(self) -> None:
        """Close the log; open questions stay open."""
        self.stop()
        self._opened = False
        if self._keeping is not None:
            self._keeping.cancel()
        await self._orch.close()

    async def _keep_open(self) -> None:
        """Open the log again if it failed: the next question would, but a server that is not ready gets none."""
        while True:
            await asyncio.sleep(REOPEN_S)
            if self._orch.trouble is not None:
                try:
                    await self._orch.open()
                except OrchError as error:
                    _log.warning("log_unusable", why=error.message, remedy=error.remedy)

    async def _awaited(self, question_id: str, wait_s: float) -> DecisionMade | None:
        self.waiting += 1
        try:
            return await self._unless_stopped(self._orch.decision(question_id, wait_s=max(wait_s, AT_ONCE_S)))
        except PendingError:
            return None
        finally:
            self.waiting -= 1

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """Wait for something until the server ends; None if it ends first."""
        tasks = asyncio.ensure_future(work), asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            return tasks[0].result() if tasks[0].done() else None
        finally:
            for task in tasks:
                task.cancel()

    def _require_writable(self) -> None:
        if self.read_only is not None:
            raise self.read_only

    def _require_room(self) -> None:
        if self.waiting >= MOST_WAITING:
            raise TransientError(
                f"{self.waiting:,} callers wait for decisions already", remedy="Send it again in a few seconds"
            )
