"""
Replay of correct logs whose topics have no common order.

The log proves itself in whatever order stages read the partitions.
"""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.event import Event
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdoptedV2
from schemas.registry import InvalidRecord, decode_stored
from streams.audit.replay.replay import Replay
from streams.processors.deadlines import deadline_of
from streams.runtimes.kafka.raw_record import RawRecord, read_input
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    FEEDBACK,
    INPUT_TOPICS,
    LESSONS,
    POLICIES,
    QUESTIONS,
    ROUTER,
    WEIGHTS,
)

from ...stateful.plans import AGENTS, Plan, plans
from ...worlds import analysis, by_odds, moment, overdue, question, retraction
from .scattered_log import Scattered, View

GARBAGE = (b"", b"{}", b"not JSON", b'{"question_id": "q0"}', b'{"question_id":"q0","text":"?","options":[]}')

lives = st.tuples(plans(), st.integers(0, 2**32))
"""A plan, and the seed of all chance in it."""


@st.composite
def odds_policies(draw: st.DrawFn) -> PolicyAdoptedV2:
    """Draw a policy with learned odds over a few agents; lessons count from the first on."""
    names = AGENTS[: draw(st.integers(1, len(AGENTS)))]
    settings = {
        "cascade": draw(st.booleans()),
        "warm_up_lessons": draw(st.integers(0, 2)),
        "audit_every": draw(st.integers(0, 2)),
        "learn_from": draw(st.sampled_from(["feedback", "feedback", "agreement"])),
        "option_shapes": draw(st.booleans()),
    }
    return by_odds(*names, odds=settings)


taught_lives = st.tuples(plans(odds_policies(), most=5), st.integers(0, 2**32))
"""The same under learned odds."""


def inputs(plan: Plan, chance: random.Random) -> Iterator[Event]:
    """Iterate what comes from outside apart from analyses, in any order, some of it twice."""
    given = [
        *plan.questions,
        *plan.early,
        *plan.late,
        *(retraction(one) for one in plan.taken_back),
        *(overdue(one.question_id) for one in plan.questions if chance.random() < 0.5),
        *(question(one.question_id, text="Something else?") for one in plan.questions if chance.random() < 0.2),
    ]
    given += [one for one in given if chance.random() < 0.1]
    chance.shuffle(given)
    yield plan.policy
    yield from given


def plainly(event: Event) -> bytes:
    """Write an event as a client of any language does: the record's time is the event's."""
    fields = json.loads(event.encode())
    return json.dumps(
        {name: value for name, value in fields.items() if name not in ("event_id", "occurred_at")}
    ).encode()


