"""
Laws of the folds over random worlds.

Duplicates, order, restarts, causes, and one decision for each question.
"""

from collections import Counter
from itertools import groupby
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.questions import QuestionAsked
from schemas.router import AgentObserved, RouterEntry
from streams.processors import LEARN, MERGE, PROCESSORS
from streams.processors.fold import Processor, Tables

from ..worlds import FAILED, OUTSIDE, SILENT, UNREADABLE, Folder, World, analysis, voted
from .plans import Plan, outspoken, plans, played, replies, unguided_policies

DERIVED = (PanelAssigned, StageOpened, DecisionMade, AgentObserved, RouterEntry)
schedules = st.lists(st.integers(0, 2), max_size=40)


def ids_without_table(world: World) -> set[str]:
    """Give the ids of all events but router entries, whose chain is in the order of the observations."""
    return {event.event_id for event in world.log if not isinstance(event, RouterEntry)}


def shuffled_topics(data: st.DataObject, events: list[Event]) -> list[Event]:
    """Draw another order of the topics against each other; within a topic and a key the order stays."""
    queues = [list(queue) for _, queue in groupby(sorted(events, key=lambda event: event.topic), lambda e: e.topic)]
    drawn: list[Event] = []
    while queues := [queue for queue in queues if queue]:
        drawn.append(data.draw(st.sampled_from(queues)).pop(0))
    return drawn


def inputs_of(processor: Processor, world: World) -> list[Event]:
    """List what a processor read, in log order."""
    return [event for event in world.log if event.topic in processor.reads]


# --- duplicates ------------------------------------------------------------------------------------------------------


@given(plans(), st.data())
def test_duplicates_change_nothing(plan: Plan, data: st.DataObject) -> None:
    """Any record that comes once more leads to no event that was not there."""
    world = played(plan)
    before = set(world.ids)
    for _ in range(data.draw(st.integers(1, 6))):
        world.put(data.draw(st.sampled_from(world.log)))
    assert world.ids == before


@given(plans(), st.data())
def test_duplicates_on_the_way_change_nothing(plan: Plan, data: st.DataObject) -> None:
    """Records that come again before the question is decided leave the decision as it would have been."""
    expected = played(plan)
    world = World(plan.policy)
    for event in expected.log:
        if not isinstance(event, DERIVED):
            world.put(event)
            for repeat in data.draw(st.lists(st.sampled_from(world.log), max_size=2)):
                world.put(repeat)
    assert world.ids == expected.ids


@given(plans())
def test_an_applied_event_leaves_the_state_that_was_given(plan: Plan) -> None:
    """A second delivery of the whole log makes no event and no new state, so a host has nothing to write."""
    world = played(plan)
    for event in world.log:
        for folder in world.folders:
            before = dict(folder.states)
            for step in folder.put(event) if event.topic in folder.processor.reads else ():
                assert step.events == ()
            assert all(folder.states[key] is state for key, state in before.items())


# --- what hosts are told ---------------------------------------------------------------------------------------------


class NoTables(Tables):
    """What a processor is given that sees no tables."""

    def __init__(self) -> None:
        """Hold nothing, so that every look at it fails."""


@given(plans())
def test_processor_that_recalls_nothing_knows_repeats_after_a_restart(plan: Plan) -> None:
    """Where a state alone has to tell that an event was applied, one that was loaded tells it too."""
    world = played(plan, reload=True)
    for folder in world.folders:
        if not folder.processor.recalled:
            assert folder.put_all(inputs_of(folder.processor, world)) == []


@given(plans())
def test_processor_that_sees_no_tables_looks_at_none(plan: Plan) -> None:
    """What follows without the policy and the router table is what followed with them."""
    world = played(plan)
    for processor in PROCESSORS:
        if not processor.sees_tables:
            made = Folder(processor, NoTables()).put_all(inputs_of(processor, world))
            assert {event.event_id for event in made} <= world.ids


# --- order -----------------------------------------------------------------------------------------------------------


@given(plans(), schedules)
def test_questions_do_not_disturb_each_other(plan: Plan, schedule: list[int]) -> None:
    """While the router's table stands still, any interleaving of different questions gives the same events."""
    one_by_one, mixed = played(plan, frozen_table=True), played(plan, schedule, frozen_table=True)
    assert ids_without_table(mixed) == ids_without_table(one_by_one)


@given(plans(unguided_policies()), schedules)
def test_static_router_decides_the_same_in_any_order(plan: Plan, schedule: list[int]) -> None:
    """Under static routing and a vote, what was learned in between changes no answer."""
    answers = [
        {
            decision.question_id: (decision.status, decision.answer, decision.reason)
            for decision in world.of(DecisionMade)
        }
        for world in (played(plan), played(plan, schedule))
    ]
    assert answers[0] == answers[1]


@given(plans(said=outspoken, most=1), st.data())
def test_order_of_assignments_and_analyses_does_not_matter(plan: Plan, data: st.DataObject) -> None:
    """However the topics of one question come against each other, `merge` gives the same stages and decision."""
    events = inputs_of(MERGE, played(plan))
    expected = Folder(MERGE).put_all(events)
    assert Folder(MERGE).put_all(shuffled_topics(data, events)) == expected


@given(plans(most=1), st.data())
def test_order_of_decisions_and_feedback_does_not_matter(plan: Plan, data: st.DataObject) -> None:
    """However the topics of one question come against each other, `learn` observes the same."""
    events = inputs_of(LEARN, played(plan))
    observed, otherwise = (Folder(LEARN).put_all(order) for order in (events, shuffled_topics(data, events)))
    assert {event.event_id for event in otherwise} == {event.event_id for event in observed}


