"""
Open questions restarted from commits, beside a full read.

Both go in lock-step.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import islice
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.questions import QuestionAsked
from streams.agents.calls.seat import OpenSeat
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.stages.inspection import Bounds
from streams.runtimes.kafka.stages.undecided import undecided_from
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, QUESTIONS
from streams.workers import open_questions
from streams.workers.open_questions import OpenQuestions
from streams.workers.question_state import claim_of

from ..record_builders import decision, ids_at, panel, record_of, stage
from ..worlds import analysis, policy, question

TOPICS = (QUESTIONS, ASSIGNMENTS, ANALYSES, DECISIONS)
HERE = 5
NAMES = tuple(islice(ids_at(HERE), 7))
STRANGER = next(ids_at(HERE + 1))
PLAIN = policy("a", "b", routing={"panel_size": 2})
MERGED = policy("a", "b", routing={"panel_size": 2}, merge={"rule": "agent"}, policy_id="m")

numbers = st.integers(0, 20)
steps = st.sampled_from([1, 1, 2, 3, 100])


NOWHERE = Connection(("nowhere:1",))


class TopicsInMemory:
    """Stands in for an `Inspection` of one partition."""

    def __init__(self, log: Mapping[str, Sequence[Event]]) -> None:
        self._log = log

    async def bounds(self, places: Iterable[TopicPartition]) -> dict[TopicPartition, Bounds]:
        """Give the bounds."""
        return {place: Bounds(0, len(self._log[place.topic])) for place in places}

    async def records(self, ranges: Mapping[TopicPartition, tuple[int, int]]) -> AsyncIterator[Any]:
        """Iterate the records."""
        for place, (start, end) in ranges.items():
            for offset in range(start, end):
                event = self._log[place.topic][offset]
                yield place, SimpleNamespace(offset=offset, timestamp=0, value=event.encode())


class Restarted(RuleBasedStateMachine):
    """The agents' member: whoever begins at its commits knows what one knows who has read everything up to here."""

    topics: Sequence[str] = TOPICS

    def __init__(self) -> None:
        super().__init__()
        self.log: dict[str, list[Event]] = {topic: [] for topic in TOPICS}
        self.routed = 0
        self.panels: dict[str, PanelAssigned] = {}
        self.newest: list[Event] = []
        """What `route` would write once more if it were restarted now."""
        self.decided: dict[str, DecisionMade] = {}
        self.commits = dict.fromkeys(self.topics, 0)
        self.read_by_then = self.commits
        """Positions at any of the commits so far; before them nobody can know what is to be done."""
        self.load = OpenQuestions(HERE, self.commits)
        self.ends: dict[str, int] | None = None

    # --- the log grows

    def write(self, event: Event) -> None:
        self.log[event.topic].append(event)

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(open_questions, "REMEMBERED", 1)

    def teardown(self) -> None:
        self.patch.undo()

    @rule(number=numbers, prompt=st.booleans())
    def ask(self, number: int, prompt: bool) -> None:
        """A producer asks a question; or once more, before it is routed; or one that was asked long ago."""
        name = NAMES[number % len(NAMES)]
        self.write(question(name, at=10 if name not in self.panels else 10 + len(self.log[QUESTIONS])))
        if prompt:
            self.route(10, number % 2 == 0)

    @rule()
    def ask_elsewhere(self) -> None:
        """A producer with a hash of its own puts a question into this partition, which is not its own."""
        self.write(question(STRANGER))

    @precondition(lambda self: self.routed < len(self.log[QUESTIONS]))
    @rule(batch=st.integers(1, 3), merged=st.booleans())
    def route(self, batch: int, merged: bool) -> None:
        """`route` goes on, in order."""
        self.newest = []
        for event in self.log[QUESTIONS][self.routed : self.routed + batch]:
            self.routed += 1
            assert isinstance(event, QuestionAsked)
            if event.question_id not in self.panels and event.question_id != STRANGER:
                made = panel(event, MERGED if merged else PLAIN)
                self.panels[event.question_id] = made
                self.newest.append(made)
                self.write(made)

    @rule()
    def route_again(self) -> None:
        """`route` is killed, and writes its last batch once more."""
        for event in self.newest:
            self.write(event)

    def undecided(self) -> list[PanelAssigned]:
        return [made for name, made in self.panels.items() if name not in self.decided]

    @precondition(lambda self: self.panels)
    @rule(number=numbers, agent=st.sampled_from("abc"), reply=st.sampled_from("AB"), late=st.booleans())
    def answer(self, number: int, agent: str, reply: str, late: bool) -> None:
        """An agent publishes its analysis, of any stage; the first of its seat, a second, or one that nobody wanted."""
        made = list(self.panels.values()) if late else self.undecided()
        if made:
            chosen = made[number % len(made)]
            openers = [e for e in self.log[ASSIGNMENTS] if e.correlation == chosen.question_id]
            opener = openers[number % len(openers)]
            assert isinstance(opener, PanelAssigned | StageOpened)
            self.write(analysis(opener, agent, reply))

    @precondition(lambda self: self.undecided())
    @rule(number=numbers, merge=st.booleans())
    def open_stage(self, number: int, merge: bool) -> None:
        """`merge` opens a stage, or writes once more one that it had opened."""
        made = self.undecided()
        first = made[number % len(made)]
        heard = [e.event_id for e in self.log[ANALYSES] if e.correlation == first.question_id]
        if not merge:
            self.write(stage(first, "c"))
        elif heard and first.merger is not None:
            self.write(stage(first, first.merger, number=2, material=heard[:2]))

    @precondition(lambda self: self.undecided())
    @rule(number=numbers)
    def decide(self, number: int) -> None:
        """`merge` decides."""
        made = self.undecided()
        first = made[number % len(made)]
        self.decided[first.question_id] = decision(first)
        self.write(self.decided[first.question_id])

    @precondition(lambda self: self.decided)
    @rule(number=numbers)
    def decide_again(self, number: int) -> None:
        """`merge` is killed, and writes a decision once more."""
        made = list(self.decided.values())
        self.write(made[number % len(made)])

    @precondition(lambda self: self.undecided())
    @rule(number=numbers)
    def assign_otherwise(self, number: int) -> None:
        """Somebody writes another panel behind the first, and a stage that follows from it."""
        made = self.undecided()
        name = made[number % len(made)].question_id
        other = panel(question(name), policy("x", "y", policy_id="other"))
        self.write(other)
        self.write(stage(other, "z"))

    # --- the member reads and commits

    @rule(topic=st.integers(0, 3), most=steps)
    def read(self, topic: int, most: int) -> None:
        """The member reads on in one topic."""
        name = self.topics[topic % len(self.topics)]
        begin = self.load.position[name]
        for offset, event in islice(enumerate(self.log[name][begin:], begin), most):
            self.load.take(record_of(event, offset, partition=HERE), event)

    @rule(topics=st.lists(st.integers(0, 3), min_size=2, max_size=4, unique=True))
    def read_on(self, topics: list[int]) -> None:
        """The member reads all there is in some topics."""
        for topic in topics:
            self.read(topic, 10_000)

    @rule()
    def look(self) -> None:
        """The member asks where the topics end."""
        self.load.ask()
        self.ends = self.lengths()

    @precondition(lambda self: self.ends is not None)
    @rule()
    def see(self) -> None:
        """The member learns it."""
        assert self.ends is not None
        self.load.mark(self.ends)
        self.ends = None

    @rule()
    def tick(self) -> None:
        """The member looks up the ends and commits, as it does each second."""
        self.look()
        self.see()
        self.commit()

    @rule()
    def commit(self) -> None:
        """The member commits; never what it has not read."""
        offsets = self.load.commits()
        assert all(self.commits[topic] <= offset <= self.load.position[topic] for topic, offset in offsets.items())
        self.commits = offsets
        self.read_by_then = {topic: max(self.read_by_then[topic], self.load.position[topic]) for topic in self.topics}

    @rule()
    def die(self) -> None:
        """The member is killed, and another one begins at what it had committed."""
        self.load, self.ends = OpenQuestions(HERE, self.commits), None

    @rule()
    def lose_offsets(self) -> None:
        """Somebody sets the group's offsets; the next member begins where the topics themselves say."""
        found = self.found()
        for topic in self.topics:
            assert all(event.correlation in {*self.decided, STRANGER} for event in self.log[topic][: found[topic]])
        self.load, self.ends = OpenQuestions(HERE, found), None
        self.commits, self.read_by_then = found, self.lengths()

    def found(self) -> dict[str, int]:
        """Find where to begin."""
        offsets = asyncio.run(undecided_from(NOWHERE, TopicsInMemory(self.log), self.topics, [HERE]))  # type: ignore[arg-type]
        return {place.topic: offset for place, offset in offsets.items()}

    def lengths(self) -> dict[str, int]:
        return {topic: len(self.log[topic]) for topic in self.topics}

    # --- what must hold

    @invariant()
    def knows_what_is_to_be_done(self) -> None:
        """The seats to be taken are those of one who has read everything up to here."""
        if self.behind():
            return
        calls = {claim_of(call) for case in self.load.cases() for _, call in case.calls()}
        assert calls == seats_to_take(self.before(self.load.position))

    def behind(self) -> bool:
        return any(self.load.position[topic] < offset for topic, offset in self.read_by_then.items())

    def before(self, position: dict[str, int]) -> list[Event]:
        return [event for topic in self.topics for event in self.log[topic][: position[topic]]]

    @rule()
    def forgets_in_the_end(self) -> None:
        """Once everything is decided, nothing is kept, and everything is committed."""
        # A question that `route` goes on to passes over those it has assigned to nobody.
        self.write(next(question(name) for name in ids_at(HERE, f"last-{len(self.log[QUESTIONS])}-")))
        while self.routed < len(self.log[QUESTIONS]):
            self.route(100, False)
        for first in self.undecided():
            self.decided[first.question_id] = decision(first)
            self.write(self.decided[first.question_id])
        for _ in range(4):
            self.read_on([0, 1, 2, 3])
            self.tick()
        assert (len(self.load), self.load.remembered) == (0, 0)
        assert self.commits == self.lengths()
        assert self.load.caught_up