class Life:
    """A log to which everything comes at any time, while agents answer at any time, and stages fold at any time."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self.plan = plan
        self.chance = random.Random(seed)
        self.log = Scattered(self.chance, append_time=self.chance.random() < 0.3)
        self._coming = list(inputs(plan, self.chance))[::-1]

    def move(self) -> bool:
        """Let something happen; false if nothing is left to happen."""
        log = self.log
        moves = (
            [self._fold] * 3 * bool(log.steps()) + [self._come] * bool(self._coming) + [self._answer] * bool(log.seats)
        )
        if moves:
            self.chance.choice(moves)()
        return bool(moves)

    def end(self) -> Scattered:
        """Let everything happen that is left, and then the deadlines pass."""
        while self.move():
            pass
        for record in self.log.find(ASSIGNMENTS):
            panel = decode_stored(record.value)
            if isinstance(panel, PanelAssigned):
                self.log.put(deadline_of(panel, moment(1_000)))
        self.log.settle()
        return self.log

    def _fold(self) -> None:
        self.log.step()

    def _come(self) -> None:
        event = self._coming.pop()
        elsewhere = self.chance.random() < 0.1 and event.topic != POLICIES
        partition = self.chance.randrange(8) if elsewhere else None
        plain = self.chance.random() < 0.3 and event.topic in (QUESTIONS, FEEDBACK)
        value = plainly(event) if plain else event.encode()
        self.log.put_bytes(event.topic, value, event.key, partition=partition)
        if self.chance.random() < 0.1:
            topic, key = self.chance.choice([QUESTIONS, ANALYSES, FEEDBACK]), self.chance.choice([None, "q0", "x"])
            self.log.put_bytes(topic, self.chance.choice(GARBAGE), key)

    def _answer(self) -> None:
        opener, agent = self.log.seats.pop(self.chance.randrange(len(self.log.seats)))
        answer = self.plan.say(opener, agent)
        if answer is not None:
            self.log.put(answer)
        if self.chance.random() < 0.2:
            self.log.put(analysis(opener, agent, "C", text="On second thought it is (C)."))
        if self.chance.random() < 0.1:
            self.log.put(analysis(opener, "a", "B", stage=self.chance.randrange(3), text="Nobody asked."))


def replayed(log: Scattered, view: View | None = None) -> Replay:
    """Replay a log through a snapshot."""
    with TemporaryDirectory() as folder:
        return log.replay(Path(folder, "mirror.db"), view)


def proves_itself(found: Replay) -> None:
    """Fail where anything differs."""
    assert (found.first_difference, found.different) == (None, 0)


@settings(max_examples=50)
@given(lives)
def test_any_life_proves_itself(life: tuple[Plan, int]) -> None:
    """Whatever order topics were read in, with repeats and a compacted router topic: nothing differs or waits."""
    log = Life(*life).end()
    log.repeat(5)
    log.settle()
    log.compact()
    found = replayed(log)
    proves_itself(found)
    assert found.pending == 0


@settings(max_examples=25)
@given(taught_lives)
def test_any_life_with_lessons_proves_itself(life: tuple[Plan, int]) -> None:
    """Lessons in any order, repeated, retracted, and tables that compaction removed: nothing differs."""
    log = Life(*life).end()
    log.repeat(5)
    log.settle()
    log.compact()
    proves_itself(replayed(log))


@settings(max_examples=25)
@given(taught_lives)
def test_any_changed_byte_of_lessons_and_weights_is_found(life: tuple[Plan, int]) -> None:
    """One byte of a lesson or a table cannot be changed unnoticed."""
    living = Life(*life)
    log, chance = living.end(), living.chance
    records = [*log.find(LESSONS), *log.find(WEIGHTS)]
    if records:
        record = chance.choice(records)
        log.replace(record, changed(record, chance))
        assert replayed(log).different


@settings(max_examples=50)
@given(lives, st.integers(1, 60), st.integers(0, 20))
def test_any_moment_of_a_life_proves_itself(life: tuple[Plan, int], moves: int, meanwhile: int) -> None:
    """A view of a log at work, whose partitions end at different moments, and whose offsets lag, differs nowhere."""
    living = Life(*life)
    log, chance = living.log, living.chance
    for _ in range(moves):
        living.move()
    folded = {stage: {place: chance.randint(0, n) for place, n in at.items()} for stage, at in log.folded.items()}
    settled = log.ends()
    for _ in range(meanwhile):
        living.move()
    ends = {place: chance.randint(settled[place], end) for place, end in log.ends().items()}
    proves_itself(replayed(log, View(ends, settled, folded)))


def changed(record: RawRecord, chance: random.Random) -> bytes:
    """Change one byte, so that the record is another one."""
    while True:
        at = chance.randrange(len(record.value))
        other = bytes([(record.value[at] + chance.randrange(1, 256)) % 256])
        value = record.value[:at] + other + record.value[at + 1 :]
        try:
            if read_input(record._replace(value=value)) != read_input(record):
                return value
        except InvalidRecord:
            return value


@settings(max_examples=50)
@given(lives)
def test_any_changed_byte_is_found(life: tuple[Plan, int]) -> None:
    """One byte of any event in any topic cannot be changed unnoticed."""
    living = Life(*life)
    log, chance = living.end(), living.chance
    readable = [one for held in log.partitions.values() for one in held if one.value not in GARBAGE]
    topic = chance.choice(sorted({one.topic for one in readable}))
    record = chance.choice([one for one in readable if one.topic == topic])
    log.replace(record, changed(record, chance))
    assert replayed(log).different


@settings(max_examples=50)
@given(lives)
def test_any_derived_record_is_missed(life: tuple[Plan, int]) -> None:
    """What follows from folded records cannot be taken out, but for router entries that compaction might remove."""
    living = Life(*life)
    log, chance = living.end(), living.chance
    topics = [topic for topic, _ in log.partitions if topic not in (*INPUT_TOPICS, ROUTER)]
    records = [one for place, held in log.partitions.items() for one in held if place[0] in topics]
    # Whether an analysis fits no stage, merge can tell only if it reads the panel before it.
    sure = [one for one in records if one.topic != DEAD_LETTERS or b'"source_topic":"orch.analyses"' not in one.value]
    if sure:
        log.replace(chance.choice(sure), None)
        assert replayed(log).different
