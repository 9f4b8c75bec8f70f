"""Processor `route`: question and router table in, panel out."""

from dataclasses import dataclass
from typing import Any, Literal

from schemas.event import Event, latest
from schemas.odds import PanelOdds
from schemas.panels import PanelAssigned, PanelAssignedV2, Seat, Stage
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.questions import ALL_SUBJECTS, QuestionAsked, carried_option
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.processors.decompose import fixed_sub_questions
from streams.processors.fold import Processor, Rejection, Step, Tables, guarded
from streams.processors.odds.share import one_by_one, panel_odds
from streams.processors.score import Choice, rank_candidates

MOST_LINES = 20_000
"""
Lines of the router's table from which on route.v2 gives no new subject lines of its own; some 40 MB in each process
that keeps the table. Lines that are there go on.
"""


@dataclass(frozen=True, slots=True)
class Routed:
    """A question that has its panel."""

    statement_id: str
    """Hash of the first question with this id."""
    question_event_id: str


def fold(state: Routed | None, event: Event, key: str, tables: Tables) -> Step[Routed | None]:
    """
    Decide which agents analyse a question in which stage, and which dispatch and merge.

    Args:
        state: None before the first question of the id.
        event: A question; other kinds change nothing.
        key: The question id.
        tables: The policy in force and the router table; without a policy a question gets no panel.

    Returns:
        The assignment for a new question; nothing for a repeated one; a `conflict` for another question under the same
        id.

    Reads question.asked.v1; writes panel.assigned, of the policy's version; order per question only. Under the rule
    `odds` it also sees the policy's table of weights.
    """
    if not isinstance(event, QuestionAsked):
        return Step(state)
    if state is None:
        if tables.policy is None:
            return Step(None)
        assignment = assign(event, tables.policy, tables, crowded=_is_crowded(event, tables.policy, tables))
        return Step(Routed(event.statement_id, event.event_id), (assignment,))
    if event.statement_id != state.statement_id:
        detail = (
            f"question_id {key!r} already stands for another question (event {state.question_event_id});"
            " ask this one under an id of its own"
        )
        return Step(state, rejection=Rejection("conflict", detail))
    return Step(state)


def _is_crowded(question: QuestionAsked, policy: PolicyAdopted, tables: Tables) -> bool:
    """Whether the table is so long that a subject without lines in it gets none."""
    if policy.rule_versions.route == "route.v1" or question.subject is None or len(tables.entries) < MOST_LINES:
        return False
    return all((question.subject, agent) not in tables.entries for agent in policy.priority)


def assign(question: QuestionAsked, policy: PolicyAdopted, tables: Tables, *, crowded: bool = False) -> PanelAssigned:
    """
    Choose the panel of one question; everything the choice rests on is recorded in the event.

    Args:
        question: What was asked.
        policy: The policy in force.
        tables: At least the entries of the question's scopes, and the policy's weights.
        crowded: Whether the router's table takes no new subject.
    """
    scopes = question.scopes if policy.routing.by_subject and not crowded else (ALL_SUBJECTS,)
    choice = rank_candidates(question.event_id, scopes, policy, tables.entries)
    consulted: list[RouterEntry | WeightsEntry] = [
        entry for entries in choice.entries.values() for entry in entries if entry is not None
    ]
    odds: PanelOdds | None = None
    if isinstance(policy, PolicyAdoptedV2) and policy.merge.rule == "odds":
        weights = tables.weights.get(policy.policy_id)
        odds = panel_odds(question, policy, weights, min(choice.asked.values()))
        consulted += [] if weights is None else [weights]
    stage, later = _stages(choice, policy, odds)
    fields: dict[str, Any] = {}
    kind: type[PanelAssigned] = PanelAssigned
    if isinstance(policy, PolicyAdoptedV2):
        kind, fields = PanelAssignedV2, {"rules": policy.rules, "options": tuple(map(carried_option, question.options))}
        if crowded and policy.routing.by_subject:
            fields["crowded"] = True
        if odds is not None:
            fields["odds"] = odds
        if policy.own_rule is not None:
            fields["own_rule"] = policy.own_rule
        if policy.routing.shadow is not None:
            # By rank; the policy has neither reserve nor later stages, so these are all who are not asked. A dispatcher
            # is asked, even if exploration has taken its place among the analysts.
            asked = (*choice.panel, *(seat.agent for seat in stage.seats))
            fields["shadows"] = tuple(c.agent for c in choice.candidates if c.agent not in asked)
    return kind(
        causes=(question.event_id, policy.event_id, *(entry.event_id for entry in consulted)),
        occurred_at=latest(question.occurred_at, policy.occurred_at, *(entry.occurred_at for entry in consulted)),
        question_id=question.question_id,
        policy_id=policy.policy_id,
        answer_type=question.answer_type,
        option_count=len(question.options),
        scopes=scopes,
        candidates=choice.candidates,
        explored=choice.explored,
        decomposition=policy.decomposition,
        stage=stage,
        later=later,
        reserve=choice.reserve,
        merger=_merger(choice, policy),
        priority=tuple(choice.entries) if policy.merge.ties == "rank" else policy.priority,
        merge=policy.merge,
        learning=policy.learning,
        deadline_ms=policy.deadline_ms,
        **fields,
    )


