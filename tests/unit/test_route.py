"""Processor `route`: analysts by stage, dispatcher and merge agent."""

from typing import Any

import pytest

from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.quantities import ms_of_instant
from streams.processors.decompose import FIXED_SUB_QUESTIONS
from streams.processors.fold import Tables
from streams.processors.route import ROUTE

from ..worlds import Folder, World, entry, moment, overdue, policy, question, table


def routed(given: PolicyAdopted, *entries: Any, **asked: Any) -> PanelAssigned:
    """Route one question by a policy and a table."""
    (assignment,) = Folder(ROUTE, Tables(given, table(*entries))).put_all([question(**asked)])
    assert isinstance(assignment, PanelAssigned)
    return assignment


def agents_of(assignment: PanelAssigned) -> tuple[str, ...]:
    """Give the agents of the first stage, in seat order."""
    return tuple(seat.agent for seat in assignment.stage.seats)


# --- stages ----------------------------------------------------------------------------------------------------------


def test_panel_sits_in_one_stage() -> None:
    """Without a cascade all of the panel analyse at once, and nobody later."""
    assignment = routed(policy("a", "b", "c", "d"))
    assert (assignment.stage.number, assignment.stage.role, agents_of(assignment)) == (0, "analyst", ("a", "b", "c"))
    assert (assignment.later, assignment.reserve, assignment.merger) == ((), (), None)


CASCADE = {"rule": "cascade", "stages": (2, 1)}


def test_cascade_splits_the_panel() -> None:
    """The stages of a cascade are filled in rank order."""
    assignment = routed(policy("a", "b", "c", merge=CASCADE), entry("c", quality_ppb=10**9))
    assert (agents_of(assignment), assignment.later) == (("c", "a"), (("b",),))


def test_warm_up_asks_everybody_at_once() -> None:
    """During the warm-up a cascade has one stage, with all agents of the policy."""
    routing = {"panel_size": 3, "exploration": {"warm_up": 1}}
    assignment = routed(policy("a", "b", "c", "d", merge=CASCADE, routing=routing))
    assert (agents_of(assignment), assignment.later) == (("a", "b", "c", "d"), ())


def test_reserve_is_named() -> None:
    """The reserve is in the assignment, so that the merge can ask it without the router."""
    routing = {"panel_size": 2}
    assert routed(policy("a", "b", "c", "d", routing=routing, merge={"reserve": 1})).reserve == ("c",)


def test_explored_agent_is_named() -> None:
    """The agent that has its seat because it is little known is in the assignment."""
    exploration = {"warm_up": 0, "kind": "nth", "every": 2}
    given = policy("a", "b", "c", routing={"panel_size": 2, "exploration": exploration})
    explored = {
        asked.event_id[-1] in "02468ace": routed(given, text=asked.text).explored
        for asked in (question(text=str(number)) for number in range(8))
    }
    assert explored == {True: "c", False: None}


# --- decomposition ---------------------------------------------------------------------------------------------------


def test_no_decomposition_has_no_sub_questions() -> None:
    """Each seat looks at the whole question."""
    assert [seat.sub_question for seat in routed(policy("a", "b", "c")).stage.seats] == [None] * 3


def test_fixed_decomposition_gives_each_seat_a_part() -> None:
    """The panel shares the three fixed parts out, in seat order."""
    assignment = routed(policy("a", "b", "c", decomposition="fixed"))
    assert tuple(seat.sub_question for seat in assignment.stage.seats) == FIXED_SUB_QUESTIONS


def test_dispatcher_is_asked_first() -> None:
    """Rank 1 writes the parts in a stage of its own; all of the panel, rank 1 too, analyse after it."""
    assignment = routed(policy("a", "b", "c", decomposition="dispatcher"), entry("b", quality_ppb=10**9))
    assert (assignment.stage.role, agents_of(assignment)) == ("dispatcher", ("b",))
    assert assignment.later == (("b", "a", "c"),)


def test_dispatcher_of_a_cascade_is_asked_first() -> None:
    """All stages of a cascade come after the dispatcher's."""
    assignment = routed(policy("a", "b", "c", decomposition="dispatcher", merge=CASCADE))
    assert (assignment.stage.role, assignment.later) == ("dispatcher", (("a", "b"), ("c",)))


