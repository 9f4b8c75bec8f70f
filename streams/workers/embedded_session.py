"""Drives a log with agents: admits questions, gives seats to agents, watches deadlines, until all is decided."""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent, Task
from streams.agents.calls.budget import Account, OwnPurse
from streams.agents.calls.live_attempt import Terms
from streams.agents.calls.progress import Activity
from streams.agents.calls.retry import drive, take_seat
from streams.agents.calls.seat import Call, absent, task_of
from streams.errors import InvariantError
from streams.log import Clock, FoldingWriter, read_event
from streams.topology import ASSIGNMENTS, DECISIONS

Listener = Callable[[Event], Iterable[Event]]
"""Hears each event the processors wrote; what it returns is appended as input (feedback on a decision, say)."""

CALLS_AT_ONCE = 1_024
"""Virtual calls between two commits: what bounds memory when a long backlog is worked off."""

LONG_WAIT_S = 3_600
"""Wait for an outcome where no deadline is set; there always is one while a question is open."""


@dataclass(frozen=True, slots=True)
class Books:
    """What calls that take wall time are charged to and counted in."""

    policy: PolicyAdopted | None = None
    """Whose budget it is; None: nothing is limited."""
    activity: Activity | None = None


NO_BOOKS = Books()


@dataclass(slots=True)
class Case:
    """A question that waits for its decision."""

    question: QuestionAsked | None
    """None until an agent is asked, where the question was in the log already."""
    analyses: dict[str, str] = field(default_factory=dict)
    """Texts that a merge agent may have to read, by event id."""
    due_ms: int | None = None
    """When it is overdue, on the session's clock."""