def _stages(choice: Choice, policy: PolicyAdopted, odds: PanelOdds | None) -> tuple[Stage, tuple[tuple[str, ...], ...]]:
    """Split the panel into the stage to open now and those that may follow."""
    groups = [choice.panel]
    by_gain = odds is not None and odds.mode == "by gain"
    cascading = policy.merge.rule == "cascade" or (odds is not None and odds.mode == "untaught")
    if odds is not None and by_gain and not choice.warm_up:
        groups = one_by_one(choice.panel, choice.explored, odds.members)
    elif cascading and not choice.warm_up:
        groups, start = [], 0
        for size in policy.merge.stages:
            groups.append(choice.panel[start : start + size])
            start += size
    if policy.decomposition == "dispatcher":
        dispatch = Stage(number=0, role="dispatcher", seats=(Seat(agent=_by_rank(choice, policy)[0]),))
        return dispatch, tuple(groups)
    parts: tuple[str | None, ...] = (None,) * len(groups[0])
    if policy.decomposition == "fixed":
        parts = fixed_sub_questions(len(groups[0]))
    seats = tuple(Seat(agent=agent, sub_question=part) for agent, part in zip(groups[0], parts, strict=True))
    return Stage(number=0, role="analyst", seats=seats), tuple(groups[1:])


def _merger(choice: Choice, policy: PolicyAdopted) -> str | None:
    """Name the merge agent: rank 1, rank 2 (rank 1 in a panel of one) or a named one; None if the rule asks none."""
    merge = policy.merge
    if merge.rule != "agent" and not (merge.rule == "cascade" and merge.merge_agent):
        return None
    ranks = _by_rank(choice, policy)
    named: dict[str | Literal["first", "second"], str] = {"first": ranks[0], "second": ranks[min(1, len(ranks) - 1)]}
    return named.get(policy.routing.merger, policy.routing.merger)


def _by_rank(choice: Choice, policy: PolicyAdopted) -> tuple[str, ...]:
    """
    Give as many agents as the panel has, by rank.

    Under route.v1 it is the panel itself, where an explored agent may sit in the place of a rank.
    """
    if policy.rule_versions.route == "route.v1":
        return choice.panel
    return tuple(candidate.agent for candidate in choice.candidates)[: len(choice.panel)]


def _keys(event: Event) -> tuple[str, ...]:
    return (event.question_id,) if isinstance(event, QuestionAsked) else ()


def _dump(state: Routed | None) -> Any:
    return None if state is None else [state.statement_id, state.question_event_id]


def _load(dumped: Any) -> Routed | None:
    return None if dumped is None else Routed(dumped[0], dumped[1])


def _version(state: Routed | None, event: Event, tables: Tables) -> str:
    return "route.v1" if tables.policy is None else tables.policy.rule_versions.route


ROUTE = Processor(
    name="route",
    reads=(QuestionAsked.topic,),
    keys=_keys,
    fold=guarded(fold, _version),
    dump=_dump,
    load=_load,
    open=lambda state: False,
    sees_tables=True,
)
