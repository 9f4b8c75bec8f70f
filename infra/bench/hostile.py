"""CPU time of `merge` on 200,000 hostile characters, by rule."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from infra.bench.figures import Figure, Sizes
from infra.bench.hostile_texts import CHARACTERS, HostileText, hostile_texts
from schemas.agents import SimulatedAgent
from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.odds import Odds
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import Exploration, MergeV2, PolicyAdopted, PolicyAdoptedV2, RoutingV2
from schemas.questions import QuestionAsked
from schemas.rules import NEWEST_ODDS_RULES, NEWEST_RULES
from schemas.weights import WeightsEntry
from streams.processors.fold import Tables
from streams.processors.merge import MERGE
from streams.processors.route import ROUTE

TARGET_S = 0.1
AT = "2026-01-01T00:00:00.000Z"
AGENTS = ("hostile", "bo", "cy", "di")
"""The first one is asked in the first stage, so every later stage counts its analysis again."""
PLAIN = {
    "hostile": "The answer is (B).",
    "bo": "The answer is (A).",
    "cy": "The answer is (C). 3 / 2 * 10 = 15",
    "di": "The answer is (D) 90.",
}
"""What each agent says where it is not hostile: no two agree, so that nothing ends early."""
MOST_AGAIN = 20
"""Texts of each rule that are measured again."""
_NO_ID = "0" * 64

Advance = Callable[[int], None]


class HostileCase(NamedTuple):
    """One merge rule, so set that every agent is asked, each in a stage of its own where the rule has stages."""

    name: str
    merge: MergeV2
    odds: Odds | None = None


CASES = (
    HostileCase("vote", MergeV2(rule="vote")),
    HostileCase("weighted", MergeV2(rule="weighted")),
    HostileCase("agent", MergeV2(rule="agent")),
    HostileCase("cascade", MergeV2(rule="cascade", stages=(1, 1, 1, 1), accept_ppb=1_000_000_000)),
    HostileCase("odds", MergeV2(rule="odds", stages=(2, 1, 1)), Odds(gain_per_call_ppb=0, audit_every=0)),
    HostileCase("odds, by agreement", MergeV2(rule="odds", stages=(2, 1, 1)), Odds(learn_from="agreement")),
)

_ASKED: dict[str, dict[str, Any]] = {
    "words": {"text": "Which of these is not in France?", "options": ("Paris", "Rome", "Lyon", "Oslo is a city")},
    "values": {"text": "A car drives 60 km in 40 minutes. How fast?", "options": ("40", "60 km/h", "90", "100.5")},
    "number": {"text": "A hen lays 3 eggs in 2 days. How many in 10?", "answer_type": "number"},
}
"""Questions of each kind that evidence is told apart by."""
QUESTIONS = tuple(
    QuestionAsked(occurred_at=AT, question_id=f"hostile-{kind}", **fields) for kind, fields in _ASKED.items()
)


def policy_of(case: HostileCase) -> PolicyAdopted:
    """Make the policy of a case."""
    return PolicyAdoptedV2(
        occurred_at=AT,
        policy_id="hostile",
        agents=tuple(SimulatedAgent(name=agent) for agent in AGENTS),
        routing=RoutingV2(rule="static", panel_size=len(AGENTS), exploration=Exploration(kind="none", warm_up=0)),
        merge=case.merge,
        odds=case.odds,
        rules=NEWEST_RULES if case.odds is None else NEWEST_ODDS_RULES,
    )


TAUGHT = WeightsEntry(
    occurred_at=AT,
    scope="hostile",
    question_id="before",
    lesson_id=_NO_ID,
    sequence=60,
    previous=_NO_ID,
    lessons=60,
    agents=(),
    shared={},
    tune="tune.v1",
)
"""A table behind its warm-up."""


def merge_seconds(case: HostileCase, question: QuestionAsked, hostile: HostileText) -> float:
    """Give the CPU time of `merge` for a whole question with one hostile analysis: the first, or the verdict."""
    tables = Tables(policy_of(case), {}, {"hostile": TAUGHT})
    (panel,) = ROUTE.fold(None, question, question.question_id, tables).events
    waiting: list[Event] = [panel]
    state: Any = None
    spent = 0.0
    while waiting:
        event = waiting.pop(0)
        started = time.process_time()
        step = MERGE.fold(state, event, question.question_id, tables)
        spent += time.process_time() - started
        state = step.state
        if any(isinstance(made, DecisionMade) for made in step.events):
            return spent
        for opener in (event, *step.events):
            if isinstance(opener, PanelAssigned | StageOpened):
                waiting += _answers(opener, hostile, verdict=case.merge.rule == "agent")
    raise AssertionError("the last analysis decides the question")


def _answers(opener: PanelAssigned | StageOpened, hostile: HostileText, *, verdict: bool) -> list[AnalysisPublished]:
    """Let each agent of a stage answer; *verdict*: the merge agent is hostile, and no analyst."""
    role = opener.stage.role
    answers = []
    for seat in opener.stage.seats:
        said = hostile if verdict == (role == "merger") and seat.agent == AGENTS[0] else HostileText(PLAIN[seat.agent])
        answers.append(
            AnalysisPublished(
                causes=(opener.event_id,),
                occurred_at=AT,
                question_id=opener.question_id,
                agent=seat.agent,
                stage=opener.stage.number,
                role=role,
                status="ok",
                text=said.text,
                answer=said.answer,
                attempts=(Attempt(outcome="ok", latency_ms=0),),
                latency_ms=0,
            )
        )
    return answers


def measure(_: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """
    Give the time of the worst text for each rule.

    All texts are measured once, and those that took longest again: the least time counts, for other work on the
    machine only adds. Each time texts are others, so that none is remembered.
    """
    least = {
        (case.name, question.question_id, name): merge_seconds(case, question, hostile)
        for name, hostile in hostile_texts(0).items()
        for question in QUESTIONS
        for case in CASES
    }
    advance(1)
    for run in range(1, sizes.runs):
        texts = hostile_texts(run)
        for case in CASES:
            own = sorted((key for key in least if key[0] == case.name), key=lambda key: -least[key])
            for key in own[:MOST_AGAIN]:
                question = next(asked for asked in QUESTIONS if asked.question_id == key[1])
                least[key] = min(least[key], merge_seconds(case, question, texts[key[2]]))
        advance(1)
    return [_worst(case, least) for case in CASES]


def _worst(case: HostileCase, least: Mapping[tuple[str, str, str], float]) -> Figure:
    ranked = sorted(((seconds, key) for key, seconds in least.items() if key[0] == case.name), reverse=True)
    told = "; ".join(f"{name} ({question}) {seconds:.3f} s" for seconds, (_, question, name) in ranked[:3])
    return Figure(
        bench="hostile",
        name=f"worst text, {case.name}",
        unit="s",
        values=(ranked[0][0],),
        target=TARGET_S,
        more_is_better=False,
        note=f"{case.name}: {len(ranked)} times {CHARACTERS:,} characters; the worst: {told}",
    )
