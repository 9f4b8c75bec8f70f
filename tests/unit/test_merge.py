"""Processor `merge` as a join: order, repeats, misfits and restarts."""

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest

from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned
from streams.processors.merge import MERGE

from ..worlds import (
    FAILED,
    SILENT,
    Folder,
    Opener,
    World,
    analysis,
    decide,
    gold,
    overdue,
    policy,
    question,
    said,
)

VOTE = policy("a", "b", merge={"rule": "vote"})


def assigned(given: Any = VOTE, question_id: str = "q") -> PanelAssigned:
    """Assign one question."""
    world = World(given)
    world.put(question(question_id))
    return world.assignment(question_id)


def merging() -> Folder:
    """Give `merge` with nothing in it."""
    return Folder(MERGE)


def inputs(world: World) -> list[Event]:
    """List what `merge` read, in log order."""
    return [event for event in world.log if event.topic in MERGE.reads]


# --- order between topics --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
def test_order_of_arrival_does_not_matter(order: tuple[int, ...]) -> None:
    """Whatever comes first, assignment or analyses, the decision is the same, to the byte."""
    first = assigned()
    events = [first, analysis(first, "a", "A"), analysis(first, "b", "B")]
    (decision,) = merging().put_all(events)
    (other,) = merging().put_all(events[place] for place in order)
    assert other.encode() == decision.encode()


def test_deadline_may_come_before_the_assignment() -> None:
    """A question that was overdue before its assignment was read is undecided at once."""
    merge = merging()
    assert merge.put_all([overdue()]) == []
    (decision,) = merge.put_all([assigned()])
    assert isinstance(decision, DecisionMade)
    assert (decision.status, decision.reason) == ("undecided", "deadline")


@pytest.mark.parametrize("verdict", [True, False], ids=["with verdict", "without verdict"])
def test_analyses_of_later_stages_may_come_before_the_assignment(verdict: bool) -> None:
    """After a restart all analyses may be read before the assignment: the stages follow as they did."""
    script = said(a="A", b="B")
    world = decide(
        policy("a", "b", merge={"rule": "agent"}),
        lambda opener, agent: script(opener, agent) if verdict or opener.stage.role == "analyst" else None,
    )
    events = inputs(world)
    late = sorted(events, key=lambda event: isinstance(event, PanelAssigned))
    assert merging().put_all(late) == merging().put_all(events)


@pytest.mark.parametrize("spoil", [{"causes": ("0" * 64,)}, {"role": "merger"}, {"stage": 7}], ids=str)
def test_stray_analysis_does_not_take_a_seat_before_the_assignment(spoil: dict[str, Any]) -> None:
    """What turns out to fit no seat keeps no other analysis out, even where it came before the assignment."""
    first = assigned()
    stray = analysis(first, "a", "D", **spoil)
    proper = [analysis(first, "a", "A"), analysis(first, "b", "A")]
    assert merging().put_all([stray, *proper, first]) == merging().put_all([first, stray, *proper])


def test_questions_do_not_mix() -> None:
    """Each question has its own state, whatever comes between."""
    one, two = assigned(question_id="q1"), assigned(question_id="q2")
    merge = merging()
    merge.put_all([one, two, analysis(one, "a", "A"), analysis(two, "a", "B")])
    answers = [event.answer for event in merge.put_all([analysis(two, "b", "B"), analysis(one, "b", "A")])]
    assert answers == ["B", "A"]


# --- repeats ---------------------------------------------------------------------------------------------------------


REPEATED: dict[str, Callable[[], World]] = {
    "decided": lambda: decide(policy("a", "b", merge={"rule": "vote"}), said(a="A", b="A")),
    "decided in two stages": lambda: decide(policy("a", "b", merge={"rule": "agent"}), said(a="A", b="A")),
    "second stage open": lambda: decide(
        policy("a", "b", merge={"rule": "vote", "reserve": 1}, routing={"panel_size": 1}), said(a=FAILED, b=SILENT)
    ),
    "first stage open": lambda: decide(policy("a", "b", merge={"rule": "vote"}), said(a="A", b=SILENT)),
}


@pytest.mark.parametrize("reload", [False, True], ids=["kept", "reloaded"])
@pytest.mark.parametrize("case", REPEATED)
def test_repeat_changes_nothing(case: str, reload: bool) -> None:
    """Assignment and analyses that come once more give nothing and are no error, whatever they had led to."""
    events = inputs(REPEATED[case]())
    merge = Folder(MERGE, reload=reload)
    merge.put_all(events)
    for event in events:
        before = merge.states["q"]
        for step in merge.put(event):
            assert (step.events, step.rejection) == ((), None)
            assert step.state is before


def test_second_assignment_is_ignored() -> None:
    """Of two assignments of a question the first counts."""
    first, second = assigned(), assigned(policy("b", merge={"rule": "vote"}))
    outputs = merging().put_all([first, second, analysis(first, "a", "A"), analysis(first, "b", "A")])
    assert [first.event_id in output.causes for output in outputs] == [True]


def test_second_analysis_of_a_seat_is_ignored() -> None:
    """Of several analyses of one seat the first in log order counts; the others are not kept."""
    first = assigned()
    merge = merging()
    merge.put_all([first, analysis(first, "a", "A")])
    before = merge.states["q"]
    (second,) = merge.put(analysis(first, "a", "B"))
    (decision,) = merge.put_all([analysis(first, "b", "A")])
    assert (second.events, second.rejection, second.state) == ((), None, before)
    assert isinstance(decision, DecisionMade)
    assert decision.tally == {"A": 2}


def test_second_deadline_is_ignored() -> None:
    """Only the first deadline counts."""
    merge = merging()
    merge.put_all([overdue(at=50), overdue(at=60)])
    (decision,) = merge.put_all([assigned()])
    assert decision.causes[-1] == overdue(at=50).event_id


