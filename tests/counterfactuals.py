"""Logs of simulated agents, run and played again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from schemas.agents import CallLimits, SimulatedAgent
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.questions import LETTERS, QuestionAsked
from schemas.rules import NEWEST_RULES
from streams.agents.factory import make_agents
from streams.agents.simulated import truth
from streams.app.whatif import played
from streams.audit.whatif.outcome import Compared
from streams.audit.whatif.schedule import Schedule
from streams.log import read_event
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import DECISIONS, POLICIES
from streams.workers.embedded_session import EmbeddedSession

EPOCH = "2026-01-01T00:00:00.000Z"
AGENTS = ("ant", "bee", "cat", "dog")


def agents(**fields: Any) -> tuple[SimulatedAgent, ...]:
    """
    Give the four agents.

    They are tried once: a wait between attempts comes from a hash of the stage, which another policy has otherwise.
    """
    return tuple(
        SimulatedAgent(
            name=name, skill_ppb=500_000_000 + 100_000_000 * place, **{"limits": CallLimits(max_attempts=1), **fields}
        )
        for place, name in enumerate(AGENTS)
    )


def static(panel_size: int = 3, rule: str = "vote", **fields: Any) -> PolicyAdoptedV2:
    """Give a policy with a fixed panel, whose decisions rest on no lessons if it votes."""
    given = {"policy_id": "fixed", "occurred_at": EPOCH, "agents": agents(), "rules": NEWEST_RULES, **fields}
    routing = {"rule": "static", "panel_size": panel_size, **given.pop("routing", {})}
    return PolicyAdoptedV2(**given, routing=routing, merge={"rule": rule, **given.pop("merge", {})})


def asked(number: int) -> QuestionAsked:
    """Ask one of the questions."""
    return QuestionAsked(
        occurred_at=EPOCH,
        question_id=f"q{number}",
        text=f"Question {number}?",
        options=("w", "x", "y", "z"),
        answer_type="choice",
        subject=("law", None)[number % 2],
    )


def told(decision: Event, verdicts: bool) -> Iterator[Event]:
    """Tell what is right about a decision, in two ways; take some of it back."""
    if not isinstance(decision, DecisionMade):
        return
    number = int(decision.question_id[1:])
    right = LETTERS[truth(0, decision.question_id, 4)]
    about: dict[str, Any] = {"occurred_at": EPOCH, "question_id": decision.question_id}
    if verdicts and number % 3 == 0:
        yield FeedbackGiven(**about, source="human", verdict="right" if decision.answer == right else "wrong")
        return
    gold = FeedbackGiven(**about, source="gold", answer=right)
    yield gold
    if number % 5 == 2:
        yield FeedbackRetracted(**about, feedback_id=gold.event_id)


def run(
    log: Path, *policies: PolicyAdopted, questions: int = 8, window: int = 1, verdicts: bool = False
) -> dict[str, str | None]:
    """Run questions under each of some policies in turn, as `orch run` does, and give the answers."""
    with EmbeddedWriter(log, PROCESSORS, clock=lambda: 0) as writer:
        for turn, policy in enumerate(policies):
            writer.append(policy)
            session = EmbeddedSession(
                writer,
                make_agents(policy, None),
                clock=lambda: 0,
                window=window,
                calls_in_flight=1,
                listener=lambda made: tuple(told(made, verdicts)),
            )
            asyncio.run(session.run(asked(number) for number in range(turn * questions, (turn + 1) * questions)))
    with EmbeddedReader(log) as reader:
        events = map(read_event, reader.records((DECISIONS,)))
        return {made.question_id: made.answer for made in events if isinstance(made, DecisionMade)}


def under(log: Path, other: PolicyAdopted) -> list[Compared]:
    """Play a log under another policy."""
    with EmbeddedReader(log) as reader, Schedule(reader) as schedule:
        adopted = [made for made in map(read_event, reader.records((POLICIES,))) if isinstance(made, PolicyAdopted)]
        recorded = {made.event_id: made for made in adopted}
        return list(played(reader, schedule, recorded, dict.fromkeys(recorded, other), lambda steps: None))
