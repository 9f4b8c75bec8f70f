"""Shadow seats in panels, decisions and observations."""

import itertools
from typing import Any

import pytest
from pydantic import ValidationError

from schemas.decisions import DeadlinePassedV2, DecisionMadeV2
from schemas.panels import SHADOW_STAGE, PanelAssignedV2, StageOpened
from schemas.policies import PolicyAdoptedV2
from schemas.quantities import PPB
from schemas.router import AgentObserved

from ..worlds import (
    FAILED,
    OUTSIDE,
    SILENT,
    Script,
    World,
    analysis,
    gold,
    merged,
    moment,
    newest,
    policy,
    question,
    said,
    shadowed,
    verdict,
)

ALL = ("a", "b", "c", "d", "e")


def two_seats(*names: str, **fields: Any) -> PolicyAdoptedV2:
    """Build a policy that asks two of the agents, and the others in shadow seats."""
    return shadowed(policy(*(names or ALL), routing={"panel_size": 2}, **fields))


def made(world: World) -> DecisionMadeV2:
    """Give the one decision."""
    decision = world.decision()
    assert isinstance(decision, DecisionMadeV2)
    return decision


def overdue_panel(world: World) -> DeadlinePassedV2:
    """Build the deadline of the one panel."""
    return DeadlinePassedV2(occurred_at=moment(1_000), question_id="q", causes=(world.assignment().event_id,))


def asked(script: Script | None = None, **fields: Any) -> World:
    """Ask one question, and let the agents answer."""
    world = World(two_seats(**fields), reload=True)
    world.put(question())
    if script is not None:
        world.play(script)
    return world


def test_all_agents_without_a_seat_are_asked_beside_the_panel() -> None:
    """The panel names them by rank, in a stage of their own, from the assignment on."""
    world = asked()
    panel = world.assignment()
    assert isinstance(panel, PanelAssignedV2)
    assert panel.shadows == ("c", "d", "e")
    assert panel.shadow_stage is not None
    assert (panel.shadow_stage.number, panel.shadow_stage.role) == (SHADOW_STAGE, "analyst")
    assert [agent for _, agent in world.waiting()] == list(ALL)


def test_dispatcher_has_no_shadow_seat() -> None:
    """Who writes the sub-questions is asked already, also where exploration took its place among the analysts."""
    routing = {"panel_size": 1, "exploration": {"warm_up": 0, "kind": "nth", "every": 2}}
    world = World(shadowed(policy("a", "b", "c", routing=routing, decomposition="dispatcher")), reload=True)
    for number in range(8):
        world.put(question(f"q{number}"))
    world.play(said(a="A", b="B", c="C"))
    explored = [panel for panel in world.of(PanelAssignedV2) if panel.explored]
    assert {(panel.stage.seats[0].agent, panel.later, panel.shadows) for panel in explored} <= {
        ("a", (("b",),), ("c",)),
        ("a", (("c",),), ("b",)),
    }
    assert explored
    assert len(world.of(DecisionMadeV2)) == 8


def test_policy_without_shadows_writes_nothing_of_them() -> None:
    """A panel and a decision under a policy without shadow seats hold no such field."""
    world = World(newest(policy("a", "b", "c", routing={"panel_size": 2})))
    world.put(question())
    world.play(said(a="A", b="A", c="B"))
    assert made(world).shadows is None
    assert not any(b"shadow" in event.encode() for event in world.log)


def test_shadows_have_no_ballot_and_no_part_in_the_sums() -> None:
    """Three against two outside the panel change nothing; their calls and their cost stand beside the decision's."""
    decision = made(asked(said(a="A", b="A", c="B", d="B", e="B"), merge={"rule": "vote"}))
    assert (decision.answer, decision.agreement.counted, decision.excluded) == ("A", 2, ())
    assert (decision.calls, decision.cost_nusd) == (2, 10_000)
    assert [(shadow.agent, shadow.answer) for shadow in decision.shadows or ()] == [("c", "B"), ("d", "B"), ("e", "B")]
    assert sum(shadow.conduct.cost_nusd for shadow in decision.shadows or ()) == 15_000
    assert len(decision.causes) == 1 + 5


def test_shadows_do_not_save_an_undecided_question() -> None:
    """Where the panel gives no answer, the question is undecided, whatever the others say."""
    world = asked(said(a=FAILED, b=FAILED, c="B", d="B", e="B"), merge={"rule": "vote"})
    assert world.summary()[:3] == ("undecided", None, "quorum")
    assert len(made(world).shadows or ()) == 3


@pytest.mark.parametrize("order", list(itertools.permutations(range(4)))[::5])
def test_order_of_the_analyses_changes_no_stage(order: tuple[int, ...]) -> None:
    """The merge agent's stage rests on the panel alone, whether shadow seats answered before it or after."""
    policy_given = two_seats("a", "b", "c", "d", merge={"rule": "agent"})
    plain, mixed = World(policy_given), World(policy_given, reload=True)
    for world in (plain, mixed):
        world.put(question())
    script = said(a="A", b="B", c="C", d="D")
    seats = list(mixed.waiting())
    for place in order:
        opener, agent = seats[place]
        answer = script(opener, agent)
        assert answer is not None
        mixed.put(answer)
    plain.play(merged(SILENT, a="A", b="B"))
    assert [stage.event_id for stage in mixed.of(StageOpened)] == [stage.event_id for stage in plain.of(StageOpened)]
    for world in (plain, mixed):
        world.play(merged("B", c="C", d="D"))
    assert made(plain) == made(mixed)
    assert mixed.summary() == ("decided", "B", "merge agent", "agent.v1")


