"""Embedded session: questions, agents and deadlines until all is decided."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, Seat, Stage, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, Task
from streams.agents.calls.budget import BudgetAccount, LocalReservations
from streams.agents.calls.live_attempt import CallTerms
from streams.agents.calls.progress import CallProgress
from streams.agents.calls.retry import drive, take_seat
from streams.agents.calls.seat import Opener, OpenSeat, absent, task_of
from streams.errors import InvariantError
from streams.log import Clock, FoldingWriter, Headers, read_event
from streams.processors.deadlines import deadline_of
from streams.topology import ASSIGNMENTS, DECISIONS
from streams.workers.call_scheduler import CallScheduler, left_ms
from streams.workers.inbox import Inbox
from streams.workers.onlooker import Onlooker

Listener = Callable[[Event], Iterable[Event]]
"""Receives each event that a processor wrote; the events it returns, such as feedback, are appended as input."""

CALLS_AT_ONCE = 1_024
"""Virtual calls between two folds; bounds memory while a long backlog is processed."""

VIRTUAL_RECORDS = 1_000
"""
Records of the processors between two commits of a session in which no call takes time and nobody waits. A commit after
each stage would write the state of an open question as often as it has stages.
"""

LONG_WAIT_MS = 3_600_000
"""Longest wait for an outcome if no deadline is set; an open question always has one."""


@dataclass(frozen=True, slots=True)
class CallAccounting:
    """Budget and counters of calls that take wall time."""

    policy: PolicyAdopted | None = None
    """Policy whose budget applies; None: there is no budget."""
    activity: CallProgress | None = None
    onlooker: Onlooker | None = None
    """Is told of calls and decisions, for traces."""


NO_BOOKS = CallAccounting()


@dataclass(slots=True, eq=False)
class WaitingQuestion:
    """A question that waits for its decision; closing it frees its content."""

    question_id: str
    question: QuestionAsked | None
    """None until an agent is called, if the question was in the log before this session."""
    analyses: dict[str, str] = field(default_factory=dict)
    """Texts that a merge agent may have to read, by event id."""
    panel: PanelAssigned | None = None
    due_ms: int | None = None
    """Instant of its deadline, on the session's clock."""
    since_ms: int = 0
    """Instant when it was asked, on the session's clock or by the timestamp of its record."""
    carried: Headers = ()
    """Headers that the records of the question carry on, as its panel has them."""
    closed: bool = False
    """Whether it is decided."""

    def close(self) -> None:
        """Mark the question as decided, and free its content."""
        self.closed = True
        self.question = self.panel = None
        self.analyses.clear()


_Outcome = tuple[WaitingQuestion, AnalysisPublished]