def seats_to_take(events: Iterable[Event]) -> set[Any]:
    """Say which seats are free, of questions that are open, in a log that is known as a whole."""
    asked: dict[str, QuestionAsked] = {}
    openers: dict[str, list[PanelAssigned | StageOpened]] = {}
    said: dict[str, None] = {}
    taken, decided = set(), set()
    for event in events:
        match event:
            case QuestionAsked() if event.question_id != STRANGER:
                asked.setdefault(event.question_id, event)
            case PanelAssigned():
                openers.setdefault(event.question_id, [event])
            case StageOpened() if openers[event.question_id][0].event_id in event.causes:
                openers[event.question_id].append(event)
            case AnalysisPublished():
                said[event.event_id] = None
                taken.add((*event.causes, event.stage, event.role, event.agent))
            case DecisionMade():
                decided.add(event.question_id)
    calls = (
        claim_of(OpenSeat(opener, stage, seat))
        for name in asked.keys() - decided
        for opener in openers.get(name, ())
        for stage in opener.stages
        if said.keys() >= set(stage.material)
        for seat in stage.seats
    )
    return {claim for claim in calls if claim not in taken}


class Watched(Restarted):
    """The deadline watcher's member, who reads panels and decisions only: it knows every open question."""

    topics = (ASSIGNMENTS, DECISIONS)

    def __init__(self) -> None:
        super().__init__()
        self.declared: set[str] = set()

    @rule(number=numbers)
    def declare(self, number: int) -> None:
        """A question is declared overdue, after which there is nothing left to do."""
        if cases := list(self.load.cases()):
            case = cases[number % len(cases)]
            self.load.close(case)
            self.declared.add(case.question_id)

    @invariant()
    def knows_what_is_to_be_done(self) -> None:
        """It knows the open questions; others only because their panel was written once more."""
        if self.behind():
            return
        known = {case.question_id for case in self.load.cases() if case.panel}
        events = self.before(self.load.position)
        decided = {event.question_id for event in events if isinstance(event, DecisionMade)}
        still_open = {event.question_id for event in events if isinstance(event, PanelAssigned)} - decided
        assert still_open - self.declared <= known
        assert known - still_open <= decided

    @rule()
    def forgets_in_the_end(self) -> None:
        """What is declared overdue is forgotten like what is decided."""
        self.read_on([0, 1])
        while len(self.load):
            self.declare(0)
        super().forgets_in_the_end()


TestRestarted = Restarted.TestCase
TestRestarted.settings = settings(max_examples=200, stateful_step_count=80)
TestWatched = Watched.TestCase
TestWatched.settings = settings(max_examples=100, stateful_step_count=60)