@pytest.mark.parametrize(
    "late", [lambda first: overdue(), lambda first: analysis(first, "b", "C")], ids=["deadline", "analysis"]
)
def test_what_comes_after_the_decision_is_ignored(late: Callable[[PanelAssigned], Event]) -> None:
    """A question has one decision; what comes later changes nothing and is no error."""
    first = assigned()
    merge = merging()
    merge.put_all([first, analysis(first, "a", "A"), analysis(first, "b", "A")])
    before = merge.states["q"]
    (step,) = merge.put(late(first))
    assert (step.events, step.rejection, step.state) == ((), None, before)


# --- what does not fit -----------------------------------------------------------------------------------------------

MISPLACED: dict[str, tuple[Callable[[Opener], Event], str]] = {
    "no such seat": (lambda first: analysis(first, "z"), "opened no stage 0 for agent 'z'"),
    "no such stage": (lambda first: analysis(first, "a", stage=1), "question 'q' has no stage 1"),
    "another role": (lambda first: analysis(first, "a", role="merger"), "opened no stage 0 for agent 'a'"),
    "another cause": (
        lambda first: analysis(first, "a", causes=("0" * 64,)),
        "the event it names as its cause opened no stage 0",
    ),
    "no cause": (lambda first: analysis(first, "a", causes=()), "the event it names as its cause opened no stage 0"),
    "too many causes": (
        lambda first: analysis(first, "a", causes=(first.event_id, "0" * 64)),
        "the event it names as its cause opened no stage 0",
    ),
}


@pytest.mark.parametrize("case", MISPLACED)
def test_analysis_nobody_asked_for_is_rejected(case: str) -> None:
    """An analysis without a seat is rejected with the reason, and the state stays as it is."""
    build, detail = MISPLACED[case]
    first = assigned()
    merge = merging()
    merge.put(first)
    before = merge.states["q"]
    (step,) = merge.put(build(first))
    assert step.rejection is not None
    assert step.rejection.reason == "unknown_reference"
    assert detail in step.rejection.detail
    assert (step.events, step.state) == ((), before)


@pytest.mark.parametrize("case", MISPLACED)
def test_analysis_nobody_asked_for_does_not_decide_before_the_assignment(case: str) -> None:
    """What came before the assignment is checked when the assignment comes, and not kept if it fits no seat."""
    first = assigned(policy("a", merge={"rule": "vote"}))
    merge = merging()
    assert merge.put_all([MISPLACED[case][0](first), first]) == []
    assert merge.states["q"].analyses == ()


def test_rejected_analysis_leaves_the_seat_free() -> None:
    """After a misplaced analysis the proper one still counts."""
    first = assigned(policy("a", merge={"rule": "vote"}))
    merge = merging()
    merge.put_all([first, analysis(first, "a", "D", role="merger")])
    (decision,) = merge.put_all([analysis(first, "a", "A")])
    assert isinstance(decision, DecisionMade)
    assert decision.answer == "A"


# --- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", ["vote", "weighted", "agent", "cascade"])
def test_restart_between_any_two_events_changes_nothing(rule: str) -> None:
    """A state that went through its JSON form decides the same."""
    given = policy("a", "b", "c", merge={"rule": rule, "merge_agent": True, "accept_ppb": 10**9})
    events = inputs(decide(given, said(a="A", b="B", c="B")))
    assert Folder(MERGE, reload=True).put_all(events) == merging().put_all(events)


def test_dumped_state_keeps_a_deadline_and_early_analyses() -> None:
    """What waits for its assignment survives a restart."""
    first = assigned()
    merge = Folder(MERGE, reload=True)
    merge.put_all([analysis(first, "a", "C"), overdue()])
    (decision,) = merge.put_all([first])
    assert isinstance(decision, DecisionMade)
    assert (decision.answer, decision.reason) == ("C", "deadline")


def test_question_is_open_until_it_is_decided() -> None:
    """A host lists the questions that wait for something."""
    first = assigned()
    merge = merging()
    for event in (first, analysis(first, "a", "A")):
        merge.put(event)
        assert MERGE.open(merge.states["q"])
    merge.put(analysis(first, "b", "A"))
    assert not MERGE.open(merge.states["q"])


def test_reloaded_closed_question_stays_closed() -> None:
    """A decided question is not decided again after a restart."""
    first = assigned()
    events = [first, analysis(first, "a", "A"), analysis(first, "b", "A")]
    merge = Folder(MERGE, reload=True)
    assert len(merge.put_all(events)) == 1
    assert merge.put_all([*events, overdue()]) == []
    assert not MERGE.open(merge.states["q"])


def test_dump_of_a_foreign_event_is_refused() -> None:
    """A state that holds an event of another kind is not loaded."""
    with pytest.raises(ValueError, match="a merge state holds no "):
        MERGE.load({"events": [gold("A").encode().decode()], "trace": []})


def test_other_events_have_no_key() -> None:
    """`merge` is not concerned with what it wrote itself, nor with feedback."""
    world = decide(policy("a", "b", merge={"rule": "agent"}), said(a="A", b=SILENT))
    world.put(analysis(world.assignment(), "b", "A"))
    assert MERGE.keys(world.stage(1)) == ()
    assert MERGE.keys(gold("A")) == ()


def test_fold_leaves_its_own_stages_alone() -> None:
    """A stage that comes back as a record changes nothing."""
    world = decide(policy("a", "b", merge={"rule": "agent"}), said(a="A", b="A"))
    merge = merging()
    merge.put_all(inputs(world))
    state = merge.states["q"]
    step = MERGE.fold(state, world.stage(1), "q", merge.tables)
    assert (step.state, step.events) == (state, ())
