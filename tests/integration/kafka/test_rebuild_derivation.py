"""
States derived from partitions that have no common order.

They are as they were, and nothing in the log is decided again.
"""

import random
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from functools import partial
from itertools import count

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.canonical import canonical_json
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.letters import RecordRejected
from schemas.panels import PanelAssigned, StageOpened
from schemas.quantities import PPB
from schemas.registry import decode
from schemas.router import AgentObserved, RouterEntry
from streams.errors import OperatorError
from streams.processors import MERGE, PROCESSORS, RANK, ROUTE
from streams.processors.dead_letters import dead_letter
from streams.processors.fold import Processor, Tables
from streams.runtimes.kafka.raw_record import MOVED, RawRecord
from streams.runtimes.kafka.stages.rebuild import derivation_of
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DEADLINES,
    DECISIONS,
    OBSERVATIONS,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ...worlds import World, analysis, decide, entry, gold, merging, overdue, policy, question, said
from ..audit.scattered_log import Scattered
from ..audit.test_replay_unordered import proves_itself, replayed
from .rebuild_bench import all_rebuilt, events_of, lived, rebuilt, record_of, send, states_of

stages = st.sampled_from(PROCESSORS)
seeds = st.integers(0, 2**32)


def ids(events: Iterable[Event]) -> Counter[str]:
    """Count events by id."""
    return Counter(event.event_id for event in events)


def questions_of(events: Iterable[Event], kind: type[Event]) -> set[str]:
    """Name the questions that have an event of a kind."""
    return {event.correlation for event in events if isinstance(event, kind)}


def is_left_open(log: Scattered, event: Event) -> bool:
    """
    Say whether an event may come about in another form, or not at all.

    No panel or decision: as long as nobody has seen one, tables and the order between topics are as they are now. And
    whether an analysis or a deadline of another panel has a letter depends on whether it was read before the panel.
    """
    if isinstance(event, RecordRejected):
        return event.reason == "unknown_reference" and event.source_topic in (ANALYSES, DEADLINES)
    overdue_ones = {read.correlation for read in map(read_of, log.find(DEADLINES))}
    decided = {read.correlation for read in map(read_of, log.find(DECISIONS))}
    waits = event.correlation in overdue_ones - decided
    return isinstance(event, PanelAssigned) or (isinstance(event, StageOpened | DecisionMade) and waits)


def read_of(raw_record: RawRecord) -> Event:
    """Read the event of an arrival."""
    return decode(raw_record.topic, raw_record.value, raw_record.timestamp_ms)


@pytest.mark.slow
@settings(max_examples=100)
@given(seeds, stages)
def test_states_and_what_was_not_sent_follow_again(seed: int, processor: Processor) -> None:
    """Whatever the stage had read in which order: the states are the same bytes, and nothing is sent twice."""
    living, unsent = lived(seed, processor)
    log = living.log
    found = all_rebuilt(log, processor)
    assert found.states == states_of(log, processor)
    made = events_of(found.outputs)
    assert ids(one for one in made if not is_left_open(log, one)) == ids(
        one for one in unsent if not is_left_open(log, one)
    )
    for kind in (PanelAssigned, DecisionMade):
        assert questions_of(made, kind) == questions_of(unsent, kind)


@pytest.mark.slow
@settings(max_examples=60)
@given(seeds, stages)
def test_a_life_goes_on_from_derived_states(seed: int, processor: Processor) -> None:
    """With what was derived and what it sends the log proves itself: one panel and decision each, chains unbroken."""
    living, _ = lived(seed, processor)
    log = living.log
    found = all_rebuilt(log, processor)
    log._states = {place: state for place, state in log._states.items() if place[0] != processor.name}
    for key, stored in found.states.items():
        log._states[processor.name, key] = processor.load(orjson.loads(stored))
    log.folded[processor.name] = {place: len(log.partitions[place]) for place in log.folded[processor.name]}
    for message in found.outputs:
        send(log, message)
    living.end()
    log.repeat(5)
    log.settle()
    for topic, kind in ((ASSIGNMENTS, PanelAssigned), (DECISIONS, DecisionMade)):
        events = {read.event_id: read for read in map(read_of, log.find(topic)) if isinstance(read, kind)}
        assert max(Counter(event.correlation for event in events.values()).values(), default=1) == 1
    entries = {read.event_id: read for read in map(read_of, log.find(ROUTER)) if isinstance(read, RouterEntry)}
    assert max(Counter((entry.key, entry.sequence) for entry in entries.values()).values(), default=1) == 1
    log.compact()
    found_by_replay = replayed(log)
    proves_itself(found_by_replay)
    assert found_by_replay.pending == 0


