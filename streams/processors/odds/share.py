"""Share of the table of weights for one panel."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from schemas.canonical import content_id
from schemas.odds import GROUNDS, AskingMode, LearnFrom, Member, Odds, PanelOdds, QuestionKind
from schemas.policies import PolicyAdoptedV2
from schemas.questions import LETTERS, QuestionAsked
from schemas.weights import AgentWeights, WeightAndPrecision, WeightsEntry
from streams.processors.odds.agreement import start_weight
from streams.processors.odds.question_facts import facts_of
from streams.processors.odds.switches import AGENT, NEGATED
from streams.processors.odds.table import NO_STANDING, skill_of


def panel_odds(question: QuestionAsked, policy: PolicyAdoptedV2, entry: WeightsEntry | None, askings: int) -> PanelOdds:
    """
    Give what the rule `odds` needs to decide one question.

    Args:
        question: What was asked.
        policy: Its merge rule is `odds`.
        entry: The newest entry of the policy's table.
        askings: Questions on which each of its agents was asked, at least.
    """
    settings = policy.odds or Odds()
    facts = facts_of(question, option_shapes=settings.option_shapes)
    entry_id = None if entry is None else entry.event_id
    lessons = 0 if entry is None else entry.lessons
    names = _shared_names(facts.kind, facts.shapes, len(question.options))
    return PanelOdds(
        scope=policy.policy_id,
        settings=settings,
        mode=_mode(question, settings, lessons, askings),
        entry_id=entry_id,
        sequence=0 if entry is None else entry.sequence,
        lessons=lessons,
        facts=facts,
        members=_members(_TableKey(entry_id, entry), policy.priority, facts.kind, facts.negated, settings.learn_from),
        shared={} if entry is None else _chosen(entry.shared, names),
    )


def _mode(question: QuestionAsked, settings: Odds, lessons: int, askings: int) -> AskingMode:
    """
    Say how the agents are asked.

    The warm-up counts the questions on which the agent asked least was asked: during it all agents are, so that is the
    number of panels since the newest agent came.
    """
    if not settings.asks_in_stages:
        return "whole panel"
    if not lessons:
        return "untaught"
    if lessons < settings.warm_up_lessons and askings < settings.warm_up_panels:
        return "warm-up"
    every = settings.audit_every
    if every and int(content_id(question.question_id.encode()), 16) % every == 0:
        return "audit"
    return "by gain"


def one_by_one(panel: tuple[str, ...], explored: str | None, members: tuple[Member, ...]) -> list[tuple[str, ...]]:
    """
    Order a panel for asking by gain: the most skilled agent first, then one at a time; an explored agent beside it.

    Equal skills keep the order of the panel.
    """
    skill = {member.agent: member.skill for member in members}
    order = sorted(panel, key=lambda agent: -skill[agent])
    rest = [agent for agent in order[1:] if agent != explored]
    first = (order[0],) if explored is None or explored == order[0] else (order[0], explored)
    return [first, *((agent,) for agent in rest)]


@dataclass(frozen=True, slots=True)
class _TableKey:
    """A table of weights as the key of what it gives: its id says what it holds."""

    entry_id: str | None
    entry: WeightsEntry | None = field(compare=False)


@lru_cache(maxsize=16)
def _members(
    table: _TableKey, agents: tuple[str, ...], kind: QuestionKind, negated: bool, learn_from: LearnFrom
) -> tuple[Member, ...]:
    """Give agents as a table knows them; questions that come close together see the same table."""
    # Where agreement teaches, the first agent's weights do not begin as those of the others.
    first = agents[0] if learn_from == "agreement" else None
    lines = {} if table.entry is None else {line.agent: line for line in table.entry.agents}
    return tuple(_member(agent, lines.get(agent), kind, negated, agent == first) for agent in agents)


def _member(agent: str, line: AgentWeights | None, kind: QuestionKind, negated: bool, is_first: bool) -> Member:
    standing = NO_STANDING if line is None else line.standing.get(kind, NO_STANDING)
    grounds = GROUNDS[kind]
    names = (AGENT, *((NEGATED,) if negated else ()), *grounds)
    weights = {} if line is None else _chosen(line.weights, names)
    if is_first:
        weights = {**{name: start_weight((agent, name), agent) for name in grounds}, **weights}
    return Member(agent=agent, skill=skill_of(standing), mean=standing.mean, weights=weights)


@lru_cache(maxsize=256)
def _shared_names(kind: QuestionKind, shapes: tuple[str, ...] | None, options: int) -> tuple[str, ...]:
    """Name the weights of no agent that answers to a question of this kind may switch on."""
    names = [f"supporters/{count}" for count in range(1, 7)]
    if kind != "texts":
        names += ["uses/true", "uses/false"]
    if kind == "number":
        names += [f"repeats/{count}" for count in range(4)]
        names += ["value/positive whole", "value/other"] if shapes is not None else []
    return (*names, *(f"letter/{letter}" for letter in LETTERS[:options]), *dict.fromkeys(shapes or ()))


def _chosen(weights: Mapping[str, WeightAndPrecision], names: tuple[str, ...]) -> dict[str, int]:
    return {name: weights[name][0] for name in names if name in weights}
