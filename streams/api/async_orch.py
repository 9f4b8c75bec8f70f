"""A log as an object, for event loops."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from itertools import islice
from os import PathLike
from typing import Any, Self

from schemas.decisions import DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import FeedbackSource, PolicyAdopted
from schemas.questions import QuestionAsked
from streams.api.orch import Orch
from streams.api.subscription import DecisionFeed, DecisionSubscription
from streams.app.ask import question_of
from streams.app.metrics import NOT_COUNTED, Counted
from streams.app.run import RunOutcome
from streams.app.selection import Status, TopicPlace, Where, selection_of
from streams.app.session_keeper import SessionKeeper
from streams.app.workspace import Workspace
from streams.audit.explain.explanation import Explanation
from streams.audit.replay.replay import Replay
from streams.instruments.trace_context import carried_from
from streams.loop_thread import LoopThread
from streams.topology import DECISIONS

CHUNK = 500
"""Decisions that `decisions` reads at a time."""


class AsyncOrch:
    """
    `Orch` for programs with an event loop: the same names, arguments, results and errors.

    Any number of calls may run at a time; all questions share the agents, the budget and one writer, which lives in a
    thread of its own, so that no commit holds your event loop. Use one object from one event loop.

    Args:
        log: URL or path of the log, as for `Orch`.
        config: Path of the configuration file, or a dictionary with its content, as for `Orch`.
        tell: Receives remarks for people, in other threads; None: nobody does.

    Example:
        async with AsyncOrch("sqlite:///orch.db") as orch:
            decisions = await asyncio.gather(*(orch.ask(text, ["yes", "no"]) for text in texts))
    """

    def __init__(
        self,
        log: str | None = None,
        *,
        config: str | PathLike[str] | Mapping[str, Any] | None = None,
        tell: Callable[[str], None] | None = None,
    ) -> None:
        self._orch = Orch(log, config=config, tell=tell)
        self._feed: DecisionFeed | None = None

    @classmethod
    def on(cls, work: Workspace, *, counted: Counted = NOT_COUNTED, tell: Callable[[str], None] | None = None) -> Self:
        """
        Make one on a workspace, for commands that have read their settings.

        Args:
            work: The log and its settings.
            counted: What is counted while a file is open for writing.
            tell: Receives remarks for people, in other threads; None: nobody does.
        """
        made = cls(work.log_url, tell=tell)
        orch = made._orch
        orch._work = work
        orch._thread, orch._keeper = LoopThread("orch"), SessionKeeper(work, orch._reporter, counted)
        return made

    @property
    def log_url(self) -> str:
        """URL of the log."""
        return self._orch.log_url

    async def policy(self) -> PolicyAdopted:
        """Give the policy in force, as `Orch.policy`."""
        return await asyncio.to_thread(lambda: self._orch.policy)

    async def open(self) -> None:
        """
        Open the log for writing now, as the first question would.

        Raises:
            UsageError: A setting is wrong, or there are no agents.
            OperatorError: Another process writes to the file, an agent cannot be made, or no broker can be used.
        """
        await asyncio.wrap_future(self._orch._begin(lambda keeper: keeper.open()))

    @property
    def trouble(self) -> str | None:
        """Say what keeps questions from being taken or decided, as far as is known without asking; None if nothing."""
        keeper = self._orch._keeper
        return "the log is not open" if keeper is None else keeper.trouble

    async def ask(
        self,
        text: str,
        options: Sequence[str] = (),
        *,
        number: bool = False,
        subject: str | None = None,
        question_id: str | None = None,
        wait_s: float | None = None,
        traceparent: str | None = None,
    ) -> DecisionMade:
        """
        Ask one question and wait for its decision, as `Orch.ask`.

        A call that is cancelled leaves the question open: it is decided, and its id gets the decision.
        """
        question = question_of(text, options, number=number, subject=subject, question_id=question_id)
        carried = carried_from(traceparent)
        decision = await asyncio.wrap_future(self._orch._begin(lambda keeper: keeper.ask(question, wait_s, carried)))
        if self._feed is not None:
            self._feed.poke()
        return decision

    async def submit(
        self,
        text: str,
        options: Sequence[str] = (),
        *,
        number: bool = False,
        subject: str | None = None,
        question_id: str | None = None,
        traceparent: str | None = None,
    ) -> QuestionAsked:
        """Put a question into the log, where it is durable, and do not wait; as `Orch.submit`."""
        question = question_of(text, options, number=number, subject=subject, question_id=question_id)
        carried = carried_from(traceparent)
        await asyncio.wrap_future(self._orch._begin(lambda keeper: keeper.submit(question, carried)))
        return question

    async def decision(self, question_id: str, *, wait_s: float | None = 0) -> DecisionMade:
        """Give the decision of a question in the log, as `Orch.decision`."""
        if wait_s == 0:
            return await asyncio.to_thread(self._orch.decision, question_id)
        decision = await asyncio.wrap_future(self._orch._begin(lambda keeper: keeper.decision(question_id, wait_s)))
        if self._feed is not None:
            self._feed.poke()
        return decision

    async def run(
        self, questions: object = None, *, outputs: object = None, teach: bool = False, again: str | None = None
    ) -> RunOutcome:
        """Ask many questions, as `Orch.run`."""
        return await asyncio.to_thread(self._orch.run, questions, outputs=outputs, teach=teach, again=again)

    async def feedback(
        self,
        question_id: str,
        *,
        answer: str | None = None,
        verdict: str | None = None,
        source: FeedbackSource = "human",
        author: str | None = None,
    ) -> FeedbackGiven:
        """Say what the right answer is, or whether the decision was right; as `Orch.feedback`."""

        def give() -> FeedbackGiven:
            return self._orch.feedback(question_id, answer=answer, verdict=verdict, source=source, author=author)

        return await asyncio.to_thread(give)

    async def retract(self, question_id: str, feedback_id: str) -> FeedbackRetracted:
        """Take feedback back, as `Orch.retract`."""
        return await asyncio.to_thread(self._orch.retract, question_id, feedback_id)

    async def decisions(
        self,
        *,
        status: Status | None = None,
        subject: str | None = None,
        question_id: str | None = None,
        since: str | None = None,
        after: str | None = None,
        where: Where = (),
    ) -> AsyncIterator[DecisionMade]:
        """Iterate the decisions of the log, as `Orch.decisions`."""
        found = self._orch.decisions(
            status=status, subject=subject, question_id=question_id, since=since, after=after, where=where
        )
        while chunk := await asyncio.to_thread(lambda: list(islice(found, CHUNK))):
            for decision in chunk:
                yield decision

    async def follow(
        self,
        *,
        after: str | None = None,
        status: Status | None = None,
        where: Where = (),
    ) -> DecisionSubscription:
        """
        Subscribe to decisions: `async for decision, place in await orch.follow()`, without end.

        Args:
            after: The place of the last decision that the reader has; "0" is the beginning of the log. None: begin with
                the next decision.
            status: `decided` or `undecided`.
            where: Fields with their values.

        Raises:
            UsageError: A condition or the place cannot be read.
            OperatorError: The log does not exist, or cannot be read.
        """
        chosen = selection_of(DECISIONS, status=status, where=where)
        place = None if after is None else TopicPlace.parse(after)
        if self._feed is None:
            self._feed = DecisionFeed(self._orch._work)
        await self._feed.start()
        number = None
        if place is None:
            place, number = await self._feed.now()
        return DecisionSubscription(self._orch._work, self._feed, chosen, place, number)

    async def explain(self, question_id: str) -> Explanation:
        """Explain a decision, as `Orch.explain`."""
        return await asyncio.to_thread(self._orch.explain, question_id)

    async def replay(self) -> Replay:
        """Derive every derived event again, as `Orch.replay`."""
        return await asyncio.to_thread(self._orch.replay)

    async def router(self, *, at: str | None = None, scope: str | None = None) -> list[dict[str, Any]]:
        """Give the router's table, as `Orch.router`."""
        return await asyncio.to_thread(lambda: self._orch.router(at=at, scope=scope))

    async def close(self) -> None:
        """Close the log and all subscriptions; who still waits for a decision gets a PendingError."""
        if self._feed is not None:
            await self._feed.close()
        await asyncio.to_thread(self._orch.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.close()