# --- by example ------------------------------------------------------------------------------------------------------

HOME = partition_of(b"q", 8)
ELSEWHERE = (HOME + 1) % 8


def laid(*events: Event) -> Scattered:
    """Write events, each a millisecond after the one before, and let nobody fold them."""
    log = Scattered(random.Random(1), partial(next, count(1)))
    for event in events:
        log.put(event)
    return log


def staged() -> World:
    """Open the second stage of a cascade, whose agent says nothing yet."""
    world = World(merging("cascade", "a", "b", stages=(1, 1), accept_ppb=PPB, window_ppb=0, merge_agent=False))
    world.put(question())
    world.play(said(a="A"))
    return world


def test_a_stage_rests_on_what_it_names() -> None:
    """A deadline that is dated before the analysis that opened a stage does not take the stage back; it decides."""
    world = staged()
    opened = world.stage(1)
    log = laid(overdue(), world.assignment(), analysis(world.assignment(), "a", "A"), opened)
    found = rebuilt(log, MERGE, HOME)
    (decision,) = events_of(found.outputs)
    assert isinstance(decision, DecisionMade)
    assert opened.event_id in decision.causes
    assert found.states == {"q": b"null"}
    assert found.offsets == {ASSIGNMENTS: 2, ANALYSES: 1, DEADLINES: 1}


def test_what_does_not_follow_from_what_it_names_is_told() -> None:
    """A stage whose analysis is gone cannot be derived; who is to act learns of which question and event."""
    world = staged()
    with pytest.raises(OperatorError, match="'q'") as raised:
        rebuilt(laid(world.assignment(), world.stage(1)), MERGE, HOME)
    assert raised.value.place == {"key": "q", "event_id": world.stage(1).event_id}


def test_a_stage_that_only_a_decision_knows_is_written() -> None:
    """A crash may leave a decision by deadline without the stage before it."""
    world = staged()
    opened = world.stage(1)
    world.put(overdue())
    log = laid(world.assignment(), analysis(world.assignment(), "a", "A"), overdue(), world.decision())
    found = rebuilt(log, MERGE, HOME)
    assert events_of(found.outputs) == [opened]
    assert found.states == {"q": b"null"}


def test_a_letter_says_what_was_wrong_when_it_was_read() -> None:
    """An analysis for a stage that opens later fits none; that it has no letter yet does not change why."""
    world = staged()
    stranger = analysis(world.assignment(), "b", "A", stage=1)
    log = laid(world.assignment(), stranger, analysis(world.assignment(), "a", "A"), world.stage(1))
    (letter,) = events_of(rebuilt(log, MERGE, HOME).outputs)
    assert isinstance(letter, RecordRejected)
    assert letter.detail == "question 'q' has no stage 1"


def test_a_letter_tells_what_was_concluded_before_it() -> None:
    """A stage that was lost is concluded again, and not undone by a deadline, where a letter speaks of it."""
    world = staged()
    answer, stranger = analysis(world.assignment(), "a", "A"), analysis(world.assignment(), "b", "A", stage=1)
    world.put(stranger)
    ((_, rejection),) = world.letters
    letter = dead_letter(stranger, HOME, 1, rejection)
    found = rebuilt(laid(overdue(), world.assignment(), answer, stranger, letter), MERGE, HOME)
    stage, decision = events_of(found.outputs)
    assert stage == world.stage(1)
    assert stage.event_id in decision.causes


def test_an_analysis_that_a_stage_does_not_name_did_not_count() -> None:
    """Where states were lost between two analyses of a seat, the later one may be what the stage rests on."""
    world = staged()
    forgotten = analysis(world.assignment(), "a", "B")
    log = laid(world.assignment(), forgotten, analysis(world.assignment(), "a", "A"), world.stage(1))
    found = rebuilt(log, MERGE, HOME)
    assert found.outputs == []
    assert forgotten.event_id not in found.states["q"].decode()


def test_what_is_decided_is_read_once() -> None:
    """Of a decided question whose stages are there, nothing is looked at again, and nothing held."""
    world = staged()
    world.put(overdue())
    log = laid(*(event for event in world.log if event.topic in (ASSIGNMENTS, ANALYSES, DEADLINES, DECISIONS)))
    with closing(derivation_of(MERGE, HOME, Tables(None, {}))) as derivation:
        read = []
        for one in derivation.passes():
            read.append(one.topic)
            for raw_record in log.partitions[one.topic, one.partition]:
                one.take(record_of(raw_record))
        assert read == [DEAD_LETTERS, DECISIONS, *MERGE.reads]
        assert list(derivation.finish()) == []
        assert derivation.states == {"q": b"null"}