class EmbeddedSession:
    """
    Work of one writer on a log until every question in it is decided.

    A call starts only after the assignment behind it is durable, and its outcome is durable before any further call
    follows from it. So a process that dies repeats calls, but never decisions. If all agents answer in virtual time,
    the same inputs give the same log; then calls cost nothing, and a commit takes what many of them gave.

    Args:
        log: The writer; the session commits it.
        agents: Agents by name. A seat whose agent does not exist gets a failed analysis.
        clock: Wall clock in milliseconds; deadlines run from when the session saw the assignment.
        window: Questions open at a time.
        calls_in_flight: Limit of concurrent calls of agents that take wall time.
        listener: Receives what the processors wrote.
        books: Budget and counters of calls.
    """

    def __init__(
        self,
        log: FoldingWriter,
        agents: Mapping[str, Agent],
        *,
        clock: Clock,
        window: int,
        calls_in_flight: int,
        listener: Listener,
        books: CallAccounting = NO_BOOKS,
    ) -> None:
        self._log = log
        self._inbox = Inbox.closed()
        self._reservations = LocalReservations(log)
        policy = books.policy
        self._account = (
            None if policy is None else BudgetAccount(self._reservations, policy.event_id, policy.budget, clock)
        )
        self._activity = books.activity
        self._onlooker = books.onlooker
        self._agents = agents
        self._clock = clock
        self._window = window
        self._listener = listener
        self._open: dict[str, WaitingQuestion] = {}
        self._asked: dict[str, QuestionAsked] = {}
        self._scheduler: CallScheduler[WaitingQuestion, OpenSeat] = CallScheduler(calls_in_flight)
        self._running: dict[asyncio.Task[AnalysisPublished], WaitingQuestion] = {}
        self._virtual = all(agent.virtual for agent in agents.values())
        self._written = 0
        """Records that the processors wrote since the last commit."""
        self.waited: Callable[[int], None] | None = None
        """Called with the time that a question waited for its decision, in milliseconds."""

    @property
    def open(self) -> int:
        """Questions that wait for their decision."""
        return len(self._open)

    @property
    def oldest_ms(self) -> int | None:
        """Instant when the oldest open question was asked; None if none is open."""
        oldest = next(iter(tuple(self._open.values())), None)
        return None if oldest is None else oldest.since_ms

    @property
    def in_flight(self) -> int:
        """Calls in flight."""
        return len(self._running)

    async def run(self, questions: Iterable[QuestionAsked] = (), inbox: Inbox | None = None) -> None:
        """
        Ask *questions* and finish what earlier sessions left open, until every question has its decision.

        Finished work is committed even if the task is cancelled.

        Args:
            questions: Questions that are there.
            inbox: Further inputs; while it is open the session waits for them.
        """
        waiting, self._inbox = iter(questions), inbox or self._inbox
        try:
            self._resume()
            more = True
            while more or self._open or self._inbox.expecting:
                more = more and self._admit(waiting)
                self._take_in()
                if not self._may_wait():
                    self._commit()
                outcomes = self._virtual_outcomes()
                outcomes += await self._awaited_outcomes(busy=bool(outcomes))
                for case, outcome in outcomes:
                    self._publish(case, outcome)
                self._declare_overdue()
                self._fold()
            self._commit()
        except asyncio.CancelledError:
            self._log.commit()
            raise
        finally:
            await self._stop()

    def _may_wait(self) -> bool:
        """Say whether a commit may wait for more: nobody waits for it, and no call is paid for twice without it."""
        return self._virtual and not self._inbox.expecting and self._written < VIRTUAL_RECORDS

    def _commit(self) -> None:
        self._log.commit()
        self._written = 0
        self._reservations.committed()
        self._inbox.committed()

    def _take_in(self) -> None:
        """Append what the inbox has, as far as the window allows."""
        for event, headers in self._inbox.take(self._window - len(self._open)):
            self._log.append(event, headers=headers)
            if isinstance(event, QuestionAsked):
                self._asked.setdefault(event.question_id, event)
        self._fold()
        self._asked.clear()

    async def _stop(self) -> None:
        """Cancel the calls in flight; their seats stay free, and the next session takes them."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _resume(self) -> None:
        """Resume the open questions of earlier sessions, and fold the records they left unfolded."""
        for question_id, _ in self._log.open_states("merge"):
            self._reopen(question_id)
        self._fold()

    def _reopen(self, question_id: str) -> None:
        """Resume one open question, and queue the free seats of its last stage."""
        case = self._open[question_id] = WaitingQuestion(question_id, None)
        opener: Opener | None = None
        beside: tuple[PanelAssigned, Stage] | None = None
        taken: set[tuple[int, str]] = set()
        for record in self._log.about(question_id):
            event = read_event(record)
            case.since_ms = case.since_ms or record.timestamp_ms
            if isinstance(event, PanelAssigned):
                case.carried = record.headers
                self._watch(case, event)
                beside = None if event.shadow_stage is None else (event, event.shadow_stage)
            if isinstance(event, PanelAssigned | StageOpened):
                opener = event
            elif isinstance(event, AnalysisPublished):
                case.analyses[event.event_id] = event.text
                taken.add((event.stage, event.agent))
        if opener is None:
            # An analysis or deadline came first; the assignment will open the question.
            del self._open[question_id]
            return
        for event, stage in ((opener, opener.stage), *(() if beside is None else (beside,))):
            seats = [seat for seat in stage.seats if (stage.number, seat.agent) not in taken]
            self._line_up(case, event, stage, seats)

    def _watch(self, case: WaitingQuestion, assignment: PanelAssigned) -> None:
        # The candidates are two thirds of a panel's size and are not used here.
        case.panel = assignment.model_copy(update={"candidates": ()})
        case.due_ms = self._clock() + assignment.deadline_ms
        self._scheduler.watch(case)

    def _admit(self, waiting: Iterator[QuestionAsked]) -> bool:
        """Fill the window; return whether there may be more questions."""
        more = True
        while more and len(self._open) < self._window:
            batch = list(islice(waiting, self._window - len(self._open)))
            more = bool(batch)
            for question in batch:
                self._log.append(question)
                self._asked.setdefault(question.question_id, question)
            self._fold()
            # A question without a panel was asked before, or is in the dead letters.
            self._asked.clear()
        return more

    def _fold(self) -> None:
        """Fold every ready record, and act on what the processors wrote."""
        while self._log.ready:
            written = self._log.fold()
            self._written += len(written)
            for stored in written:
                self._hear(stored.event, stored.headers)

    def _hear(self, event: Event, carried: Headers) -> None:
        # By topic: a class check of every event takes longer than handling the few that matter.
        if event.topic == ASSIGNMENTS:
            assert isinstance(event, PanelAssigned | StageOpened)
            self._seat(event, carried)
        elif event.topic == DECISIONS:
            assert isinstance(event, DecisionMade)
            case = self._open.pop(event.question_id, None)
            if case is not None:
                if self.waited is not None:
                    self.waited(self._clock() - case.since_ms)
                if self._onlooker is not None:
                    self._onlooker.answered(event, case.carried, case.since_ms, self._clock())
                    self._onlooker.decided(event, case.carried)
                case.close()
        for answer in self._listener(event):
            self._log.append(answer)

    def _seat(self, opener: Opener, carried: Headers) -> None:
        """Queue the calls of a stage."""
        question_id = opener.question_id
        case = self._open.get(question_id)
        if case is None:
            asked = self._asked.get(question_id)
            case = self._open[question_id] = WaitingQuestion(
                question_id, asked, since_ms=self._clock(), carried=carried
            )
        for stage in opener.stages:
            self._line_up(case, opener, stage, stage.seats)
        if isinstance(opener, PanelAssigned):
            self._watch(case, opener)

    def _line_up(self, case: WaitingQuestion, opener: Opener, stage: Stage, seats: Iterable[Seat]) -> None:
        for seat in seats:
            agent = self._agents.get(seat.agent)
            # A seat whose agent does not exist fails without a call.
            self._scheduler.put(case, OpenSeat(opener, stage, seat), takes_room=agent is not None and not agent.virtual)

    def _virtual_outcomes(self) -> list[_Outcome]:
        """Take the seats of virtual and of missing agents; start the calls of the others."""
        outcomes: list[_Outcome] = []
        for case, call, takes_room in self._scheduler.start(CALLS_AT_ONCE):
            agent = self._agents.get(call.seat.agent)
            if agent is None:
                outcomes.append((case, absent(call)))
            elif takes_room:
                terms = CallTerms(self._account, self._activity, left_ms(case, self._clock()))
                coroutine = take_seat(agent, self._task(case, call), call.opener, terms=terms)
                self._running[asyncio.create_task(coroutine)] = case
            else:
                outcomes.append((case, drive(take_seat(agent, self._task(case, call), call.opener))))
        return outcomes

    async def _awaited_outcomes(self, *, busy: bool) -> list[_Outcome]:
        """Wait until a call ends or a deadline passes; if *busy*, only collect finished calls."""
        if not self._running:
            # A virtual session never waits; without this it would not notice an interrupt.
            await self._inbox.wait(self._patience() if self._open and not busy else self._idle_s(busy=busy))
            return []
        wake = [asyncio.create_task(self._reservations.wanted.wait())]
        if self._inbox.is_open:
            wake.append(asyncio.create_task(self._inbox.arrived.wait()))
        try:
            await asyncio.wait(
                (*self._running, *wake),
                timeout=0 if busy else self._patience(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            for each in wake:
                each.cancel()
        done = [task for task in self._running if task.done()]
        for _ in done:
            self._scheduler.ended()
        return [(self._running.pop(task), task.result()) for task in done]

    def _idle_s(self, *, busy: bool) -> float:
        """Give the seconds to wait for an input while no question is open."""
        return LONG_WAIT_MS / 1000 if self._inbox.is_open and not busy else 0

    def _patience(self) -> float:
        """Give the seconds to wait for an outcome."""
        return self._scheduler.wait_ms(self._clock(), LONG_WAIT_MS) / 1000

    def _publish(self, case: WaitingQuestion, outcome: AnalysisPublished) -> None:
        if not case.closed:
            case.analyses[outcome.event_id] = outcome.text
        if self._onlooker is not None and outcome.agent in self._agents:
            self._onlooker.called(self._agents[outcome.agent].spec, outcome, case.carried)
        self._log.append(outcome, headers=case.carried)

    def _declare_overdue(self) -> None:
        """Append the deadline of each overdue question; calls still in flight come too late to count."""
        now = self._clock()
        for _, case in self._scheduler.overdue(now):
            assert case.panel is not None, "only a question with a panel is watched"
            self._log.append(deadline_of(case.panel, instant_of_ms(now)), headers=case.carried)

    def _task(self, case: WaitingQuestion, call: OpenSeat) -> Task:
        if case.question is None:
            case.question = self._find(case.question_id)
        return task_of(call, case.question, case.analyses)

    def _find(self, question_id: str) -> QuestionAsked:
        """Look a question up in the log; the first question of an id counts."""
        for record in self._log.about(question_id):
            if record.topic == QuestionAsked.topic:
                event = read_event(record)
                if isinstance(event, QuestionAsked):
                    return event
        raise InvariantError(f"question {question_id!r} has a panel but is not in the log", key=question_id)
