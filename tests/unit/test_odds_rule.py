"""Merge rule `odds` through the folds: panels, stages, decisions."""

from typing import Any

import pytest

from schemas.canonical import content_id
from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.lessons import LessonGiven
from schemas.odds import ONE
from schemas.panels import PanelAssignedV2
from schemas.policies import PolicyAdoptedV2
from schemas.questions import QuestionAsked
from schemas.weights import AgentWeights, Standing, WeightsEntry
from streams.processors.deadlines import deadline_of
from streams.processors.route import ROUTE

from ..worlds import (
    EPOCH,
    FAILED,
    UNREADABLE,
    World,
    by_odds,
    entry,
    gold,
    moment,
    said,
    table,
)

SKILLS = {"ann": 0.9, "bo": 0.6, "cy": 0.7}


def taught(lessons: int = 60, scope: str = "p", nats: int = 4, **skills: float) -> WeightsEntry:
    """Make a table in which each agent has a skill, and weights to go with it."""
    return WeightsEntry(
        occurred_at=EPOCH,
        scope=scope,
        question_id="earlier",
        lesson_id="0" * 64,
        sequence=max(lessons, 1),
        previous=None,
        lessons=lessons,
        agents=tuple(
            AgentWeights(
                agent=agent,
                taught=1,
                weights={"agent": (round(nats * skill * ONE), ONE)},
                standing={"texts": Standing(right=round(skill * ONE), asked=100, mean=round(nats * skill * ONE))},
            )
            for agent, skill in (skills or SKILLS).items()
        ),
        shared={"supporters/1": (ONE // 8, ONE), "repeats/1": (ONE, ONE)},
        tune="tune.v1",
    )


def world(known: WeightsEntry | None = None, policy: PolicyAdoptedV2 | None = None, *, seen: int = 500) -> World:
    """Begin a world with a table of weights and agents that were asked often; options are texts."""
    made = World(policy or by_odds("ann", "bo", "cy"), reload=True)
    made.put(*(entry(agent, seen=seen) for agent in SKILLS), *([] if known is None else [known]))
    return made


def panel(made: World, question_id: str = "q", *, at: int = 10) -> PanelAssignedV2:
    """Ask a question whose options are texts, and give its panel."""
    options = ("red", "green", "blue", "grey")
    made.put(QuestionAsked(occurred_at=moment(at), question_id=question_id, text="Which colour?", options=options))
    assigned = made.assignment(question_id)
    assert isinstance(assigned, PanelAssignedV2)
    return assigned


def seats(assigned: PanelAssignedV2) -> list[tuple[str, ...]]:
    """List the agents of each stage of a panel."""
    return [tuple(seat.agent for seat in assigned.stage.seats), *assigned.later]


# --- route -----------------------------------------------------------------------------------------------------------


def test_agents_are_asked_by_skill() -> None:
    """Behind the warm-up the most skilled agent is asked alone, and the others one after another."""
    assigned = panel(world(taught()))
    assert seats(assigned) == [("ann",), ("cy",), ("bo",)]
    assert assigned.odds is not None
    assert assigned.odds.mode == "by gain"


def test_panel_carries_its_share_of_the_table() -> None:
    """The entry is named and a cause; weights that the question cannot switch on stay behind."""
    known = taught()
    assigned = panel(world(known))
    assert assigned.odds is not None
    assert (assigned.odds.entry_id, assigned.odds.sequence) == (known.event_id, 60)
    assert known.event_id in assigned.causes
    assert assigned.odds.shared == {"supporters/1": ONE // 8}
    assert [(member.agent, member.weights["agent"]) for member in assigned.odds.members] == [
        (agent, round(4 * skill * ONE)) for agent, skill in SKILLS.items()
    ]


@pytest.mark.parametrize(
    ("lessons", "seen", "mode"),
    [(49, 99, "warm-up"), (50, 99, "by gain"), (1, 100, "by gain"), (1, 0, "warm-up"), (0, 500, "untaught")],
)
def test_warm_up_ends_by_lessons_or_panels(lessons: int, seen: int, mode: str) -> None:
    """Everybody is asked until 50 lessons, or until each agent was asked on 100 questions."""
    assigned = panel(world(taught(lessons), seen=seen))
    assert assigned.odds is not None
    assert assigned.odds.mode == mode
    assert (len(seats(assigned)) == 1) == (mode != "by gain")


def test_audits_follow_from_the_question_id() -> None:
    """One question in 25 asks the whole panel, whoever asks again and whenever."""
    made = world(taught())
    modes = {}
    for number in range(400):
        odds = panel(made, f"q{number}", at=number).odds
        assert odds is not None
        modes[f"q{number}"] = odds.mode
    audits = [name for name, mode in modes.items() if mode == "audit"]
    assert 8 <= len(audits) <= 26
    again = world(taught(90))
    assert seats(panel(again, audits[0], at=77)) == [("ann", "bo", "cy")]


def test_tables_of_other_policies_are_not_read() -> None:
    """A policy without lessons of its own is untaught."""
    assigned = panel(world(taught(scope="other")))
    assert assigned.odds is not None
    assert (assigned.odds.mode, assigned.odds.entry_id) == ("untaught", None)


def test_untaught_policy_asks_as_a_cascade() -> None:
    """Without any lesson the stages of the policy hold, and so does its threshold."""
    made = world(policy=by_odds("ann", "bo", "cy", merge={"stages": (2, 1), "accept_ppb": 500_000_000}))
    assert seats(panel(made)) == [("ann", "bo"), ("cy",)]
    made.play(said(ann="A", bo="B", cy="B"))
    assert made.summary() == ("decided", "B", "panel complete", "cascade.v1")
    assert [step.rule for step in made.decision().trace] == ["cascade.v1", "cascade.v1"]
    made.put(gold("A"))
    assert len(made.of(LessonGiven)) == 1


def test_without_feedback_it_calls_as_a_cascade() -> None:
    """Without any lesson each question gets the calls and the answer that the rule `cascade` gives it."""
    stages = {"stages": (2, 1, 1), "accept_ppb": 700_000_000}
    names = ("ann", "bo", "cy", "di")
    outcomes = []
    for rule in ("odds", "cascade"):
        warm = {"panel_size": 4, "exploration": {"warm_up": 5, "kind": "none"}}
        made = World(by_odds(*names, routing=warm, merge={"rule": rule, **stages}), reload=True)
        for number in range(60):
            panel(made, f"q{number}", at=number)
            said_now = {name: "ABCD"[int(content_id(f"{name}{number}".encode()), 16) % 3] for name in names}
            made.play(said(**said_now))
        outcomes.append([(decision.answer, decision.calls) for decision in made.of(DecisionMade)])
    assert outcomes[0] == outcomes[1]
    calls = [count for _, count in outcomes[0]]
    assert calls[:5] == [4] * 5
    assert min(calls) < 4


def test_explored_agent_sits_beside_the_first() -> None:
    """An agent that is explored is asked at once, for later stages may never open."""
    nth = {"kind": "nth", "every": 2, "warm_up": 0}
    policy = by_odds("ann", "bo", "cy", "di", routing={"panel_size": 3, "exploration": nth}, merge={"stages": (3,)})
    made = world(taught(**SKILLS, di=0.1), policy)
    made.put(entry("di", seen=300))
    explored = [assigned for n in range(20) if (assigned := panel(made, f"q{n}", at=n)).explored]
    assert explored
    assert {seats(assigned)[0] for assigned in explored} == {("ann", "di")}


@pytest.mark.parametrize("stages", [(), (5,), (1, 1)])
@pytest.mark.parametrize("odds", [{"cascade": False}, {"learn_from": "agreement"}])
def test_stages_that_nobody_asks_in_seat_nobody(odds: dict[str, Any], stages: tuple[int, ...]) -> None:
    """A policy that asks its whole panel at once may hold any stages: the explored agent takes the last seat."""
    nth = {"kind": "nth", "every": 2, "warm_up": 0}
    routing = {"panel_size": 2, "exploration": nth}
    policy = by_odds("ann", "bo", "cy", "di", routing=routing, merge={"stages": stages}, odds=odds)
    made = world(taught(**SKILLS, di=0.1), policy)
    made.put(entry("di", seen=300))
    panels = [panel(made, f"q{n}", at=n) for n in range(20)]
    assert {len(assigned.stage.seats) for assigned in panels} == {2}
    assert {assigned.stage.seats[-1].agent == assigned.explored for assigned in panels if assigned.explored} == {True}


def test_route_without_the_rule_never_looks_at_weights() -> None:
    """Under any other rule a panel is the same with or without a table of weights."""
    plain = by_odds("ann", "bo", "cy", merge={"rule": "cascade", "stages": (2, 1)})
    assert panel(world(taught(), plain)) == panel(world(None, plain))
    assert ROUTE.sees_tables
    assert table() == {}


# --- merge -----------------------------------------------------------------------------------------------------------


def test_sure_answer_ends_the_asking() -> None:
    """An agent that is nearly always right decides alone, and the trace says what the others could have won."""
    made = world(taught(ann=0.99, bo=0.6, cy=0.5))
    panel(made)
    made.play(said(ann="B", bo="A", cy="A"))
    assert made.summary() == ("decided", "B", "early exit", "odds.v1")
    (step,) = decided(made).trace
    assert step.gain is not None
    assert step.gain.left == 2
    assert step.gain.expected_ppb < step.gain.wanted_ppb == 12_000_000


def test_doubtful_answers_are_asked_about() -> None:
    """As long as the others are expected to win enough, the next one is asked; then the sums decide."""
    made = world(taught(nats=2, ann=0.5, bo=0.48, cy=0.49))
    panel(made)
    made.play(said(ann="A", bo="B", cy="B"))
    assert made.summary() == ("decided", "B", "panel complete", "odds.v1")
    assert made.outcomes() == [(0, "next stage"), (1, "next stage"), (2, "decide")]
    gains = [step.gain for step in decided(made).trace]
    assert [gain and gain.left for gain in gains] == [2, 1, None]


def decided(made: World) -> DecisionMadeV2:
    """Give the one decision."""
    decision = made.decision()
    assert isinstance(decision, DecisionMadeV2)
    return decision


def test_decision_explains_itself_term_by_term() -> None:
    """Each given answer has a line: its terms add up to its score, which is its tally, and the posterior is told."""
    made = world(taught(lessons=1), seen=0)
    panel(made)
    made.play(said(ann="A", bo="B", cy="B"))
    decision = decided(made)
    assert decision.odds is not None
    lines = {line.answer: line for line in decision.odds.lines}
    assert list(lines) == ["B", "A"]
    for answer, line in lines.items():
        total = sum(term.weight * term.times for term in line.terms)
        assert decision.tally[answer] == line.score_unats == pytest.approx(total * 1_000_000 / ONE, abs=1)
        sizes = [abs(term.weight * term.times) for term in line.terms]
        assert sizes == sorted(sizes, reverse=True)
    assert [term.name for term in lines["A"].terms[:2]] == ["agent/ann", "supporters/1"]
    assert sum(line.posterior_ppb or 0 for line in lines.values()) <= 1_000_000_000
    assert decision.trace[-1].posterior_ppb == lines["B"].posterior_ppb


def test_unreadable_answers_are_left_out() -> None:
    """Agents that fail or cannot be read are excluded, and the next ones are asked."""
    made = world(taught())
    panel(made)
    made.play(said(ann=FAILED, cy=UNREADABLE, bo="C"))
    decision = decided(made)
    assert (decision.answer, [e.reason for e in decision.excluded]) == ("C", ["failed", "unreadable"])
    assert [opened.reason for opened in made.of(type(made.stage(1)))] == ["quorum", "quorum"]


def test_nobody_can_be_read() -> None:
    """Without a ballot the question is undecided, and teaches that those who answered were wrong."""
    made = world(taught())
    panel(made)
    made.play(said(ann=FAILED, bo=UNREADABLE, cy=UNREADABLE))
    assert made.summary() == ("undecided", None, "quorum", "odds.v1")
    made.put(gold("A"))
    (lesson,) = made.of(LessonGiven)
    assert [(taught.agent, taught.answer) for taught in lesson.answers] == [("cy", None), ("bo", None)]


def test_deadline_ends_the_asking() -> None:
    """What is there when the time is up decides."""
    made = world(taught(nats=2, ann=0.5, bo=0.48, cy=0.49))
    assigned = panel(made)
    made.play(said(ann="A"))
    made.put(deadline_of(assigned, moment(900)))
    assert made.summary() == ("decided", "A", "deadline", "odds.v1")


def test_quorum_asks_on() -> None:
    """However sure the first answer, a quorum is filled."""
    made = world(taught(ann=0.99, bo=0.6, cy=0.5), by_odds("ann", "bo", "cy", merge={"quorum": 2}))
    panel(made)
    made.play(said(ann="B", bo="B", cy="A"))
    decision = decided(made)
    assert (decision.agreement.counted, decision.reason) == (2, "early exit")


def test_first_listed_agent_settles_a_tie() -> None:
    """Of equal scores the answer of the agent that comes first in the order leads."""
    made = world(taught(lessons=1, ann=0.5, bo=0.5), by_odds("ann", "bo", merge={"ties": "priority"}), seen=0)
    panel(made)
    made.play(said(ann="B", bo="A"))
    decision = decided(made)
    assert decision.answer == "B"
    assert decision.tie_break is not None
