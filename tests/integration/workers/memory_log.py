"""
A log in memory with `route`, `merge` and slow agents.

The module also has the log's readers.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from schemas.agents import CallLimits, SimulatedAgent
from schemas.analyses import AnalysisPublished
from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.agents.agent import Reply, Task
from streams.errors import OperatorError, TransientError
from streams.log import Headers, Polled, Record
from streams.topology import ANALYSES, ASSIGNMENTS, DEADLINES, DECISIONS, QUESTION_PARTITIONS, QUESTIONS
from streams.workers import partition_consumer
from streams.workers.agent_worker import WorkLimits, run_agents

from ...record_builders import home, record_of
from ...worlds import World, policy, question

KEPT = (QUESTIONS, ASSIGNMENTS, ANALYSES, DEADLINES, DECISIONS)
EVERYWHERE = frozenset(range(QUESTION_PARTITIONS))
NOW_MS = 1_000_000
"""Initial time of the log's clock."""

Place = tuple[str, int]


AB = policy("a", "b")


@pytest.fixture(autouse=True)
def quick_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commit at short intervals: the default second is long in a test."""
    monkeypatch.setattr(partition_consumer, "COMMIT_S", 0.01)


def play(test: Coroutine[Any, Any, None], limit_s: float = 180) -> None:
    """Run a test to its end, or stop it when it hangs."""
    asyncio.run(asyncio.wait_for(test, limit_s))


def questions(count: int) -> list[QuestionAsked]:
    """Make so many questions, q0 and on."""
    return [question(f"q{number}") for number in range(count)]


async def until_true(condition: Callable[[], object], limit_s: float = 90) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.002)


class MemoryLog:
    """
    A log in memory; `route` and `merge` fold each record at once.

    Args:
        policy: Whose agents are asked.
    """

    def __init__(self, policy: PolicyAdopted) -> None:
        self.world = World(policy)
        self.now_ms = NOW_MS
        self.folds = True
        """Whether `route` and `merge` are at work."""
        self.records: dict[Place, list[Record]] = defaultdict(list)
        self.committed: dict[Place, int] = {}
        self.grown = asyncio.Event()

    def clock(self) -> int:
        return self.now_ms

    def lay_down(self, event: Event, *, partition: int | None = None, headers: Headers = ()) -> None:
        """Write a record without folding it."""
        place = (event.topic, home(event.key) if partition is None else partition)
        self.write(record_of(event, 0, partition=place[1], timestamp_ms=self.now_ms, headers=headers))

    def write(self, record: Record) -> None:
        """Write any record at the end of its partition."""
        place = (record.topic, record.partition)
        self.records[place].append(record._replace(offset=len(self.records[place])))
        self.grown.set()

    def put(self, event: Event, headers: Headers = ()) -> None:
        """Write an event, and all events that follow from it."""
        self.lay_down(event, headers=headers)
        if not self.folds:
            return
        known = len(self.world.log)
        self.world.put(event)
        for made in self.world.log[known:]:
            if made.topic in KEPT and made is not event:
                self.lay_down(made, headers=headers)

    def ask(self, *questions: QuestionAsked) -> None:
        """Ask questions."""
        for asked in questions:
            self.put(asked)

    def of(self, topic: str) -> list[Record]:
        """List the records of a topic, by partition."""
        return [record for number in range(QUESTION_PARTITIONS) for record in self.records[topic, number]]

    def analyses(self) -> Counter[tuple[str, str]]:
        """Count the analyses in the log by question and agent."""
        events = (AnalysisPublished.decode(record.value) for record in self.of(ANALYSES))
        return Counter((event.question_id, event.agent) for event in events)


def decided(memory_log: MemoryLog) -> int:
    """Count the decisions."""
    return len(memory_log.of(DECISIONS))


class Member:
    """A group member; the test assigns its partitions; see `log.Subscription`."""

    def __init__(self, memory_log: MemoryLog, held: Iterable[int] = EVERYWHERE) -> None:
        self.held = frozenset(held)
        self.hidden: frozenset[str] = frozenset()
        """Topics whose records come late."""
        self.broken = False
        """Whether the brokers are away: they take no commits and give no end offsets."""
        self.dead = False
        """Whether the process was killed: its calls have no effect any more."""
        self.refuses: str = ""
        self.takes_s = 0.0
        """Time it takes to write."""
        self.paused: set[str] = set()
        self.pauses = 0
        self.stopped = False
        self._memory_log = memory_log
        self._topics: Sequence[str] = ()
        self._next: dict[Place, int] = {}

    async def start(self, topics: Sequence[str]) -> None:
        self._topics = topics

    async def stop(self) -> None:
        self.stopped = True

    async def poll(self, wait_ms: int) -> Polled:
        await asyncio.sleep(0)
        self._forget()
        told = {partition for _, partition in self._next}
        come = {place for place in self._next if place[0] not in self.paused | self.hidden}
        for partition in self.held - told:
            self._next.update({(t, partition): self._memory_log.committed.get((t, partition), 0) for t in self._topics})
        records = self._bring(come)
        if not records and self.held <= told:
            self._memory_log.grown.clear()
            with suppress(TimeoutError):
                # Not wait_for: up to Python 3.11 it may take a cancellation for an answer.
                async with asyncio.timeout(wait_ms / 1000):
                    await self._memory_log.grown.wait()
            self._forget()
        return Polled(records, frozenset(partition for _, partition in self._next), dict(self._next))

    def rewind(self) -> None:
        """Read the assigned partitions again, from their committed offsets."""
        self._next = {place: self._memory_log.committed.get(place, 0) for place in self._next}

    def _forget(self) -> None:
        self._next = {place: offset for place, offset in self._next.items() if place[1] in self.held}

    def _bring(self, places: Iterable[Place], most: int = 200) -> list[Record]:
        brought: list[Record] = []
        for place in sorted(places):
            new = self._memory_log.records[place][self._next[place] :][: most - len(brought)]
            self._next[place] += len(new)
            brought += new
        return brought

    async def ends(self, partitions: Iterable[int]) -> Mapping[Place, int]:
        ends = {(t, number): len(self._memory_log.records[t, number]) for number in partitions for t in self._topics}
        await asyncio.sleep(0.001)
        if self.broken:
            raise TransientError("nobody answers")
        return ends

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        await asyncio.sleep(0.001)
        if self.broken:
            raise TransientError("nobody answers")
        if not self.dead:
            self._memory_log.committed.update({place: at for place, at in offsets.items() if place[1] in self.held})

    def pause(self, topics: Iterable[str]) -> None:
        self.paused |= set(topics)
        self.pauses += 1

    def resume(self, topics: Iterable[str]) -> None:
        self.paused -= set(topics)

    async def publish(self, event: Event, carried: Headers = ()) -> None:
        await asyncio.sleep(self.takes_s)
        if self.refuses:
            raise OperatorError(self.refuses)
        if not self.dead:
            self._memory_log.put(event, carried)


class Waiter:
    """An agent that waits, or never ends; it records its tasks, and how many ran at a time."""

    virtual = False
    live = None

    def __init__(self, name: str, takes_s: float | None = 0.0, says: str = "The answer is (A).") -> None:
        self.spec = SimulatedAgent(name=name, limits=CallLimits(max_attempts=1))
        self.takes_s = takes_s
        self.says = says
        self.asked: list[Task] = []
        self.cancelled = 0
        self.at_work = self.most_at_work = 0

    def ids(self) -> list[str]:
        """List the questions asked of it."""
        return [task.question_id for task in self.asked]

    async def reply(self, task: Task) -> Reply:
        self.asked.append(task)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            await (asyncio.Event().wait() if self.takes_s is None else asyncio.sleep(self.takes_s))
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.at_work -= 1
        return Reply(self.says)


class Employed:
    """The `agents` stage at work as one member, until the block ends or it is killed."""

    def __init__(self, memory_log: MemoryLog, *agents: Any, member: Member | None = None, **limits: Any) -> None:
        self.member = member or Member(memory_log)
        self.stop = asyncio.Event()
        self.agents = {agent.spec.name: agent for agent in agents}
        self._memory_log = memory_log
        self._terms = {name: limits.pop(name) for name in ("terms_of",) if name in limits}
        self._limits = WorkLimits(**limits)

    async def __aenter__(self) -> "Employed":
        work = run_agents(
            self.member,
            lambda policy_id: self.agents,
            clock=self._memory_log.clock,
            stop=self.stop,
            limits=self._limits,
            **self._terms,
        )
        self.task = asyncio.create_task(work)
        return self

    async def __aexit__(self, *failure: object) -> None:
        if not self.member.dead:
            self.stop.set()
            await self.task

    async def kill(self) -> None:
        """Kill the process: its calls have no effect any more."""
        self.member.dead = True
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
