"""Session on a log file, as its only writer."""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from streams.agents.agent import dismiss
from streams.agents.calls.progress import CallProgress
from streams.app.metrics import NOT_COUNTED, AgentReadings, Counted, RunReadings
from streams.app.question_session import OnRecord, closed_early, require_same, require_size, unknown_question
from streams.app.setup import Setup, hire, keep, window_of
from streams.app.workspace import Workspace
from streams.errors import InvariantError, UsageError
from streams.instruments.metered_log import MeteredLog
from streams.log import FoldingWriter, Headers, wall_clock_ms
from streams.settings import RunSettings
from streams.topology import FEEDBACK, QUESTIONS
from streams.workers.embedded_session import CallAccounting, EmbeddedSession
from streams.workers.inbox import Inbox

_Waiting = dict[str, list["asyncio.Future[None]"]]
"""Futures that wait for one thing each, by its id."""


class FileSession:
    """
    The `QuestionSession` of a file: one writer, its agents, and those who wait for decisions.

    Args:
        log: The writer; it is closed with the session.
        setup: Policy and agents.
        run: How many questions and calls at a time.
        counted: What is counted: calls; for metrics all that passes through the log; for traces what the session sees.
    """

    def __init__(self, log: FoldingWriter, setup: Setup, run: RunSettings, counted: Counted = NOT_COUNTED) -> None:
        activity, instruments = counted.activity or CallProgress(), counted.instruments
        if instruments is not None:
            log = MeteredLog(log, instruments.meters)
        self._log, self._setup = log, setup
        self._inbox = Inbox(self._settle)
        self._accepted: _Waiting = defaultdict(list)
        """Those who wait until an event is durable, by its id."""
        self._decided: _Waiting = defaultdict(list)
        """Those who wait for a decision, by question id."""
        self._submitted: dict[str, QuestionAsked] = {}
        """Questions that are not durable yet."""
        self._made: list[DecisionMade] = []
        """Decisions that are not durable yet."""
        self._refused: dict[str, str] = {}
        """Reasons of dead letters, by the id of the event that someone waits for."""
        self._failure: BaseException | None = None
        if log.policy != setup.policy:
            log.append(setup.policy)
        session = EmbeddedSession(
            log,
            setup.agents,
            clock=wall_clock_ms,
            window=window_of(setup, run),
            calls_in_flight=run.calls_in_flight,
            listener=self._hear,
            books=CallAccounting(setup.policy, activity, counted.tracer),
        )
        self._looking: asyncio.Task[None] | None = None
        if instruments is not None:
            RunReadings(instruments, AgentReadings(instruments, activity, setup.agents.values), session)
            self._looking = asyncio.create_task(instruments.health.keep_looking())
        self._task = asyncio.create_task(session.run(inbox=self._inbox))
        self._task.add_done_callback(self._end)

    @classmethod
    def open(cls, work: Workspace, counted: Counted = NOT_COUNTED) -> "FileSession":
        """
        Open a file as its writer, with the agents of the settings, or else those of its newest policy.

        Raises:
            UsageError: A setting is wrong, there are no agents, or the log is an archive.
            OperatorError: The file cannot be written, or an agent cannot be made.
        """
        setup = hire(work.config, (), instant_of_ms(wall_clock_ms()))
        if not work.log_exists:
            # Errors in the settings are raised before the log's file is created.
            keep(setup, None, work.config)
        log = work.open_writer((QUESTIONS, FEEDBACK))
        try:
            folding = log.folding()
            if folding is None:
                raise InvariantError(f"the writer of {work.log_url} folds nothing")
            return cls(folding, keep(setup, folding.policy, work.config), work.config.run, counted)
        except BaseException:
            log.close()
            raise

    @property
    def policy(self) -> PolicyAdopted:
        """Give the policy in force."""
        return self._setup.policy

    @property
    def live(self) -> bool:
        """Whether some agent takes its time."""
        return not all(agent.virtual for agent in self._setup.agents.values())

    @property
    def usable(self) -> bool:
        """Whether the session goes on."""
        return not self._task.done() and self._inbox.is_open

    @property
    def trouble(self) -> str | None:
        """Say nothing: a file that cannot be written ends the session."""
        return None

    async def submit(self, question: QuestionAsked, carried: Headers = ()) -> bool:
        """Put a question into the log."""
        self._require_running()
        before = self._submitted.get(question.question_id)
        known = before or OnRecord.of(self._log.about(question.question_id)).question
        if known is not None:
            require_same(question, known)
            if before is not None:
                await self._durable(before)
            return True
        require_size(question)
        self._submitted[question.question_id] = question
        self._inbox.put(question, carried)
        await self._durable(question)
        return False

    async def decision(self, question_id: str) -> DecisionMade:
        """Wait for the decision of a question."""
        self._require_running()
        while True:
            known = OnRecord.of(self._log.about(question_id))
            if known.decision is not None and all(made.question_id != question_id for made in self._made):
                return known.decision
            if known.question is None and question_id not in self._submitted:
                raise unknown_question(question_id)
            with self._waiting(self._decided, question_id) as future:
                await future

    async def append(self, event: Event) -> None:
        """Append an input that is no question."""
        self._require_running()
        require_size(event)
        self._inbox.put(event)
        await self._durable(event)
        reason = self._refused.pop(event.event_id, None)
        if reason is not None:
            raise UsageError(f"the event about {event.correlation!r} was refused: {reason}", key=event.key)

    async def close(self, *, finish: bool = False) -> None:
        """Close the file."""
        self._inbox.close()
        if not finish:
            self._task.cancel()
        try:
            await asyncio.wait([self._task])
        finally:
            if not self._task.done():
                # It commits what is finished before the log is closed.
                self._task.cancel()
                await asyncio.wait([self._task])
            if self._looking is not None:
                self._looking.cancel()
            self._log.close()
            await dismiss(self._setup.agents)
            if self._setup.replies is not None:
                self._setup.replies.close()
        if not self._task.cancelled():
            self._task.result()

    async def _durable(self, event: Event) -> None:
        """Wait until an event is durable."""
        with self._waiting(self._accepted, event.event_id) as future:
            await future

    @contextmanager
    def _waiting(self, where: _Waiting, name: str) -> "Iterator[asyncio.Future[None]]":
        """Give a future of one waiter, which nobody keeps once it waits no more."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        where[name].append(future)
        try:
            yield future
        finally:
            where[name].remove(future)
            if not where[name]:
                del where[name]

    def _hear(self, event: Event) -> tuple[()]:
        """Note what the processors wrote and someone waits for."""
        if isinstance(event, DecisionMade):
            self._made.append(event)
        elif isinstance(event, RecordRejected) and event.causes and event.causes[0] in self._accepted:
            self._refused[event.causes[0]] = event.detail
        return ()

    def _settle(self, taken: Sequence[Event]) -> None:
        """Wake those who wait for what is durable now."""
        for event in taken:
            if isinstance(event, QuestionAsked):
                self._submitted.pop(event.question_id, None)
            _wake(self._accepted.get(event.event_id, ()))
        made, self._made = self._made, []
        for decision in made:
            _wake(self._decided.get(decision.question_id, ()))

    def _end(self, task: "asyncio.Task[None]") -> None:
        """Tell everyone who waits why nothing more comes."""
        self._failure = None if task.cancelled() else task.exception()
        for where in (self._accepted, self._decided):
            for name, futures in where.items():
                for future in futures:
                    if not future.done():
                        future.set_exception(self._failure or closed_early(name))

    def _require_running(self) -> None:
        if self._failure is not None:
            raise self._failure
        if self._task.done() or not self._inbox.is_open:
            raise UsageError("the log was closed", remedy="Open it again")


def _wake(futures: "Sequence[asyncio.Future[None]]") -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
