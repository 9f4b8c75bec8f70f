"""
Inputs of the golden log of `odds`.

They are fixed, in order, with times and texts of their own.
"""

from collections.abc import Iterator

from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdoptedV2
from schemas.quantities import later
from schemas.questions import QuestionAsked
from streams.processors.deadlines import deadline_of

from ..worlds import World, by_odds

AGENTS = ("ada", "bo", "cy")
TAUGHT = by_odds(
    *AGENTS,
    policy_id="taught",
    merge={"stages": (2, 1)},
    odds={"warm_up_lessons": 2, "audit_every": 4, "gain_per_call_ppb": 40_000_000},
)
SHAPED = by_odds(*AGENTS, at=20_000, policy_id="shaped", odds={"option_shapes": True, "cascade": False})
AGREED = by_odds(*AGENTS, at=30_000, policy_id="agreed", odds={"learn_from": "agreement"})

RIVERS, SUMS, HENS = ("Rhine", "Elbe", "Oder", "Main"), ("12 m", "14 m", "15 m", "20 m"), ()
TEXTS: dict[str, tuple[str, str, str, str, tuple[str, ...]]] = {
    # Question: its text, what ada, bo and cy say, and the options.
    "r1": ("Which river is not in the east?", "The Rhine is. The answer is (A).", "Answer: B", "It is (A)", RIVERS),
    "r2": ("Which river passes Dresden?", "That is the Elbe. The answer is (B).", "Answer: B", "It is (D)", RIVERS),
    "s1": ("A wall of 3 m and one of 4 m: add twice.", "2 * 3 + 2 * 4 = 14. Answer: B", "(A)", "14, so (B)", SUMS),
    "s2": (
        "Add 7 m and 8 m.",
        "7 + 8 = 15 m. The answer is (C).",
        "The answer is (B).",
        "See 15, 1, 2, 3: (C)",
        SUMS,
    ),
    "h1": ("4 hens lay 3 eggs each. How many?", "4 * 3 = 12. The answer is 12.", "4 + 3 = 8. Answer: 8", "12", HENS),
    "h2": ("5 hens lay 2 eggs each. How many?", "5 * 2 = 10 eggs, so 10.", "The answer is 10.", "", HENS),
    "r3": ("Which river is least long?", "I cannot say.", "", "Answer: C", RIVERS),
    "r4": ("Which river passes Cologne?", "The answer is (A).", "The answer is (A).", "The answer is (B).", RIVERS),
    "s3": ("Add 5 m and 7 m.", "5 + 7 = 12. Answer: A", "5 + 7 = 13, about 12. Answer: A", "Answer: D", SUMS),
    "h3": ("2 hens lay 2 eggs each. How many?", "2 * 2 = 4. Answer: 4", "2 + 2 = 4. Answer: 4", "5", HENS),
    "r5": ("Which river passes Frankfurt?", "Answer: D", "Answer: D", "Answer: C", RIVERS),
    "h4": ("3 hens lay 2 eggs each. How many?", "Answer: 6", "Answer: 5", "Answer: 5", HENS),
    "r6": ("Which river passes Bonn?", "Answer: A", "Answer: C", "Answer: A", RIVERS),
}


def asked(name: str, at: str) -> QuestionAsked:
    """Ask one of the questions."""
    text, *_, options = TEXTS[name]
    kind = {"options": options} if options else {"answer_type": "number"}
    return QuestionAsked(occurred_at=f"2026-01-01T{at}Z", question_id=name, text=text, **kind)


def published(opener: PanelAssigned | StageOpened, agent: str) -> AnalysisPublished:
    """Make an agent's analysis for its seat; without a text it failed."""
    text = TEXTS[opener.question_id][1 + AGENTS.index(agent)]
    attempt = Attempt(outcome="ok" if text else "error", latency_ms=800, cost_nusd=2_000 if text else None)
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=later(opener.occurred_at, 800),
        question_id=opener.question_id,
        agent=agent,
        stage=opener.stage.number,
        role=opener.stage.role,
        status="ok" if text else "failed",
        text=text,
        attempts=(attempt,),
        latency_ms=800,
    )


def answers(world: World, name: str, *but: str) -> Iterator[Event]:
    """Let all seated agents publish, stage after stage, except those named."""
    while seats := [seat for seat in world.waiting(name) if seat[1] not in but]:
        yield from (published(opener, agent) for opener, agent in seats)


def said(at: str, name: str, source: str = "gold", **statement: str) -> FeedbackGiven:
    """Give feedback."""
    return FeedbackGiven(occurred_at=f"2026-01-01T{at}Z", question_id=name, source=source, **statement)


def taught(world: World, name: str, at: str, answer: str) -> Iterator[Event]:
    """Ask a question, let everybody answer, and give the right answer."""
    yield asked(name, f"{at}:00")
    yield from answers(world, name)
    yield said(f"{at}:30", name, answer=answer)


def story(world: World) -> Iterator[Event]:
    """Give the inputs in order; each part depends on the events that followed from the parts before it."""
    yield from taught(world, "r1", "00:01", "A")
    yield from taught(world, "r2", "00:02", "Elbe")
    yield from taught(world, "s1", "00:03", "14 m")
    yield from taught(world, "s2", "00:04", "C")
    yield from taught(world, "h1", "00:05", "12.0")
    yield asked("h2", "00:06:00")
    yield from answers(world, "h2")
    right = said("00:06:30", "h2", "human", verdict="right")
    yield right
    yield asked("r3", "00:07:00")
    yield from answers(world, "r3", "cy")
    panel = next(event for event in world.log if isinstance(event, PanelAssigned) and event.question_id == "r3")
    yield deadline_of(panel, "2026-01-01T00:12:00.000Z")
    yield said("00:13:00", "r3", answer="D")
    yield FeedbackRetracted(occurred_at="2026-01-01T00:14:00Z", question_id="h2", feedback_id=right.event_id)
    yield asked("r4", "00:15:00")
    yield from answers(world, "r4")
    yield said("00:16:00", "r4", "judge", verdict="wrong")
    yield SHAPED
    yield from taught(world, "s3", "05:40", "A")
    yield from taught(world, "h3", "05:41", "4")
    yield AGREED
    for name, at in (("r5", "08:21:00"), ("h4", "08:22:00"), ("r6", "08:23:00")):
        yield asked(name, at)
        yield from answers(world, name)


def told() -> World:
    """Run the whole script."""
    world = World(TAUGHT)
    for event in story(world):
        world.put(event)
    return world


POLICIES: tuple[PolicyAdoptedV2, ...] = (TAUGHT, SHAPED, AGREED)
"""Policies of the story, in their order."""
