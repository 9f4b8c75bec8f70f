"""
Inputs of the golden log of shadow seats.

They are those of the published experiment, with times and texts of their own.
"""

from collections.abc import Iterator

from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.panels import PanelAssigned, StageOpened
from schemas.quantities import later
from schemas.questions import QuestionAsked
from streams.processors.deadlines import deadline_of

from ..worlds import World, policy, shadowed

AGENTS = ("ada", "bo", "cy", "di", "eve")
EXPERIMENT = shadowed(
    policy(
        *AGENTS,
        policy_id="published",
        routing={"panel_size": 3, "by_subject": False, "shrinkage": 0},
        merge={"rule": "agent", "ties": "priority"},
        learning={"averaging": {"step": "fixed", "alpha_ppb": 200_000_000}},
    )
)
RIVERS = ("Rhine", "Elbe", "Oder", "Main")
SAID: dict[str, tuple[str, ...]] = {
    # Question: what each agent says; an empty text is a failed call. Last the merge agent's verdict.
    "r1": ("Answer: A", "Answer: A", "Answer: B", "Answer: B", "Answer: B", "The answer is (A)."),
    "r2": ("Answer: C", "I cannot say.", "Answer: D", "Answer: C", "", "The answer is (C)."),
    "r3": ("Answer: A", "Answer: B", "Answer: D", "Answer: D", "Answer: A", "No idea."),
    "r4": ("Answer: B",) * 6,
    "r5": ("Answer: A", "Answer: A", "Answer: A", "Answer: Q", "Answer: A", "The answer is (A)."),
}


def published(opener: PanelAssigned | StageOpened, agent: str) -> AnalysisPublished:
    """Make an agent's analysis for its seat, in the panel, beside it or as merge agent."""
    (stage,) = (stage for stage in opener.stages if any(seat.agent == agent for seat in stage.seats))
    place = AGENTS.index(agent)
    text = SAID[opener.question_id][-1 if stage.role == "merger" else place]
    if (opener.question_id, stage.number) == ("r4", 0):
        text = ""
    latency_ms = 700 + 150 * place
    attempt = Attempt(outcome="ok" if text else "error", latency_ms=latency_ms, cost_nusd=1_000 if text else None)
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=later(opener.occurred_at, latency_ms),
        question_id=opener.question_id,
        agent=agent,
        stage=stage.number,
        role=stage.role,
        status="ok" if text else "failed",
        text=text,
        attempts=(attempt,),
        latency_ms=latency_ms,
    )


def story(world: World) -> Iterator[Event]:
    """Give the inputs in order: in r3 the verdict cannot be read, in r4 the panel fails, in r5 a shadow is silent."""
    for minute, name in enumerate(SAID, start=1):
        yield QuestionAsked(occurred_at=f"2026-01-01T00:{minute:02}:00Z", question_id=name, text="?", options=RIVERS)
        silent = [agent for agent in AGENTS if name == "r5" and agent not in _seated(world, name)][-1:]
        while seats := [seat for seat in world.waiting(name) if seat[1] not in silent]:
            yield from (published(opener, agent) for opener, agent in seats)
        if silent:
            yield deadline_of(world.assignment(name), f"2026-01-01T00:{minute + 5:02}:00.000Z")
        given = f"2026-01-01T00:{minute:02}:30Z"
        yield FeedbackGiven(occurred_at=given, question_id=name, source="gold", answer="ACDBA"[minute - 1])


def _seated(world: World, name: str) -> list[str]:
    """Name the agents of a question's panel."""
    return [seat.agent for seat in world.assignment(name).stage.seats]


def told() -> World:
    """Run the whole script."""
    world = World(EXPERIMENT)
    for event in story(world):
        world.put(event)
    return world
