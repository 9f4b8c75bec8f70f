"""Hypothesis strategies for what the merge rule `odds` writes."""

from typing import Any

from hypothesis import strategies as st

from schemas.lessons import LessonGiven
from schemas.odds import (
    GROUNDS,
    MOST_PRECISION,
    MOST_WEIGHT,
    ONE,
    DecisionOdds,
    Evidence,
    Gain,
    Member,
    Odds,
    OddsLine,
    PanelOdds,
    QuestionFacts,
    Term,
)
from schemas.questions import LETTERS
from schemas.weights import AgentWeights, Standing, WeightsEntry

from . import strategies as v1

weights = st.integers(-MOST_WEIGHT, MOST_WEIGHT)
shares = st.integers(0, ONE)
kinds = st.sampled_from(["texts", "values", "number"])
term_names = st.sampled_from(["agent", "negated", "text", "derived", "good", "supporters/2", "letter/A", "uses/true"])
exact_numbers = st.fractions(max_denominator=50).map(str)
settings = st.builds(
    Odds,
    learn_from=st.sampled_from(["feedback", "agreement"]),
    cascade=st.booleans(),
    gain_per_call_ppb=v1.parts,
    warm_up_lessons=st.integers(0, 1_000),
    warm_up_panels=st.integers(0, 1_000),
    audit_every=st.integers(0, 1_000),
    option_shapes=st.booleans(),
)
gains = st.builds(Gain, left=v1.positives, expected_ppb=v1.counts, wanted_ppb=v1.counts)


@st.composite
def facts(draw: st.DrawFn, options: int) -> QuestionFacts:
    """Draw the facts of a question with so many options."""
    kind = draw(st.sampled_from(["texts", "values"])) if options else "number"
    return QuestionFacts(
        kind=kind,
        negated=draw(st.booleans()) if options else False,
        given=draw(v1.maybe(v1.some(exact_numbers))),
        values=draw(v1.some(v1.maybe(exact_numbers), options, options)) if kind == "values" else (),
        shapes=draw(v1.maybe(st.just(("value/0",) * options))),
    )


@st.composite
def panel_shares(draw: st.DrawFn, names: list[str], options: int) -> PanelOdds:
    """Draw what a panel of these agents carries."""
    carried = st.dictionaries(term_names, weights, max_size=4)
    entry_id = draw(v1.maybe(v1.event_ids))
    return PanelOdds(
        scope=draw(v1.names),
        settings=draw(settings),
        mode=draw(st.sampled_from(["untaught", "warm-up", "audit", "whole panel", "by gain"])),
        entry_id=entry_id,
        sequence=0 if entry_id is None else draw(v1.positives),
        lessons=draw(v1.counts),
        facts=draw(facts(options)),
        members=tuple(
            Member(agent=name, skill=draw(shares), mean=draw(weights), weights=draw(carried)) for name in names
        ),
        shared=draw(carried),
    )


lines = st.builds(
    OddsLine,
    answer=v1.texts,
    score_unats=v1.signed,
    posterior_ppb=v1.maybe(v1.parts),
    terms=v1.some(st.builds(Term, name=term_names, weight=weights, times=st.integers(1, 64))),
)


@st.composite
def evidence(draw: st.DrawFn, kind: Any, agent: str) -> Evidence:
    """Draw what an answer to a question of some kind rests on."""
    return Evidence(
        agent=agent,
        grounds=draw(st.sampled_from(GROUNDS[kind])),
        uses=draw(v1.maybe(st.booleans())),
        repeats=draw(st.integers(0, 3)) if kind == "number" else None,
    )


@st.composite
def decision_shares(draw: st.DrawFn, agents: list[str], options: int) -> DecisionOdds:
    """Draw what a decision carries, with the agents of its ballots in order."""
    kind = draw(st.sampled_from(["texts", "values"])) if options else "number"
    return DecisionOdds(
        scope=draw(v1.names),
        learn_from=draw(st.sampled_from(["feedback", "agreement"])),
        kind=kind,
        negated=draw(st.booleans()),
        shapes=draw(v1.maybe(st.just(("value/0",) * options))),
        first=draw(v1.agent_names),
        evidence=tuple(draw(evidence(kind, agent)) for agent in agents),
        lines=draw(v1.some(lines)),
    )


@st.composite
def lessons(draw: st.DrawFn, agents: list[str] | None = None, **fixed: Any) -> LessonGiven:
    """Draw a lesson that agrees with itself."""
    options = draw(st.just(0) | st.integers(2, 6))
    answers = st.sampled_from(LETTERS[:options]) if options else st.integers(-9, 99).map(str)
    kind = draw(st.sampled_from(["texts", "values"])) if options else "number"
    named = draw(st.lists(v1.agent_names, max_size=5, unique=True)) if agents is None else agents
    taught = []
    for agent in named:
        answer = draw(v1.maybe(answers))
        found = draw(evidence(kind, agent))
        read = {"grounds": found.grounds, "uses": found.uses, "repeats": found.repeats}
        taught.append({"agent": agent, "answer": answer} | (read if answer else dict.fromkeys(read)))
    known = draw(st.sampled_from(["right", "wrong", "neither"]))
    return LessonGiven(
        **{
            "causes": draw(v1.some(v1.event_ids)),
            "occurred_at": draw(v1.instants),
            "scope": draw(v1.names),
            "question_id": draw(v1.names),
            "source": "agreement" if known == "neither" else draw(st.sampled_from(["gold", "human", "judge"])),
            "right": draw(answers) if known == "right" else None,
            "wrong": draw(answers) if known == "wrong" else None,
            "weight_ppb": draw(v1.parts),
            "question_kind": kind,
            "negated": draw(st.booleans()),
            "choices": options,
            "shapes": draw(v1.maybe(st.just(tuple(f"value/{place}" for place in range(options))))),
            "answers": tuple(taught),
            "first": draw(v1.agent_names),
            "tune": "tune.v1",
            "corrects": draw(v1.maybe(v1.event_ids)),
            **fixed,
        }
    )


pairs = st.tuples(weights, st.integers(1, MOST_PRECISION))
tables = st.dictionaries(term_names, pairs, max_size=4)
standings = st.builds(Standing, right=shares, asked=st.integers(0, 100), mean=weights)
weights_entries = v1.event(
    WeightsEntry,
    scope=v1.names,
    question_id=v1.names,
    lesson_id=v1.event_ids,
    sequence=v1.positives,
    previous=v1.maybe(v1.event_ids),
    lessons=v1.counts,
    agents=v1.some(
        st.builds(
            AgentWeights,
            agent=v1.agent_names,
            taught=v1.positives,
            weights=tables,
            standing=st.dictionaries(kinds, standings, max_size=3),
        )
    ),
    shared=tables,
    tune=st.just("tune.v1"),
)
