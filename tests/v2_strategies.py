"""
Hypothesis strategies for events of every version.

An event of v2 agrees with itself, so its fields are drawn from each other.
"""

from typing import Any

from hypothesis import strategies as st

from schemas.agents import OpenAIAgentV2
from schemas.decisions import DeadlinePassedV2, DecisionMadeV2, Post
from schemas.panels import PanelAssignedV2
from schemas.questions import LETTERS, OptionDigest
from schemas.registry import KINDS
from schemas.router import AgentObservedV2, ObservationCountsV2, RouterEntryV2
from schemas.rules import FIRST_RULES, NEWEST_RULES

from . import strategies as v1

rule_versions = st.sampled_from([FIRST_RULES, NEWEST_RULES])
carried = v1.texts | st.builds(OptionDigest, sha256=v1.event_ids)
posts = st.builds(
    Post,
    agent=v1.agent_names,
    stage=v1.counts,
    role=st.sampled_from(["dispatcher", "merger"]),
    outcome=st.sampled_from(["answered", "failed", "no_reply", "refused"]),
    conduct=v1.conducts,
)


def drawn(draw: st.DrawFn, fields: dict[str, st.SearchStrategy[Any]], *but: str) -> dict[str, Any]:
    """Draw the fields of an event, except those named."""
    ours = {name: draw(strategy) for name, strategy in fields.items() if name not in but}
    return {"causes": draw(v1.some(v1.event_ids)), "occurred_at": draw(v1.instants), **ours}


@st.composite
def panels(draw: st.DrawFn) -> PanelAssignedV2:
    """Draw a panel whose fields agree."""
    names = draw(st.lists(v1.agent_names, min_size=2, max_size=6, unique=True))
    cut = draw(st.integers(1, len(names) - 1))
    dispatched = draw(st.booleans())
    groups = (tuple(names[:cut]), tuple(names[cut:]))
    first, later = ((names[0],), groups) if dispatched else (groups[0], groups[1:])
    options = draw(st.just(()) | v1.some(carried, 2, 5))
    fields = drawn(draw, v1.ASSIGNMENT, "answer_type", "option_count", "candidates", "stage", "later", "reserve")
    role = "dispatcher" if dispatched else "analyst"
    return PanelAssignedV2(
        **{
            **fields,
            "answer_type": "choice" if options else "number",
            "option_count": len(options),
            "options": options,
            "candidates": tuple({**draw(v1.candidates).model_dump(), "agent": name} for name in names),
            "stage": {"number": 0, "role": role, "seats": tuple({"agent": name} for name in first), "material": ()},
            "later": later,
            "reserve": (),
            "priority": tuple(draw(st.permutations(names))),
            "explored": draw(v1.maybe(st.sampled_from(names))),
            "merger": draw(st.sampled_from(names)),
            "rules": draw(rule_versions),
        }
    )


@st.composite
def decisions(draw: st.DrawFn) -> DecisionMadeV2:
    """Draw a decision whose fields agree."""
    options = draw(st.just(()) | v1.some(carried, 2, 5))
    answers = st.sampled_from(LETTERS[: len(options)]) if options else v1.texts
    answer = draw(v1.maybe(answers))
    ballots = tuple({**ballot.model_dump(), "answer": draw(answers)} for ballot in draw(v1.some(v1.ballots)))
    return DecisionMadeV2(
        **{
            **drawn(draw, v1.DECISION),
            "options": options,
            "answer": answer,
            "status": "undecided" if answer is None else "decided",
            "reason": draw(st.sampled_from(["panel complete", "below window"])),
            "counted": ballots,
            "rules": draw(rule_versions),
            "answer_text": draw(v1.maybe(v1.texts)),
            "even_sums": draw(v1.maybe(v1.some(v1.texts))),
            "posts": draw(v1.maybe(v1.some(posts))),
        }
    )


counts = st.builds(ObservationCountsV2, **v1.fields_of(ObservationCountsV2, v1.counts))
ranks = st.sampled_from(["rank.v1", "rank.v2"])

EVENTS: dict[str, st.SearchStrategy[Any]] = {
    **v1.EVENTS,
    "panel.assigned.v2": panels(),
    "deadline.passed.v2": st.builds(
        DeadlinePassedV2, causes=v1.some(v1.event_ids, 1, 1), occurred_at=v1.instants, question_id=v1.names
    ),
    "decision.made.v2": decisions(),
    "agent.observed.v2": v1.event(
        AgentObservedV2, **v1.OBSERVATION, rank=ranks, post=v1.maybe(st.sampled_from(["dispatcher", "merger"]))
    ),
    "router.entry.v2": v1.event(RouterEntryV2, **{**v1.ENTRY, "observations": counts}),
    "policy.adopted.v2": v1.policies(OpenAIAgentV2, rules=rule_versions),
}
"""A strategy for each kind, by its published name."""

any_event = st.sampled_from(sorted(KINDS)).flatmap(EVENTS.__getitem__)
