"""
The embedded workload: policy, generated questions, gold feedback, session.

The policy is fixed, every decision gets feedback, and the session is the program's own.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path

from schemas.agents import SimulatedAgent
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.policies import MergeV2, PolicyAdopted, PolicyAdoptedV2, RoutingV2
from schemas.questions import LETTERS, QuestionAsked
from schemas.rules import NEWEST_RULES
from streams.agents.agent import Agent
from streams.agents.calls.progress import CallProgress
from streams.agents.factory import make_agents
from streams.agents.simulated import truth
from streams.app.metrics import NOT_COUNTED, AgentReadings, Counted, Instruments, RunReadings
from streams.instruments.metered_log import MeteredLog
from streams.log import Headers, Stored, wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import RunSettings
from streams.workers.embedded_session import CallAccounting, EmbeddedSession

AT = "2026-01-01T00:00:00.000Z"
OPTIONS = ("the first", "the second", "the third", "the fourth")
SUBJECTS = 8
SKILLS_PPB = (850_000_000, 790_000_000, 730_000_000, 670_000_000, 610_000_000)
STATED = (
    f"{len(SKILLS_PPB)} simulated agents, panel of 3 by weighted routing with {SUBJECTS} subjects, weighted merge, gold"
    " feedback on every decision"
)
"""The policy in words."""


def bench_policy(latency_ms: int = 0, *, waits: bool = False) -> PolicyAdopted:
    """Make the policy that every benchmark uses, with calls that take so long, by the clock or by data alone."""
    agents = tuple(
        SimulatedAgent(name=f"agent-{number}", skill_ppb=skill, latency_ms=latency_ms, waits=waits)
        for number, skill in enumerate(SKILLS_PPB, 1)
    )
    return PolicyAdoptedV2(
        occurred_at=AT,
        policy_id="bench",
        agents=agents,
        routing=RoutingV2(rule="weighted", panel_size=3),
        merge=MergeV2(rule="weighted"),
        rules=NEWEST_RULES,
    )


def questions() -> Iterator[QuestionAsked]:
    """Generate questions without end, of the length of a usual multiple-choice one."""
    for number in count():
        yield QuestionAsked(
            occurred_at=AT,
            question_id=f"bench-{number:07}",
            text=f"Question {number}: given the rule stated above and the case described here, which one of the"
            " following four statements follows from both, and from neither of them alone?",
            options=OPTIONS,
            subject=f"subject-{number % SUBJECTS}",
        )


def gold(event: Event) -> Sequence[Event]:
    """Answer each decision with the right answer."""
    if not isinstance(event, DecisionMade):
        return ()
    answer = LETTERS[truth(0, event.question_id, len(OPTIONS))]
    given = FeedbackGiven(occurred_at=event.occurred_at, question_id=event.question_id, source="gold", answer=answer)
    return (given,)


class WatchedWriter(EmbeddedWriter):
    """The program's writer, which also notes the time at which each decision was committed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, PROCESSORS, clock=wall_clock_ms)
        self.commits = 0
        self.events = 0
        self.committed_at: dict[str, float] = {}
        """Seconds of the monotonic clock, by question."""
        self._decided: list[str] = []

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """Append an input, and count it."""
        stored = super().append(event, headers=headers, again=again)
        self.events += stored is not None
        return stored

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """Fold, and note what was decided."""
        written = super().fold(most)
        self.events += len(written)
        self._decided += [stored.event.question_id for stored in written if isinstance(stored.event, DecisionMade)]
        return written

    def commit(self) -> None:
        """Commit, and note the time."""
        super().commit()
        self.commits += 1
        now = time.perf_counter()
        self.committed_at.update(dict.fromkeys(self._decided, now))
        self._decided.clear()


@dataclass(frozen=True, slots=True)
class SessionRun:
    """The figures of one run."""

    questions: int
    events: int
    commits: int
    seconds: float
    committed_at: Mapping[str, float]


def run_session(
    path: Path,
    asked: Iterator[QuestionAsked],
    *,
    window: int = RunSettings().window,
    agents: Mapping[str, Agent] | None = None,
    counted: Counted = NOT_COUNTED,
) -> SessionRun:
    """
    Run the product's own session over a new log, from the first question's append to the last commit.

    Args:
        path: Where the log is made.
        asked: The questions; building them counts, as reading them from a file would.
        window: Questions open at a time; by default as in `orch run`.
        agents: Agents by name; by default those of the policy.
        counted: Metrics and traces, as in `orch run`.
    """
    policy = bench_policy()
    agents, shown = agents or make_agents(policy, None), counted.instruments
    with WatchedWriter(path) as log:
        log.append(policy)
        log.commit()
        session = EmbeddedSession(
            log if shown is None else MeteredLog(log, shown.meters),
            agents,
            clock=wall_clock_ms,
            window=window,
            calls_in_flight=RunSettings().calls_in_flight,
            listener=gold,
            books=CallAccounting(onlooker=counted.tracer),
        )
        if shown is not None:
            RunReadings(shown, AgentReadings(shown, CallProgress(), agents.values), session)
        started = time.perf_counter()
        asyncio.run(_work(session, asked, shown))
        seconds = time.perf_counter() - started
        return SessionRun(len(log.committed_at), log.events, log.commits, seconds, log.committed_at)


async def _work(session: EmbeddedSession, asked: Iterator[QuestionAsked], shown: Instruments | None) -> None:
    looking = None if shown is None else asyncio.create_task(shown.health.keep_looking())
    try:
        await session.run(asked)
    finally:
        if looking is not None:
            looking.cancel()


def make_log(path: Path, events: int) -> SessionRun:
    """Make a log of at least so many events."""
    probe = path.with_name(f"{path.name}.probe")
    short = run_session(probe, islice(questions(), 200))
    probe.unlink()
    number = -(-events * short.questions // short.events)
    # The first questions have larger panels, so a little more is needed than their mean says.
    return run_session(path, islice(questions(), number + number // 10), window=256)
