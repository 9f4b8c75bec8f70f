"""
The inputs of the golden log.

They are fixed, in order, with times and texts of their own.
"""

from collections.abc import Iterator

from schemas.agents import OpenAIAgent, Price, RecordedAgent, SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt, ProviderCall
from schemas.canonical import content_id
from schemas.event import Event
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.quantities import later
from schemas.questions import QuestionAsked
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.processors.deadlines import deadline_of

from ..worlds import World, newest

START = "2026-03-01T08:00:00.000Z"
QUIET = {"warm_up": 0, "kind": "none"}

PLAIN = PolicyAdopted(
    occurred_at=START,
    policy_id="plain",
    agents=(
        SimulatedAgent(name="ada", seed=7, skills_ppb={"geography": 900_000_000}),
        RecordedAgent(
            name="bo", model="bo-large", price=Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=3_000)
        ),
        SimulatedAgent(name="cy", price=None),
        SimulatedAgent(name="di"),
    ),
    routing={"panel_size": 3, "shrinkage": 2, "exploration": QUIET},
    merge={"rule": "weighted", "reserve": 1, "quorum": 2},
    decomposition="fixed",
)
STAGED = PolicyAdopted(
    occurred_at="2026-03-01T09:00:00+01:00",
    policy_id="staged",
    agents=(
        PLAIN.agents[0],
        OpenAIAgent(
            name="bo",
            model="bo-1",
            base_url="http://127.0.0.1:8000/v1",
            key_env="BO_KEY",
            price=Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=4_000),
            max_output_tokens=500,
        ),
        *PLAIN.agents[2:],
    ),
    budget={"question_nusd": 3_000, "run_nusd": 1_000_000},
    routing={
        "rule": "lexicographic",
        "panel_size": 3,
        "merger": "second",
        "exploration": {"warm_up": 0, "kind": "ucb"},
    },
    merge={"rule": "cascade", "stages": (2, 1), "accept_ppb": 950_000_000, "merge_agent": True, "ties": "priority"},
    decomposition="dispatcher",
    learning={"averaging": {"step": "fixed", "alpha_ppb": 200_000_000}},
)

VERSIONS = ("v1", "v2")
"""Versions of the rules; policies of v1 name none."""


def under(version: str, policy: PolicyAdopted) -> PolicyAdopted:
    """Give a policy of a version of the rules."""
    return newest(policy) if version == "v2" else policy


CAPITAL = QuestionAsked(
    occurred_at="2026-03-01T08:01:00.250Z",
    question_id="capital",
    text="What is the capital of Australia?",
    options=("Sydney", "Canberra", "Melbourne", "Perth"),
    subject="geography",
)
RIVER = QuestionAsked(
    occurred_at="2026-03-01T08:05:00Z",
    question_id="river",
    text="Which river flows through Köln?",
    options=("Elbe", "Donau", "Rhein"),
    subject="geography",
)
EGGS = QuestionAsked(
    occurred_at="2026-03-01T08:20:00Z",
    question_id="eggs",
    text="A hen lays 3 eggs in 2 days. How many do 4 hens lay in 10 days?",
    answer_type="number",
)
PRIME = QuestionAsked(
    occurred_at="2026-03-01T08:30:00Z",
    question_id="prime",
    text="Which of these is a prime number?",
    options=("51", "57", "59"),
)
OPERA = QuestionAsked(
    occurred_at="2026-03-01T08:45:00Z",
    question_id="opera",
    text="Who composed \u201cFidelio\u201d?",
    options=("Beethoven", "Mozart", "Weber", "Gluck"),
    subject="music/opera",
)
TIDES = QuestionAsked(
    occurred_at="2026-03-01T08:50:00Z",
    question_id="tides",
    text="What raises the tides most?",
    options=("wind", "the Moon", "the Sun"),
)