class Session:
    """
    One writer's work on a log until every question in it is decided.

    Calls are made after the assignment behind them is durable, and their outcomes are durable before anything follows
    from them; so a process that dies repeats calls, but never decisions. While all agents answer in virtual time, the
    same inputs give the same log.

    Args:
        log: The writer; the session commits it.
        agents: Agents by name. A seat of an agent that is not there fails, and is so recorded.
        clock: Wall clock in milliseconds; deadlines are measured from when the session saw the assignment.
        window: Questions open at a time.
        calls_in_flight: Calls under way at a time, of agents that take their time.
        listener: Hears what the processors wrote.
        books: What calls are charged to and counted in.
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
        books: Books = NO_BOOKS,
    ) -> None:
        self._log = log
        self._purse = OwnPurse(log)
        policy = books.policy
        self._account = None if policy is None else Account(self._purse, policy.event_id, policy.budget, clock)
        self._activity = books.activity
        self._agents = agents
        self._clock = clock
        self._window = window
        self._calls_in_flight = calls_in_flight
        self._listener = listener
        self._open: dict[str, Case] = {}
        self._asked: dict[str, QuestionAsked] = {}
        self._ready: deque[Call] = deque()
        self._due: list[tuple[int, str]] = []
        self._running: set[asyncio.Task[AnalysisPublished]] = set()

    @property
    def open(self) -> int:
        """Questions that wait for their decision."""
        return len(self._open)

    @property
    def in_flight(self) -> int:
        """Calls under way."""
        return len(self._running)

    async def run(self, questions: Iterable[QuestionAsked] = ()) -> None:
        """
        Ask *questions* and finish what earlier sessions left open, until every question has its decision.

        What is done is committed also when the task is cancelled.
        """
        waiting = iter(questions)
        try:
            self._resume()
            more = True
            while more or self._open:
                more = more and self._admit(waiting)
                self._commit()
                outcomes = self._virtual_outcomes()
                outcomes += await self._awaited_outcomes(busy=bool(outcomes))
                for outcome in outcomes:
                    self._publish(outcome)
                self._declare_overdue()
                self._fold()
            self._commit()
        except asyncio.CancelledError:
            self._log.commit()
            raise
        finally:
            await self._stop()

    def _commit(self) -> None:
        self._log.commit()
        self._purse.committed()

    async def _stop(self) -> None:
        """Cancel what is under way; its seats stay free, and the next session takes them."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _resume(self) -> None:
        """Take up what earlier sessions left: questions still open, and records nobody folded."""
        for question_id, _ in self._log.open_states("merge"):
            self._reopen(question_id)
        self._fold()

    def _reopen(self, question_id: str) -> None:
        """Take up one open question, with the seats of its last stage that are still free."""
        case = self._open[question_id] = Case(None)
        opener: PanelAssigned | StageOpened | None = None
        taken: set[tuple[int, str]] = set()
        for record in self._log.about(question_id):
            event = read_event(record)
            if isinstance(event, PanelAssigned):
                self._watch(event)
            if isinstance(event, PanelAssigned | StageOpened):
                opener = event
            elif isinstance(event, AnalysisPublished):
                case.analyses[event.event_id] = event.text
                taken.add((event.stage, event.agent))
        if opener is None:
            # An analysis or deadline came first; the assignment will open the case.
            del self._open[question_id]
            return
        free = (seat for seat in opener.stage.seats if (opener.stage.number, seat.agent) not in taken)
        self._ready.extend(Call(opener, seat) for seat in free)

    def _watch(self, assignment: PanelAssigned) -> None:
        due_ms = self._clock() + assignment.deadline_ms
        self._open[assignment.question_id].due_ms = due_ms
        heapq.heappush(self._due, (due_ms, assignment.question_id))

    def _admit(self, waiting: Iterator[QuestionAsked]) -> bool:
        """Fill the window; say whether there may be more questions."""
        more = True
        while more and len(self._open) < self._window:
            batch = list(islice(waiting, self._window - len(self._open)))
            more = bool(batch)
            for question in batch:
                self._log.append(question)
                self._asked.setdefault(question.question_id, question)
            self._fold()
            # What got no panel was asked before, or is in the dead letters.
            self._asked.clear()
        return more

    def _fold(self) -> None:
        """Fold all there is to fold, and act on what the processors wrote."""
        while self._log.ready:
            for stored in self._log.fold():
                self._hear(stored.event)

    def _hear(self, event: Event) -> None:
        # By kind: asking for the class of every event takes longer than all that follows from the few that matter.
        if event.topic == ASSIGNMENTS:
            assert isinstance(event, PanelAssigned | StageOpened)
            self._seat(event)
        elif event.topic == DECISIONS:
            assert isinstance(event, DecisionMade)
            self._open.pop(event.question_id, None)
        for answer in self._listener(event):
            self._log.append(answer)

    def _seat(self, opener: PanelAssigned | StageOpened) -> None:
        """Line up the calls of a stage."""
        if opener.question_id not in self._open:
            self._open[opener.question_id] = Case(self._asked.get(opener.question_id))
        self._ready.extend(Call(opener, seat) for seat in opener.stage.seats)
        if isinstance(opener, PanelAssigned):
            self._watch(opener)

    def _virtual_outcomes(self) -> list[AnalysisPublished]:
        """Take the seats of agents that need no time, and of those who are not there; start the calls of the others."""
        outcomes = []
        for _ in range(min(len(self._ready), CALLS_AT_ONCE)):
            call = self._ready.popleft()
            agent = self._agents.get(call.seat.agent)
            if call.opener.question_id not in self._open:
                continue
            if agent is None:
                outcomes.append(absent(call))
            elif agent.virtual:
                outcomes.append(drive(take_seat(agent, self._task(call), call.opener)))
            elif len(self._running) < self._calls_in_flight:
                coroutine = take_seat(agent, self._task(call), call.opener, terms=self._terms(call))
                self._running.add(asyncio.create_task(coroutine))
            else:
                self._ready.appendleft(call)
                break
        return outcomes

    async def _awaited_outcomes(self, *, busy: bool) -> list[AnalysisPublished]:
        """Wait until a call ends or a deadline comes; where there is other work to do, only look."""
        if not self._running:
            # A virtual session never waits; without this an interrupt would not be heard.
            await asyncio.sleep(self._patience() if self._open and not busy else 0)
            return []
        commit_wanted = asyncio.create_task(self._purse.wanted.wait())
        try:
            await asyncio.wait(
                (*self._running, commit_wanted),
                timeout=0 if busy else self._patience(),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            commit_wanted.cancel()
        done = {task for task in self._running if task.done()}
        self._running -= done
        return [task.result() for task in done]

    def _patience(self) -> float:
        """Give the seconds to wait for an outcome."""
        if self._ready and len(self._running) < self._calls_in_flight:
            return 0
        return max(0, self._due[0][0] - self._clock()) / 1000 if self._due else LONG_WAIT_S

    def _publish(self, outcome: AnalysisPublished) -> None:
        case = self._open.get(outcome.question_id)
        if case is not None:
            case.analyses[outcome.event_id] = outcome.text
        self._log.append(outcome)

    def _declare_overdue(self) -> None:
        """Write the deadline of each question that is open too long; the calls still out come too late to count."""
        now = self._clock()
        while self._due and self._due[0][0] <= now:
            _, question_id = heapq.heappop(self._due)
            if question_id in self._open:
                self._log.append(DeadlinePassed(occurred_at=instant_of_ms(now), question_id=question_id))

    def _terms(self, call: Call) -> Terms:
        due_ms = self._open[call.opener.question_id].due_ms
        left_ms = None if due_ms is None else max(due_ms - self._clock(), 0)
        return Terms(self._account, self._activity, left_ms)

    def _task(self, call: Call) -> Task:
        case = self._open[call.opener.question_id]
        if case.question is None:
            case.question = self._find(call.opener.question_id)
        return task_of(call, case.question, case.analyses)

    def _find(self, question_id: str) -> QuestionAsked:
        """Look a question up in the log: the first of its id is the one that counts."""
        for record in self._log.about(question_id):
            if record.topic == QuestionAsked.topic:
                event = read_event(record)
                if isinstance(event, QuestionAsked):
                    return event
        raise InvariantError(f"question {question_id!r} has a panel but is not in the log", key=question_id)
