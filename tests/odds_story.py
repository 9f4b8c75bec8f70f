"""
Story with every kind of lesson of `odds`.

Without lessons at first, then everybody, then one by one; with retractions, and a policy that learns from agreement.
"""

from collections.abc import Iterator

from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.event import Event
from schemas.feedback import FeedbackRetracted
from schemas.odds import Odds
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import MergeV2, PolicyAdoptedV2
from schemas.quantities import later
from schemas.questions import QuestionAsked
from schemas.rules import NEWEST_ODDS_RULES
from streams.processors.deadlines import deadline_of

from .golden.script import START, said
from .worlds import World

NAMES = ("ada", "bo", "cy")


def policy(name: str, at: str, settings: Odds) -> PolicyAdoptedV2:
    """Make a policy of three agents, asked two and one while nothing was taught."""
    return PolicyAdoptedV2(
        occurred_at=at,
        policy_id=name,
        agents=tuple(SimulatedAgent(name=agent) for agent in NAMES),
        routing={"panel_size": 3, "shrinkage": 2, "exploration": {"warm_up": 0, "kind": "none"}},
        merge=MergeV2(rule="odds", stages=(2, 1), accept_ppb=900_000_000),
        odds=settings,
        rules=NEWEST_ODDS_RULES,
    )


TAUGHT = policy(
    "taught",
    START,
    Odds(warm_up_lessons=3, warm_up_panels=50, audit_every=4, gain_per_call_ppb=40_000_000, option_shapes=True),
)
AGREED = policy("agreed", "2026-03-01T10:00:00Z", Odds(learn_from="agreement"))


def asked(number: int, text: str, *options: str, subject: str | None = None) -> QuestionAsked:
    """Ask a question, a minute after the one before; without options, for a number."""
    return QuestionAsked(
        occurred_at=f"2026-03-01T08:{number:02}:00Z",
        question_id=f"o{number}",
        text=text,
        options=options,
        answer_type="choice" if options else "number",
        subject=subject,
    )


QUESTIONS = (
    asked(1, "What is the capital of Australia?", "Sydney", "Canberra", "Perth", subject="geography"),
    asked(2, "A car drives 60 km in 40 minutes. How fast is it, in km/h?", "40", "60", "90", "100"),
    asked(3, "Which of these is not a prime number?", "2", "57", "59", "61"),
    asked(4, "A hen lays 3 eggs in 2 days. How many do 4 hens lay in 10 days?"),
    asked(5, "Which river flows through Köln?", "Elbe", "Donau", "Rhein", subject="geography"),
    asked(6, "5 pens cost 15. What do 7 pens cost?", "18", "21", "25"),
    asked(7, "Half of 84 is added to 9. What is the sum?"),
    asked(8, "Which planet is never seen at midnight?", "Mars", "Venus", "Saturn", subject="sky"),
    asked(9, "A train of 120 m passes in 8 s. How many m/s is that?", "12", "15", "16"),
    asked(10, "What is 17 * 6 - 2?"),
    asked(11, "Which metal is liquid at 20 degrees?", "Iron", "Mercury", "Zinc"),
    asked(12, "8 men need 6 days. How many days do 4 men need?", "3", "9", "12"),
)
TEXTS: dict[tuple[int, str], str] = {
    (1, "ada"): "Sydney is larger, but the seat of government is Canberra. The answer is (B).",
    (1, "bo"): "Everybody knows this one. The answer is (A).",
    (1, "cy"): "The answer is (B).",
    (2, "ada"): "60 km in 40 minutes are 1.5 km a minute, and 1.5 * 60 = 90. The answer is (C).",
    (2, "bo"): "It drives 60 km. The answer is (B).",
    (2, "cy"): "60 / 40 = 1.5 and 1.5 * 60 = 90. The answer is (C).",
    (3, "ada"): "57 = 3 * 19, so it is none. The answer is (B).",
    (3, "bo"): "61 looks odd to me. The answer is (D).",
    (3, "cy"): "The answer is (B).",
    (4, "ada"): "One hen lays 1.5 a day: 4 * 10 * 1.5 = 60. The answer is 60.",
    (4, "bo"): "4 * 3 = 12 in 2 days, and 12 * 5 = 50. The answer is 50.",
    (4, "cy"): "12 in 2 days, so 60 in 10. The answer is 60.",
    (5, "ada"): "The cathedral stands by the Rhine. The answer is (C).",
    (5, "bo"): "It is the Rhine. The answer is (C).",
    (6, "ada"): "One costs 15 / 5 = 3, seven cost 7 * 3 = 21. The answer is (B).",
    (6, "bo"): "15 + 3 = 18. The answer is (A).",
    (6, "cy"): "3 each, 21 in all. The answer is (B).",
    (7, "ada"): "84 / 2 = 42 and 42 + 9 = 51. The answer is 51.",
    (7, "bo"): "42 + 9 = 51. The answer is 51.",
    (7, "cy"): "It is 93. The answer is 93.",
    (8, "ada"): "Venus stays near the Sun. The answer is (B).",
    (8, "bo"): "The answer is (A).",
    (8, "cy"): "Venus, I think. The answer is (B).",
    (9, "ada"): "120 / 8 = 15. The answer is (B).",
    (9, "bo"): "120 / 8 = 16. The answer is (C).",
    (9, "cy"): "The answer is (B).",
    (10, "ada"): "17 * 6 = 102, and 102 - 2 = 100. The answer is 100.",
    (10, "bo"): "17 * 4 = 68. The answer is 68.",
    (10, "cy"): "The answer is 100.",
    (11, "ada"): "Mercury melts at -39. The answer is (B).",
    (11, "bo"): "The answer is (B).",
    (11, "cy"): "The answer is (C).",
    (12, "ada"): "8 * 6 = 48, and 48 / 4 = 12. The answer is (C).",
    (12, "bo"): "Half as many men need half as long. The answer is (A).",
    (12, "cy"): "Twice as long. The answer is (C).",
}
"""Agents' texts by number of the question and agent; an agent without a text fails."""
RIGHT = ("B", "C", "B", "60", "C", "B", "51", "B", "B", "100", "B", "C")