TEXTS: dict[tuple[str, str, str], str] = {
    ("capital", "ada", "analyst"): "Sydney is larger, but the seat of government is Canberra. The answer is (B).",
    ("capital", "bo", "analyst"): "I think everybody knows this one.\n\nAnswer: A",
    ("capital", "cy", "analyst"): "Option B is the correct answer.",
    ("river", "ada", "analyst"): "The cathedral stands by the Rhine.\n\n**Answer: C**",
    ("river", "di", "analyst"): "It could be the Elbe or the Danube; I cannot say.",
    ("river", "bo", "analyst"): "The answer is (E).",
    ("eggs", "", "dispatcher"): "How many does one hen lay a day?\nHow many do four lay in ten days?",
    ("eggs", "ada", "analyst"): "One hen lays 1.5 a day, so 4 * 10 * 1.5 = 60.\n#### 60",
    ("eggs", "bo", "analyst"): "4 hens lay 12 eggs in 2 days, and 60 in 10 days. The answer is 60.0 eggs.",
    ("eggs", "cy", "analyst"): "Sixty, I think: 60.",
    ("eggs", "di", "analyst"): "Four hens lay 12 in two days; ten days make \\boxed{50}.",
    ("eggs", "", "merger"): "Two of three work it out step by step. The answer is 60.",
    ("prime", "", "dispatcher"): "Look at the last digit.",
    ("prime", "ada", "analyst"): "57 looks prime to me. The answer is B.",
    ("prime", "bo", "analyst"): "51 = 3 * 17 and 57 = 3 * 19, so 59 is left: (C).",
    ("prime", "", "merger"): "The analyses contradict each other.",
    ("opera", "", "dispatcher"): "Which operas did each of them write?\nWhen was Fidelio first given?",
    ("opera", "", "analyst"): "It is his only opera. The answer is (A).",
    ("tides", "", "dispatcher"): "Which forces act?\nWhich of them is largest?",
    ("tides", "ada", "analyst"): "What counts is the difference of the pull. The answer is (B).",
    ("tides", "bo", "analyst"): "The Sun has the larger pull. Answer: C",
    ("tides", "cy", "analyst"): "Storms do. The answer is (A).",
    ("tides", "di", "analyst"): "Storms do. The answer is (A).",
    ("tides", "", "merger"): "The second argument holds: tides are a matter of differences. The answer is (B).",
}
"""Agents' texts by question, agent (or any agent) and role; an agent without a text fails."""


def published(opener: PanelAssigned | StageOpened, agent: str, place: int) -> AnalysisPublished:
    """Make an agent's analysis for its seat; latency and cost follow from the position of the seat."""
    role, question_id = opener.stage.role, opener.question_id
    text = TEXTS.get((question_id, agent, role)) or TEXTS.get((question_id, "", role), "")
    failed = not text
    latency_ms = 700 + 150 * place
    done = Attempt(
        outcome="ok", latency_ms=latency_ms, cost_nusd=None if agent == "cy" else 2_000 + place, output_tokens=40
    )
    lost = Attempt(outcome="error", error="rate_limited", latency_ms=latency_ms)
    return AnalysisPublished(
        causes=(opener.event_id,),
        occurred_at=later(opener.occurred_at, latency_ms),
        question_id=question_id,
        agent=agent,
        stage=opener.stage.number,
        role=role,
        status="failed" if failed else "ok",
        text=text,
        sub_questions=tuple(text.split("\n")) if role == "dispatcher" else (),
        attempts=(lost, lost) if failed else (lost, done) if place == 1 else (done,),
        latency_ms=latency_ms,
    )


