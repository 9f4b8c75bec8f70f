"""
Two small processors, their inputs, and a host of dicts.

The processors use all that a host offers.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.agents import SimulatedAgent
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.policies import Averaging, PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.router import AgentObserved, ObservationCounts, RouterEntry, router_key
from streams.processors.dead_letters import dead_letter
from streams.processors.fold import Processor, Rejection, Step, Tables
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import FEEDBACK, OBSERVATIONS, QUESTIONS, TOPICS, partition_of

EPOCH = "2026-01-01T00:00:00.000Z"


def policy(name: str = "p", agent: str = "a") -> PolicyAdopted:
    """Build a policy with one agent."""
    agents = (SimulatedAgent(name=agent),)
    return PolicyAdopted(occurred_at=EPOCH, policy_id=name, agents=agents, routing={"panel_size": 1})


def question(name: str = "q", text: str = "?") -> QuestionAsked:
    """Build a question whose answer is a number."""
    return QuestionAsked(occurred_at=EPOCH, question_id=name, text=text, answer_type="number")


def feedback(name: str = "q", answer: str = "1") -> FeedbackGiven:
    """Build feedback on a question."""
    return FeedbackGiven(occurred_at=EPOCH, question_id=name, source="gold", answer=answer)


def _observe(event: Event, name: str, tables: Tables) -> AgentObserved:
    """Observe the first agent of the policy in force; the causes show the entries of the router table."""
    assert tables.policy is not None
    agent = tables.policy.agents[0].name
    entry = tables.entries.get(("*", agent))
    return AgentObserved(
        causes=(event.event_id, tables.policy.event_id, *([entry.event_id] if entry else [])),
        occurred_at=EPOCH,
        agent=agent,
        question_id=name,
        scopes=("*",),
        source="gold",
        weight_ppb=0,
        averaging=Averaging(),
    )


def _count(state: int | None, event: Event, key: str, tables: Tables) -> Step[Any]:
    """State: feedbacks to the question, none before it is asked."""
    if isinstance(event, QuestionAsked):
        if state is not None:
            return Step(state, rejection=Rejection("conflict", "asked before"))
        return Step(0, (_observe(event, key, tables),))
    if state is None:
        return Step(state, rejection=Rejection("unknown_reference", "never asked"))
    made = _observe(event, key, tables)
    return Step(state + 1, (made,))


def _chain(state: int | None, event: Event, key: str, tables: Tables) -> Step[Any]:
    """State: length of the agent's chain."""
    assert isinstance(event, AgentObserved)
    length = (state or 0) + 1
    entry = RouterEntry(
        causes=(event.event_id,),
        occurred_at=EPOCH,
        scope="*",
        agent=event.agent,
        question_id=event.question_id,
        sequence=length,
        previous=None,
        quality_ppb=0,
        latency_ns=0,
        cost_pusd=0,
        stability_ppb=0,
        observations=ObservationCounts(),
    )
    return Step(length, (entry,))


def _question_key(event: Event) -> tuple[str, ...]:
    return (event.key,)


def _agent_key(event: Event) -> tuple[str, ...]:
    return (router_key("*", event.key),)


# A question stays open until its second feedback, so open states change too.
COUNT = Processor("count", (QUESTIONS, FEEDBACK), _question_key, _count, lambda s: s, lambda v: v, lambda s: s < 2)
CHAIN = Processor("chain", (OBSERVATIONS,), _agent_key, _chain, lambda s: [s], lambda v: v[0], lambda s: False)
TINY = (COUNT, CHAIN)


@dataclass
class DictLog:
    """The simplest model of an embedded log."""

    events: list[Event] = field(default_factory=list)
    cursor: int = 0
    states: dict[str, dict[str, Any]] = field(default_factory=lambda: {"count": {}, "chain": {}})

    def copy(self) -> "DictLog":
        """Copy the log, as a commit does."""
        return DictLog(list(self.events), self.cursor, {name: dict(of) for name, of in self.states.items()})

    @property
    def ready(self) -> bool:
        """Whether any record is left to fold."""
        return self.cursor < len(self.events) and any(isinstance(event, PolicyAdopted) for event in self.events)

    def append(self, event: Event) -> bool:
        """Append an event the log does not hold."""
        if event in self.events:
            return False
        self.events.append(event)
        return True

    def fold(self, most: int) -> list[Event]:
        """Fold up to *most* events, and give the events that follow."""
        before = len(self.events)
        while self.ready and most:
            most -= 1
            self.cursor += 1
            event = self.events[self.cursor - 1]
            for processor in TINY:
                if event.topic in processor.reads:
                    self._fold_keys(processor, event)
        return self.events[before:]

    def _fold_keys(self, processor: Processor, event: Event) -> None:
        for key in processor.keys(event):
            states = self.states[processor.name]
            step = processor.fold(states.get(key), event, key, self._tables())
            if step.state is not None:
                states[key] = step.state
            self.events.extend(step.events)
            if step.rejection:
                _, partition, offset = self.places()[self.cursor - 1]
                self.events.append(dead_letter(event, partition, offset, step.rejection))

    def _tables(self) -> Tables:
        passed = self.events[: self.cursor]
        policies = [event for event in passed if isinstance(event, PolicyAdopted)][-1:]
        policies += [event for event in self.events if isinstance(event, PolicyAdopted)][:1]
        entries = {(event.scope, event.agent): event for event in passed if isinstance(event, RouterEntry)}
        return Tables(policies[0], entries)

    def places(self) -> list[tuple[str, int, int]]:
        """Give topic, partition and offset of every event."""
        ends: dict[tuple[str, int], int] = {}
        places = []
        for event in self.events:
            partition = partition_of(event.key.encode(), TOPICS[event.topic].partitions)
            offset = ends.get((event.topic, partition), 0)
            ends[event.topic, partition] = offset + 1
            places.append((event.topic, partition, offset))
        return places


def writer(path: Path, processors: tuple[Processor, ...] = TINY) -> EmbeddedWriter:
    """Open a writer with a constant clock."""
    return EmbeddedWriter(path, processors, clock=lambda: 0)


def filled(path: Path, questions: int = 40) -> None:
    """Make a log with a policy and some decided questions."""
    with writer(path) as log:
        log.append(policy())
        for number in range(questions):
            log.append(question(f"q{number}", "x" * 500))
        while log.ready:
            log.fold()
        log.commit()


def values(path: Path) -> list[bytes]:
    """Read the whole log."""
    with EmbeddedReader(path) as log:
        return [record.value for record in log.records()]