def published(opener: PanelAssigned | StageOpened, agent: str) -> AnalysisPublished:
    """Make an agent's analysis for its seat."""
    text = TEXTS.get((int(opener.question_id[1:]), agent), "")
    latency_ms = 600 + 100 * NAMES.index(agent)
    done = Attempt(outcome="ok" if text else "error", latency_ms=latency_ms, cost_nusd=2_000 if text else None)
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=later(opener.occurred_at, latency_ms),
        question_id=opener.question_id,
        agent=agent,
        stage=opener.stage.number,
        role=opener.stage.role,
        status="ok" if text else "failed",
        text=text,
        attempts=(done,),
        latency_ms=latency_ms,
    )


def answered(world: World, question: QuestionAsked, *but: str) -> Iterator[Event]:
    """Ask, and let all seated agents publish, stage after stage, except those named."""
    yield question
    while seats := [seat for seat in world.waiting(question.question_id) if seat[1] not in but]:
        for opener, agent in seats:
            yield published(opener, agent)


def story(world: World) -> Iterator[Event]:
    """Give the inputs in order; each part depends on the events that followed from the parts before it."""
    told: list[Event] = []
    for number, question in enumerate(QUESTIONS[:10]):
        silent = ("bo",) if number == 1 else ()
        yield from answered(world, question, *silent)
        if silent:
            yield deadline_of(world.assignment(question.question_id), "2026-03-01T08:50:00.000Z")
        if number in (2, 7):
            judged = {"author": "eve", "verdict": "right" if number == 2 else "wrong"}
            told.append(said(f"08:{number + 1:02}:30", question.question_id, "human", **judged))
        else:
            told.append(said(f"08:{number + 1:02}:30", question.question_id, "gold", answer=RIGHT[number]))
        yield told[-1]
    for place in (9, 5):
        # The last one is taken back exactly; of the other the step it took is.
        about = QUESTIONS[place].question_id
        yield FeedbackRetracted(
            occurred_at=f"2026-03-01T09:{place:02}:00Z", question_id=about, feedback_id=told[place].event_id
        )
    yield said("09:30:00", "o6", "gold", answer="A")
    yield said("09:31:00", "o1", "judge", verdict="right")
    yield AGREED
    for question in QUESTIONS[10:]:
        yield from answered(world, question)
    yield said("10:30:00", "o12", "gold", answer="C")


def told_by_odds() -> World:
    """Run the whole script."""
    world = World(TAUGHT)
    for event in story(world):
        world.put(event)
    return world