def called(analysis: AnalysisPublished, policy: PolicyAdopted) -> Iterator[Event]:
    """Make the events of a provider's call: reserved, settled and published, or refused without room in the budget."""
    amount_nusd = 3_500 if analysis.question_id == "prime" else 2_400
    reserved = BudgetReserved(
        causes=analysis.causes,
        occurred_at=analysis.occurred_at,
        question_id=analysis.question_id,
        policy_event_id=policy.event_id,
        agent=analysis.agent,
        stage=analysis.stage,
        role=analysis.role,
        attempt=1,
        amount_nusd=amount_nusd,
        question_limit_nusd=policy.budget.question_nusd,
        run_limit_nusd=policy.budget.run_nusd,
    )
    yield reserved
    about = {"causes": (reserved.event_id,), "occurred_at": analysis.occurred_at, "question_id": analysis.question_id}
    if amount_nusd > 3_000:
        yield BudgetRefused(**about, limit="question", spent_nusd=0)
        attempt = Attempt(outcome="refused", error="question_budget", latency_ms=0, cost_nusd=0)
        yield retold(analysis, attempts=(attempt,), status="failed", text="", sub_questions=())
        return
    provider = ProviderCall(
        model="bo-1",
        request_hash=content_id(analysis.key.encode()),
        reported_model="bo-1-2026",
        fingerprint="fp_golden",
        finish_reason="stop",
    )
    yield BudgetSettled(**about, cost_nusd=360)
    done = analysis.attempts[-1].model_copy(update={"provider": provider, "cost_nusd": 360, "input_tokens": 200})
    yield retold(analysis, attempts=(*analysis.attempts[:-1], done))


def retold(analysis: AnalysisPublished, **other: object) -> AnalysisPublished:
    """Copy an event with some fields changed."""
    fields = {name: getattr(analysis, name) for name in AnalysisPublished.model_fields if name != "event_id"}
    return AnalysisPublished(**{**fields, **other})


def answers(world: World, question_id: str, *but: str) -> Iterator[Event]:
    """Let all seated agents publish, stage after stage, except those named."""
    while seats := [(place, *seat) for place, seat in enumerate(world.waiting(question_id)) if seat[1] not in but]:
        for place, opener, agent in seats:
            analysis = published(opener, agent, place)
            is_live = agent == "bo" and question_id in ("prime", "opera", "tides")
            policy = world.tables.policy
            yield from called(analysis, policy) if is_live and policy else (analysis,)


def again(asked: QuestionAsked, at: str) -> QuestionAsked:
    """Ask the same question at another time, as a producer's retry does."""
    fields = asked.model_dump(exclude={"event_id", "occurred_at"})
    return QuestionAsked(occurred_at=at, **fields)


def said(at: str, question_id: str, source: str, **statement: str) -> FeedbackGiven:
    """Give feedback."""
    return FeedbackGiven(occurred_at=f"2026-03-01T{at}Z", question_id=question_id, source=source, **statement)


def story(world: World, version: str) -> Iterator[Event]:
    """Give the inputs in order; each part depends on the events that followed from the parts before it."""
    yield CAPITAL
    yield from answers(world, "capital")
    gold = said("08:04:00", "capital", "gold", answer="b")
    yield gold
    yield again(CAPITAL, "2026-03-01T08:04:30Z")
    yield RIVER
    yield from answers(world, "river", "bo")
    panel = next(event for event in world.log if isinstance(event, PanelAssigned) and event.question_id == "river")
    yield deadline_of(panel, "2026-03-01T08:11:00.000Z")
    yield said("08:12:00", "capital", "gold", answer="A")
    yield FeedbackRetracted(occurred_at="2026-03-01T08:13:00Z", question_id="capital", feedback_id=gold.event_id)
    yield said("08:14:00", "prime", "human", author="eve", verdict="wrong")
    yield under(version, STAGED)
    yield EGGS
    yield from answers(world, "eggs")
    yield said("08:29:00", "eggs", "gold", answer="60.00")
    yield PRIME
    yield from answers(world, "prime")
    yield said("08:40:00", "prime", "agreement", verdict="right")
    yield OPERA
    yield from answers(world, "opera")
    yield said("08:49:00", "opera", "judge", verdict="right")
    yield TIDES
    yield from answers(world, "tides")


def told(version: str) -> World:
    """Run the whole script under the rules of one version."""
    world = World(under(version, PLAIN))
    for event in story(world, version):
        world.put(event)
    return world