# --- merger ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("merger", "agent"), [("first", "b"), ("second", "a"), ("d", "d")], ids=["first", "second", "named"]
)
def test_merger_is_rank_one_rank_two_or_named(merger: str, agent: str) -> None:
    """The merge agent is chosen by rank for this question, or by name, from outside the panel too."""
    given = policy("a", "b", "c", "d", merge={"rule": "agent"}, routing={"merger": merger})
    assert routed(given, entry("b", quality_ppb=10**9)).merger == agent


def test_second_of_a_panel_of_one_is_the_first() -> None:
    """A panel of one merges by itself."""
    assert routed(policy("a", merge={"rule": "agent"}, routing={"merger": "second"})).merger == "a"


@pytest.mark.parametrize(
    ("merge", "merger"),
    [
        ({"rule": "vote"}, None),
        ({"rule": "weighted"}, None),
        ({"rule": "vote", "merge_agent": True}, None),
        ({**CASCADE}, None),
        ({**CASCADE, "merge_agent": True}, "a"),
        ({"rule": "agent"}, "a"),
    ],
    ids=["vote", "weighted", "vote with a setting of cascade", "cascade", "cascade with merge agent", "agent"],
)
def test_only_rules_that_may_ask_a_merger_name_one(merge: dict[str, Any], merger: str | None) -> None:
    """An assignment names a merge agent only where its rule may ask one."""
    assert routed(policy("a", "b", "c", merge=merge)).merger == merger


# --- scopes ----------------------------------------------------------------------------------------------------------


def test_subject_is_a_scope_of_its_own() -> None:
    """A question of a subject consults the global scope and the subject's, and teaches both."""
    wide, narrow = entry("b", quality_ppb=1), entry("b", "law", quality_ppb=10**9)
    assignment = routed(policy("a", "b", routing={"shrinkage": 0}), wide, narrow, subject="law")
    assert (assignment.scopes, agents_of(assignment)) == (("*", "law"), ("b", "a"))
    assert assignment.candidates[0].entry_ids == (wide.event_id, narrow.event_id)


def test_subjects_may_be_left_out() -> None:
    """Without `by_subject` a question of a subject consults and teaches the global scope alone."""
    narrow = entry("b", "law", quality_ppb=10**9)
    assignment = routed(policy("a", "b", routing={"by_subject": False}), narrow, subject="law")
    assert (assignment.scopes, agents_of(assignment)) == (("*",), ("a", "b"))


def test_other_subjects_are_not_consulted() -> None:
    """What an agent did in one subject says nothing in another."""
    assignment = routed(policy("a", "b"), entry("b", "law", quality_ppb=10**9), subject="physics")
    assert assignment.candidates[0].entry_ids == (None, None)


def test_shrinkage_is_the_policys() -> None:
    """A subject with few observations counts as the policy says."""
    lines = entry("a", quality_ppb=400_000_000), entry("a", "law", seen=50, quality_ppb=800_000_000)
    given = policy("a", routing={"shrinkage": 150})
    assert routed(given, *lines, subject="law").candidates[0].quality_ppb == 500_000_000


# --- what travels with the question ----------------------------------------------------------------------------------


def test_settings_travel_with_the_question() -> None:
    """What merge and lessons will need is in the assignment, as the policy had it."""
    given = policy("a", "b", "c", policy_id="thrifty", merge=CASCADE, decomposition="fixed", deadline_ms=77)
    assignment = routed(given)
    assert (assignment.policy_id, assignment.deadline_ms, assignment.decomposition) == ("thrifty", 77, "fixed")
    assert (assignment.merge, assignment.learning) == (given.merge, given.learning)


@pytest.mark.parametrize(("options", "answer_type"), [(4, "choice"), (0, "number")])
def test_answer_type_travels_with_the_question(options: int, answer_type: str) -> None:
    """The merge reads answers without the question: it knows their type and the number of options."""
    assignment = routed(policy("a"), options=options)
    assert (assignment.option_count, assignment.answer_type) == (options, answer_type)


@pytest.mark.parametrize(("ties", "order"), [("rank", ("c", "a", "b")), ("priority", ("b", "a", "c"))])
def test_order_that_settles_ties_travels_too(ties: str, order: tuple[str, ...]) -> None:
    """All agents are in it: by rank for this question, or as the policy lists them."""
    given = policy("a", "b", "c", merge={"ties": ties}, routing={"priority": ("b",)})
    lines = entry("c", quality_ppb=10**9), entry("b", quality_ppb=1)
    assert routed(given, *lines).priority == order