# --- restarts --------------------------------------------------------------------------------------------------------


@given(plans(), schedules)
def test_restarts_change_nothing(plan: Plan, schedule: list[int]) -> None:
    """A world in which every state goes through its JSON form after every event has the same log, in the same order."""
    assert played(plan, schedule, reload=True).log == played(plan, schedule).log


@given(plans(), schedules)
def test_replay_gives_the_same_log(plan: Plan, schedule: list[int]) -> None:
    """Folding the inputs of a log once more gives the log."""
    world = played(plan, schedule)
    again = World(plan.policy)
    again.put(*(event for event in world.log[1:] if not isinstance(event, DERIVED)))
    assert again.log == world.log


# --- causes and time -------------------------------------------------------------------------------------------------


@given(plans(), schedules)
def test_derived_events_rest_on_the_log(plan: Plan, schedule: list[int]) -> None:
    """Every cause of a derived event stands before it in the log, and its time is that of its latest cause."""
    seen: dict[str, str] = {}
    for event in played(plan, schedule).log:
        if isinstance(event, DERIVED):
            assert event.causes
            assert event.occurred_at == max(seen[cause] for cause in event.causes)
        seen[event.event_id] = event.occurred_at


@given(plans(), schedules)
def test_router_table_is_a_chain(plan: Plan, schedule: list[int]) -> None:
    """Each line of the table counts its entries without gaps, each naming the one before."""
    world = played(plan, schedule)
    lines: dict[str, list[RouterEntry]] = {}
    for entry in world.of(RouterEntry):
        lines.setdefault(entry.key, []).append(entry)
    for line in lines.values():
        assert [entry.sequence for entry in line] == list(range(1, len(line) + 1))
        assert [entry.previous for entry in line] == [None, *(entry.event_id for entry in line[:-1])]


# --- decisions -------------------------------------------------------------------------------------------------------


@given(plans(), schedules)
def test_every_question_ends_in_one_decision(plan: Plan, schedule: list[int]) -> None:
    """A question whose seats have answered, or whose deadline has passed, has exactly one decision."""
    world = played(plan, schedule)
    decided = Counter(decision.question_id for decision in world.of(DecisionMade))
    assert decided == Counter(asked.question_id for asked in world.of(QuestionAsked))


@given(plans())
def test_decision_accounts_for_every_seat(plan: Plan) -> None:
    """Each analyst's seat is counted or excluded, once, and every analysis that was asked for is a cause."""
    world = played(plan)
    for decision in world.of(DecisionMade):
        openers = [*world.of(PanelAssigned, decision.question_id), *world.of(StageOpened, decision.question_id)]
        seats = [
            (opener.stage.number, seat.agent)
            for opener in openers
            if opener.stage.role == "analyst"
            for seat in opener.stage.seats
        ]
        beside = world.assignment(decision.question_id).shadow_stage
        shadows = (decision.shadows or ()) if isinstance(decision, DecisionMadeV2) else ()
        assert [seat.agent for seat in (() if beside is None else beside.seats)] == [one.agent for one in shadows]
        voices = [(voice.stage, voice.agent) for voice in (*decision.counted, *decision.excluded)]
        heard = [one.event_id for one in world.of(AnalysisPublished, decision.question_id)]
        assert sorted(voices) == sorted(seats)
        assert set(heard) <= set(decision.causes)
        assert decision.calls + sum(one.conduct.attempts for one in shadows) == len(heard)


@given(plans())
def test_tally_is_the_sum_of_the_ballots(plan: Plan) -> None:
    """What a decision says of its ballots adds up."""
    for decision in played(plan).of(DecisionMade):
        tally: Counter[str] = Counter()
        for ballot in decision.counted:
            tally[ballot.answer] += ballot.weight
        assert decision.tally == dict(tally)
        assert decision.agreement.counted == len(decision.counted)
        assert decision.agreement.agreeing == sum(ballot.answer == decision.answer for ballot in decision.counted)
        assert (decision.status == "decided") == (decision.answer is not None)


def plurality(replies: dict[str, str]) -> str | None:
    """Vote with a dictionary: most ballots, among equals the answer of the first agent."""
    votes = [reply for reply in replies.values() if reply not in (FAILED, UNREADABLE, OUTSIDE, SILENT)]
    ballots = Counter(votes)
    return max(votes, key=lambda answer: ballots[answer]) if votes else None


@given(st.dictionaries(st.sampled_from("abcdefg"), replies, min_size=1))
def test_vote_agrees_with_a_dictionary(said: dict[str, str]) -> None:
    """A vote of all agents is the plurality that three lines of Python find."""
    assert voted(**said).decision().answer == plurality(said)


# --- garbage ---------------------------------------------------------------------------------------------------------

SPOILT = st.sampled_from(
    [{"stage": 7}, {"causes": ("0" * 64,)}, {"causes": ()}, {"agent": "stranger"}, {"role": "merger"}]
)


@given(plans(said=outspoken, most=1), st.lists(SPOILT, min_size=1, max_size=3), st.data())
def test_garbage_changes_nothing(plan: Plan, spoilt: list[dict[str, Any]], data: st.DataObject) -> None:
    """Analyses nobody asked for, whenever they come, leave stages and decision as they are."""
    world = played(plan)
    events = inputs_of(MERGE, world)
    expected = Folder(MERGE).put_all(events)
    for changes in spoilt:
        agent = data.draw(st.sampled_from([agent.name for agent in plan.policy.agents]))
        stray = analysis(world.assignment("q0"), **{"agent": agent, "reply": "C", **changes})
        events.insert(data.draw(st.integers(0, len(events))), stray)
    assert Folder(MERGE).put_all(shuffled_topics(data, events)) == expected
