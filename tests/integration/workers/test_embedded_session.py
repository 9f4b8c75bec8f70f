"""Commits of a session on a file."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from itertools import islice
from pathlib import Path

import pytest

from infra.bench.workload import bench_policy, gold, questions
from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.agents.factory import make_agents
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.workers import embedded_session
from streams.workers.embedded_session import EmbeddedSession
from streams.workers.inbox import Inbox

from ...limits import LIMIT_S

WINDOW = 8


class CommitCounter(EmbeddedWriter):
    """A writer that counts its commits."""

    commits = 0

    def commit(self) -> None:
        """Commit, and count it."""
        super().commit()
        self.commits += 1


Work = Callable[[EmbeddedSession], Coroutine[object, object, None]]
"""What a test has a session do."""


def worked(path: Path, work: Work, policy: PolicyAdopted | None = None) -> int:
    """Let a session work on a new log, and give the number of its commits."""
    policy = policy or bench_policy()
    with CommitCounter(path, PROCESSORS, clock=wall_clock_ms) as log:
        log.append(policy)
        log.commit()
        session = EmbeddedSession(
            log, make_agents(policy, None), clock=wall_clock_ms, window=WINDOW, calls_in_flight=8, listener=gold
        )
        asyncio.run(work(session))
        return log.commits


def asked(number: int) -> Work:
    """Ask so many questions."""
    return lambda session: session.run(islice(questions(), number))


def events_of(path: Path) -> list[tuple[str, bytes]]:
    """List topic and value of each record of a log, in order."""
    with EmbeddedReader(path) as reader:
        return [(record.topic, record.value) for record in reader.records()]


def test_commits_of_virtual_agents_change_no_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit takes what many stages gave, and the log is as if there had been one after each."""
    seldom = worked(tmp_path / "seldom.db", asked(60))
    monkeypatch.setattr(embedded_session, "VIRTUAL_RECORDS", 0)
    often = worked(tmp_path / "often.db", asked(60))
    assert seldom < 5 < often
    assert events_of(tmp_path / "seldom.db") == events_of(tmp_path / "often.db")


def test_calls_that_take_time_are_committed_stage_by_stage(tmp_path: Path) -> None:
    """They are paid for, so they are not made again because a later commit failed."""
    policy = bench_policy(latency_ms=1, waits=True)
    assert worked(tmp_path / "log.db", asked(3 * WINDOW), policy) >= 6


def test_an_input_that_waits_is_committed_at_once(tmp_path: Path) -> None:
    """Whoever hands a question to a session waits until it is durable, though no agent takes any time."""
    durable: list[str] = []
    committed = asyncio.Event()

    def settle(taken: Sequence[Event]) -> None:
        durable.extend(event.event_id for event in taken)
        committed.set()

    async def hand_over(session: EmbeddedSession, some: Iterable[QuestionAsked]) -> None:
        inbox = Inbox(settle)
        running = asyncio.create_task(session.run(inbox=inbox))
        for question in some:
            inbox.put(question)
            while question.event_id not in durable:
                committed.clear()
                await asyncio.wait_for(committed.wait(), LIMIT_S)
        inbox.close()
        await running

    some = list(islice(questions(), 3))
    worked(tmp_path / "log.db", lambda session: hand_over(session, some))
    assert durable == [question.event_id for question in some]