def test_causes_are_all_that_was_consulted() -> None:
    """The assignment rests on the question, the policy and every router entry consulted, also of those not chosen."""
    given, asked = policy("a", "b", routing={"panel_size": 1}), question(subject="law")
    lines = entry("b", "law"), entry("a"), entry("b"), entry("a", "physics")
    causes = routed(given, *lines, subject="law").causes
    assert causes[:2] == (asked.event_id, given.event_id)
    assert sorted(causes[2:]) == sorted(line.event_id for line in lines[:3])


def test_causes_name_entries_by_rank_and_scope() -> None:
    """Entries are named in rank order of their agents, the wider scope first."""
    lines = entry("a", quality_ppb=1), entry("b"), entry("b", "law")
    assert routed(policy("a", "b"), *lines, subject="law").causes[2:] == (
        lines[1].event_id,
        lines[2].event_id,
        lines[0].event_id,
    )


@pytest.mark.parametrize("latest", ["question", "policy", "entry"])
def test_time_is_that_of_the_latest_cause(latest: str) -> None:
    """An assignment is as late as the last of what it rests on."""
    times = {"question": 10, "policy": 10, "entry": 10, latest: 99}
    line = entry("a", occurred_at=moment(times["entry"]))
    assert routed(policy("a", at=times["policy"]), line, at=times["question"]).occurred_at == moment(99)


def test_id_of_the_assignment_commits_to_the_table() -> None:
    """The same question on another table has another assignment, though the panel is the same."""
    first, second = (routed(policy("a"), entry("a", quality_ppb=quality)) for quality in (1, 2))
    assert agents_of(first) == agents_of(second)
    assert first.event_id != second.event_id


# --- repeats, conflicts, other events --------------------------------------------------------------------------------


def folder() -> Folder:
    """Give `route` with a policy and an empty table."""
    return Folder(ROUTE, Tables(policy("a", "b"), {}))


def test_repeated_question_changes_nothing() -> None:
    """The same question once more gets no second panel, whatever was learned since."""
    route = folder()
    (first,) = route.put(question())
    route.tables.entries = table(entry("b", quality_ppb=10**9))
    (repeat,) = route.put(question())
    assert repeat.events == ()
    assert repeat.state is first.state


def test_producers_retry_changes_nothing() -> None:
    """The same question with another record time is the same question."""
    route = folder()
    (first,) = route.put(question(at=10))
    (retry,) = route.put(question(at=11))
    assert (retry.events, retry.rejection) == ((), None)
    assert retry.state is first.state


def test_other_question_under_the_same_id_is_a_conflict() -> None:
    """Of two questions with one id the first counts; the other is rejected, with the first one's event id."""
    route = folder()
    (first,) = route.put(question())
    (other,) = route.put(question(text="Else?"))
    assert (other.events, other.state) == ((), first.state)
    assert other.rejection is not None
    assert other.rejection.reason == "conflict"
    assert (
        f"question_id 'q' already stands for another question (event {question().event_id})" in other.rejection.detail
    )


def test_reloaded_state_still_knows_the_question() -> None:
    """After a restart a repeat is still a repeat, and another question still a conflict."""
    route = Folder(ROUTE, Tables(policy("a"), {}), reload=True)
    route.put(question())
    (repeat,), (other,) = route.put(question()), route.put(question(text="Else?"))
    assert (repeat.events, repeat.rejection) == ((), None)
    assert other.rejection is not None


def test_without_a_policy_a_question_stays_where_it_is() -> None:
    """A question is not lost while there is no policy: it is routed when it comes once more."""
    route = Folder(ROUTE, Tables(None, {}))
    assert route.put_all([question()]) == []
    route.tables.policy = policy("a")
    assert len(route.put_all([question()])) == 1


def test_other_events_have_no_key() -> None:
    """`route` reads nothing but questions."""
    assert ROUTE.keys(overdue()) == ()
    assert not ROUTE.open(None)


def test_fold_leaves_other_events_alone() -> None:
    """An event of another kind changes nothing."""
    assert ROUTE.fold(None, overdue(), "q", Tables(policy("a"), {})).state is None


def test_new_policy_does_not_rewrite_the_past() -> None:
    """A question keeps the policy under which it was assigned; the next one has the new."""
    world = World(policy("a", policy_id="old"))
    world.put(question("q1"), policy("b", policy_id="new", at=20), question("q2"), question("q1"))
    assert [assigned.policy_id for assigned in world.of(PanelAssigned)] == ["old", "new"]


def test_moment_is_seconds() -> None:
    """The worlds' own clock counts as the tests read it."""
    assert ms_of_instant(moment(99)) - ms_of_instant(moment(10)) == 89_000