def test_decision_waits_for_shadows_and_stages_do_not() -> None:
    """The merge agent is asked when the panel is complete; its verdict decides once the last shadow answered."""
    world = asked(merged("A", a="A", b="B", c="C", d="D"), merge={"rule": "agent"})
    assert [stage.stage.role for stage in world.of(StageOpened)] == ["merger"]
    assert not world.of(DecisionMadeV2)
    assert [agent for _, agent in world.waiting()] == ["e"]
    world.play(said(e="A"))
    assert world.summary() == ("decided", "A", "merge agent", "agent.v1")


@pytest.mark.parametrize("rule", ["vote", "agent"])
def test_deadline_ends_the_wait_for_shadows_alone(rule: str) -> None:
    """A complete panel decides at the deadline what it would have decided; the silent shadow is named as that."""
    script = merged("A", a="A", b="A", c="B", d="B")
    world = asked(script, merge={"rule": rule})
    in_time = asked(merged("A", a="A", b="A", c="B", d="B", e="B"), merge={"rule": rule})
    deadline = overdue_panel(world)
    world.put(deadline)
    assert world.summary() == in_time.summary()
    assert made(world).trace == made(in_time).trace
    assert made(world).causes[-1] == deadline.event_id
    assert [(shadow.agent, shadow.reason) for shadow in (made(world).shadows or ())[2:]] == [("e", "no_reply")]


def test_deadline_that_finds_the_panel_incomplete_decides_as_ever() -> None:
    """With an analysis of the panel missing, the deadline's reason stands, and those who were heard are observed."""
    world = asked(said(a="A", c="B", d="B"), merge={"rule": "vote"})
    world.put(overdue_panel(world))
    assert world.summary() == ("decided", "A", "deadline", "vote.v1")
    assert [shadow.answer for shadow in made(world).shadows or ()] == ["B", "B", None]


def test_every_agent_is_observed_once_from_the_decision_and_once_from_feedback() -> None:
    """Panel, shadows and merge agent: latency, cost and stability once each, quality once each, whoever decided."""
    world = asked(merged("A", a="A", b="B", c="A", d=OUTSIDE, e=FAILED), merge={"rule": "agent"})
    world.put(gold("A"))
    first = world.of(AgentObserved)
    of_calls = [(one.agent, one.stability_ppb) for one in first if one.source == "decision"]
    assert of_calls == [("a", PPB), ("b", PPB), ("c", PPB), ("d", PPB), ("e", 0)]
    quality = {one.agent: one.quality_ppb for one in first if one.source == "gold"}
    assert quality == {"a": PPB, "b": 0, "c": PPB, "d": 0}
    assert {agent: world.entry(agent).observations.quality for agent in "abcd"} == dict.fromkeys("abcd", 1)


def test_verdict_judges_shadows_of_the_same_answer() -> None:
    """That the decision was right says so of every agent that gave its answer."""
    world = asked(said(a="A", b="A", c="A", d="B", e="B"), merge={"rule": "vote"})
    assert {one.agent for one in world.learned(verdict("right"))} == {"a", "b", "c"}


@pytest.mark.parametrize(
    "merge",
    [{"rule": "cascade", "stages": (1, 1)}, {"rule": "vote", "reserve": 1}],
    ids=["cascade", "reserve"],
)
def test_shadows_need_a_panel_that_is_asked_at_once(merge: dict[str, Any]) -> None:
    """With later stages or a reserve some agents would not be observed, so the policy is refused."""
    with pytest.raises(ValidationError, match="the whole panel is asked at once"):
        two_seats(merge=merge)


@pytest.mark.parametrize(
    ("agent", "stage"), [("a", SHADOW_STAGE), ("c", 0), ("zed", SHADOW_STAGE)], ids=["panel", "shadow", "stranger"]
)
def test_analysis_for_another_stage_than_its_seat_is_refused(agent: str, stage: int) -> None:
    """Nobody of the panel takes a shadow seat, and no shadow takes one of the panel."""
    world = asked()
    world.put(analysis(world.assignment(), agent, stage=stage, role="analyst"))
    ((_, rejection),) = world.letters
    assert rejection.reason == "unknown_reference"


def test_panel_that_contradicts_itself_is_no_panel() -> None:
    """A shadow that also sits in the panel, is there twice or is no candidate cannot be written."""
    panel = asked().assignment()
    fields = {name: getattr(panel, name) for name in type(panel).model_fields if name != "event_id"}
    for shadows in (("a",), ("c", "c"), ("zed",)):
        with pytest.raises(ValidationError, match="shadows"):
            PanelAssignedV2(**{**fields, "shadows": shadows})


def test_silence_everywhere_is_undecided_with_all_named() -> None:
    """Without any analysis the deadline gives an undecided question, whose shadows are named too."""
    world = asked(said(a=SILENT), merge={"rule": "vote"})
    world.put(overdue_panel(world))
    assert [shadow.reason for shadow in made(world).shadows or ()] == ["no_reply"] * 3
