"""Random worlds: policy, questions, agents' answers and feedback."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from schemas.analyses import AnalysisPublished
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.panels import PanelAssigned
from schemas.policies import PolicyAdopted
from schemas.quantities import PPB
from schemas.questions import QuestionAsked
from streams.processors.deadlines import deadline_of

from ..worlds import (
    FAILED,
    OUTSIDE,
    SILENT,
    UNREADABLE,
    Opener,
    World,
    analysis,
    gold,
    moment,
    overdue,
    policy,
    question,
    retraction,
    shadowed,
    verdict,
)

AGENTS = "abcde"
Saying = tuple[str, int]
"""A reply and its latency."""

replies = st.sampled_from(["A", "A", "B", "B", "C", FAILED, UNREADABLE, OUTSIDE, SILENT])
outspoken = replies.filter(lambda reply: reply != SILENT)
shares = st.sampled_from([0, PPB // 4, PPB // 2, 6 * PPB // 10, 8 * PPB // 10, PPB])


@dataclass(frozen=True)
class Plan:
    """All inputs of one world."""

    policy: PolicyAdopted
    questions: tuple[QuestionAsked, ...]
    sayings: dict[tuple[str, str, str], Saying]
    """By question, agent and role."""
    parts: int
    """Sub-questions that a dispatcher writes."""
    early: tuple[FeedbackGiven, ...]
    """Feedback that comes before its question."""
    late: tuple[FeedbackGiven, ...]
    taken_back: tuple[FeedbackGiven, ...]

    def say(self, opener: Opener, agent: str) -> AnalysisPublished | None:
        """Script the agents, as `worlds.Script`."""
        role = opener.stage.role
        reply, latency_ms = self.sayings[(opener.question_id, agent, role)]
        if reply == SILENT:
            return None
        parts = tuple(f"part {number}" for number in range(self.parts)) if role == "dispatcher" else ()
        return analysis(opener, agent, reply, latency_ms=latency_ms, sub_questions=parts)


@st.composite
def merges(draw: st.DrawFn, size: int, reserve: int) -> dict[str, Any]:
    """Draw merge settings for a panel and a reserve."""
    rule = draw(st.sampled_from(["vote", "weighted", "agent", "cascade"]))
    first = draw(st.integers(1, size))
    return {
        "rule": rule,
        "quorum": draw(st.integers(1, size + reserve)),
        "reserve": reserve,
        "ties": draw(st.sampled_from(["rank", "priority"])),
        "stages": (first,) + (1,) * (size - first),
        "accept_ppb": draw(shares),
        "window_ppb": draw(shares),
        "merge_agent": draw(st.booleans()),
    }


@st.composite
def small_policies(draw: st.DrawFn) -> PolicyAdopted:
    """Draw a policy over a few agents."""
    names = AGENTS[: draw(st.integers(1, len(AGENTS)))]
    size = draw(st.integers(1, len(names)))
    reserve = draw(st.integers(0, len(names) - size))
    routing = {
        "rule": draw(st.sampled_from(["weighted", "lexicographic", "static"])),
        "panel_size": size,
        "by_subject": draw(st.booleans()),
        "shrinkage": draw(st.integers(0, 3)),
        "priority": tuple(draw(st.lists(st.sampled_from(names), unique=True))),
        "merger": draw(st.sampled_from(["first", "second", *names])),
        "exploration": {
            "kind": draw(st.sampled_from(["none", "ucb", "nth"])),
            "warm_up": draw(st.integers(0, 1)),
            "every": 2,
        },
    }
    learning = {
        "averaging": {"step": draw(st.sampled_from(["fixed", "harmonic"])), "alpha_ppb": draw(st.integers(1, PPB))},
        "source_weights": {"agreement": draw(st.sampled_from([0, PPB // 2]))},
    }
    made = policy(
        *names,
        routing=routing,
        merge=draw(merges(size, reserve)),
        decomposition=draw(st.sampled_from(["none", "fixed", "dispatcher"])),
        learning=learning,
    )
    at_once = made.merge.rule != "cascade" and not reserve
    return shadowed(made) if at_once and draw(st.booleans()) else made


@st.composite
def unguided_policies(draw: st.DrawFn) -> PolicyAdopted:
    """Draw a policy whose panels and votes do not depend on the router table."""
    names = AGENTS[: draw(st.integers(1, len(AGENTS)))]
    size = draw(st.integers(1, len(names)))
    return policy(
        *names,
        routing={"rule": "static", "panel_size": size, "exploration": {"kind": "none", "warm_up": 0}},
        merge={"rule": "vote", "reserve": len(names) - size, "ties": draw(st.sampled_from(["rank", "priority"]))},
        decomposition=draw(st.sampled_from(["none", "fixed", "dispatcher"])),
    )


@st.composite
def feedbacks(draw: st.DrawFn, question_ids: Sequence[str]) -> FeedbackGiven:
    """Draw a feedback on one of the questions; a few sources and authors, so that they meet."""
    fields = {
        "source": draw(st.sampled_from(["gold", "human", "agreement"])),
        "author": draw(st.sampled_from([None, "ann"])),
        "at": draw(st.integers(0, 3)) * 1_000,
    }
    question_id = draw(st.sampled_from(question_ids))
    if draw(st.booleans()):
        return gold(draw(st.sampled_from("ABC")), question_id, **fields)
    return verdict(draw(st.sampled_from(["right", "wrong"])), question_id, **fields)


@st.composite
def plans(
    draw: st.DrawFn,
    given: st.SearchStrategy[PolicyAdopted] | None = None,
    said: st.SearchStrategy[str] = replies,
    most: int = 3,
) -> Plan:
    """Draw the inputs of a world with a few questions."""
    adopted = draw(given if given is not None else small_policies())
    asked = tuple(
        question(f"q{number}", at=10 * number, subject=draw(st.sampled_from([None, "law"])))
        for number in range(draw(st.integers(1, most)))
    )
    ids = [one.question_id for one in asked]
    seats = [
        (question_id, agent.name, role)
        for question_id in ids
        for agent in adopted.agents
        for role in ("analyst", "dispatcher", "merger")
    ]
    sayings = {seat: (draw(said), draw(st.integers(1, 9)) * 1_000) for seat in seats}
    early, late = (tuple(draw(st.lists(feedbacks(ids), max_size=3))) for _ in range(2))
    given_back = tuple(draw(st.lists(st.sampled_from([*early, *late]), max_size=2))) if early or late else ()
    return Plan(adopted, asked, sayings, draw(st.integers(0, 4)), early, late, given_back)


def life(plan: Plan, world: World, asked: QuestionAsked) -> Iterator[Event]:
    """Iterate the inputs of one question, in order; each depends on the events that followed from those before it."""
    question_id = asked.question_id
    yield from (one for one in plan.early if one.question_id == question_id)
    yield asked
    while answers := [answer for seat in world.waiting(question_id) if (answer := plan.say(*seat))]:
        yield answers[0]
    if not world.of(DecisionMade, question_id):
        panels = world.of(PanelAssigned, question_id)
        yield deadline_of(panels[0], moment(1_000)) if panels else overdue(question_id, at=1_000)
    yield from (one for one in plan.late if one.question_id == question_id)
    yield from (retraction(one) for one in plan.taken_back if one.question_id == question_id)


def played(plan: Plan, schedule: Sequence[int] = (), **options: Any) -> World:
    """
    Run a plan.

    Args:
        plan: The inputs.
        schedule: Which question's next input comes, by place; when it is used up, the questions follow one by one.
        options: Those of `World`.
    """
    world = World(plan.policy, **options)
    lives = [life(plan, world, asked) for asked in plan.questions]
    for place in [*schedule, *(place for place in range(len(lives)) for _ in range(1_000))]:
        event = next(lives[place % len(lives)], None)
        if event is not None:
            world.put(event)
    return world