def test_of_two_panels_the_one_that_a_stage_rests_on_counts() -> None:
    """Where states were lost once, a question may have a second panel, and be on its way with that."""
    world = staged()
    other = World(policy("b", at=1))
    other.put(question())
    log = laid(other.assignment(), world.assignment(), analysis(world.assignment(), "a", "A"), world.stage(1))
    found = rebuilt(log, MERGE, HOME)
    assert found.outputs == []
    assert orjson.loads(found.states["q"])["events"][0] == world.assignment().encode().decode()


def test_another_question_conflicts_with_the_one_that_has_the_panel() -> None:
    """Also where it stands before it; and neither gets a panel."""
    world = staged()
    log = laid(question(text="Something else?"), question(at=20), question(), world.assignment())
    (letter,) = events_of((found := rebuilt(log, ROUTE, HOME)).outputs)
    assert isinstance(letter, RecordRejected)
    assert (letter.reason, letter.offset) == ("conflict", 0)
    assert question().event_id in letter.detail
    assert orjson.loads(found.states["q"]) == [question().statement_id, question().event_id]


def test_a_question_that_needs_a_panel_needs_a_policy() -> None:
    """Without one nothing says whom to ask."""
    with pytest.raises(OperatorError, match="no policy"):
        rebuilt(laid(question()), ROUTE, HOME)


def test_a_panel_whose_question_is_gone_keeps_its_id() -> None:
    """In a topic that was made anew, a question under an old id is told to be another one, and gets no second panel."""
    log = laid(policy("a"), staged().assignment(), question(at=70), question("q19"))
    found = rebuilt(log, ROUTE, HOME)
    assert orjson.loads(found.states["q"])[1] == question().event_id
    (letter,) = events_of(found.outputs)
    assert isinstance(letter, RecordRejected)
    assert letter.reason == "conflict"


def test_a_copy_is_made_once() -> None:
    """Of two records in the wrong partition one was copied; a header that anybody can write is no proof."""
    log = laid(policy("a"))
    for number in range(3):
        log.put(question(text=f"Number {number}?"), partition=ELSEWHERE)
    log.put(question(text="Number 1?"), headers=((MOVED, b"%d@1" % ELSEWHERE),))
    log.put(question(text="Forged?"), headers=((MOVED, b"%d@2" % ELSEWHERE),))
    found = rebuilt(log, ROUTE, ELSEWHERE)
    assert [decode(QUESTIONS, message.value, 0) for message in found.outputs] == [
        question(text="Number 0?"),
        question(text="Number 2?"),
    ]
    assert [dict(message.headers)[MOVED] for message in found.outputs] == [
        b"%d@%d" % (ELSEWHERE, offset) for offset in (0, 2)
    ]
    assert (found.states, found.offsets) == ({}, {QUESTIONS: 3})


def test_a_record_has_one_letter_whatever_its_words() -> None:
    """Another version would say otherwise what is wrong with a record; the letter that is there is enough."""
    log = laid(policy("a"))
    log.put_bytes(QUESTIONS, b"{", "q")
    (letter,) = rebuilt(log, ROUTE, HOME).outputs
    fields = decode(DEAD_LETTERS, letter.value, 0).model_dump(exclude={"event_id"})
    log.put(RecordRejected(**{**fields, "detail": "It is no JSON."}))
    assert rebuilt(log, ROUTE, HOME).outputs == []


AGENT = partition_of(b"a", TOPICS[OBSERVATIONS].partitions)


def test_a_chain_goes_on_above_its_newest_entry() -> None:
    """Entries that compaction removed are not sent again, and an older one behind the newest is nothing new."""
    world = decide(policy("a"), said(a="A"))
    world.put(gold("A"), gold("B", source="human"))
    observed, entries = world.of(AgentObserved), world.of(RouterEntry)
    found = rebuilt(laid(*observed, observed[0], entries[1], entries[0]), RANK, AGENT)
    assert events_of(found.outputs) == entries[2:]
    assert found.states == {"*/a": canonical_json(entries[-1].encode().decode())}


@pytest.mark.parametrize("sequence", [1, 9])
def test_an_entry_that_does_not_follow_is_told(sequence: int) -> None:
    """The router's topic holds an entry that the observations do not make, or more than they make."""
    observed = decide(policy("a"), said(a="A")).of(AgentObserved)
    with pytest.raises(OperatorError, match=rf"entry {sequence} of \*/a"):
        rebuilt(laid(*observed, entry("a", sequence=sequence)), RANK, AGENT)
