"""Decision of one question, derived again."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from schemas.analyses import AnalysisPublished
from schemas.decisions import DeadlinePassed, DecisionMade
from schemas.event import Event
from schemas.panels import PanelAssigned, StageOpened
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.router import RouterEntry
from schemas.weights import WeightsEntry
from streams.processors.fold import Tables
from streams.processors.merge import Merged, contradiction_in
from streams.processors.question_so_far import Follows
from streams.processors.route import assign
from streams.processors.stage_rules import conclude


class Derived(NamedTuple):
    """What follows from the events again, and where it differs."""

    problems: tuple[str, ...]
    panel: bool
    """Whether the panel was derived too; not without an entry that compaction removed."""


_UNDIGESTED = (ArithmeticError, AssertionError, LookupError, TypeError, ValueError)
"""Errors of a rule that is given events which contradict each other."""


def derive_again(decision: DecisionMade, causes: Sequence[Event], beside: Iterable[Event]) -> Derived:
    """
    Derive panel, stages and decision again.

    Args:
        decision: What is to follow.
        causes: The events that the decision names, in its order: each stage's opener, then its analyses; last the
            deadline.
        beside: The events that the panel names: question, policy, router entries and table of weights; entries
            may be missing.
    """
    try:
        return _derive(decision, causes, tuple(beside))
    except _UNDIGESTED as error:
        return Derived((f"the events contradict each other ({type(error).__name__}: {error})",), panel=False)


def _derive(decision: DecisionMade, causes: Sequence[Event], beside: Sequence[Event]) -> Derived:
    panel = causes[0] if causes else None
    if not isinstance(panel, PanelAssigned):
        return Derived(("the first cause of the decision is no panel",), panel=False)
    problems = []
    derived = _panel(panel, beside)
    if derived is not None and derived.encode() != panel.encode():
        problems.append("the panel does not follow from its question, its policy and the entries that it names")
    of_others = {event.event_id for event in causes if getattr(event, "question_id", None) != decision.question_id}
    if of_others:
        problems.append("the decision names events about another question")
    follows = _merge(panel, causes[1:])
    if isinstance(follows, str):
        problems.append(follows)
    elif follows.event.encode() != decision.encode():
        problems.append(f"another decision follows: {_first_difference(follows.event, decision)}")
    return Derived(tuple(problems), derived is not None)


def _panel(panel: PanelAssigned, beside: Sequence[Event]) -> PanelAssigned | None:
    """Derive the panel; None if not all that it names is there."""
    by_id = {event.event_id: event for event in beside}
    named = [by_id.get(cause) for cause in panel.causes]
    entries = {(e.scope, e.agent): e for e in named if isinstance(e, RouterEntry)}
    weights = {entry.scope: entry for entry in named if isinstance(entry, WeightsEntry)}
    question = next((event for event in named if isinstance(event, QuestionAsked)), None)
    policy = next((event for event in named if isinstance(event, PolicyAdopted)), None)
    if question is None or policy is None or any(event is None for event in named):
        return None
    tables = Tables(policy, entries, weights)
    return assign(question, policy, tables, crowded=getattr(panel, "crowded", None) is True)


def _merge(panel: PanelAssigned, causes: Sequence[Event]) -> Follows | str:
    """Fold the causes stage by stage; give the decision, or say which step does not follow."""
    state = Merged(assignment=panel)
    analyses: tuple[AnalysisPublished, ...] = ()
    opened: tuple[StageOpened, ...] = ()
    deadline: DeadlinePassed | None = None
    trace = state.trace
    for event in causes:
        if isinstance(event, AnalysisPublished):
            problem = None if panel.rule_versions.merge == "merge.v1" else contradiction_in(event)
            if problem is not None:
                return f"an analysis contradicts itself: {problem}"
            analyses = (*analyses, event)
        elif isinstance(event, StageOpened):
            follows = conclude(panel, opened, analyses, None, trace)
            if follows is None or follows.event.encode() != event.encode():
                return f"stage {event.stage.number} does not follow from what came before it"
            opened, trace = (*opened, event), follows.trace
        elif isinstance(event, DeadlinePassed):
            deadline = event
        else:
            return f"a decision does not rest on a {event.kind}"
    if deadline is not None and panel.rule_versions.merge != "merge.v1" and panel.event_id not in deadline.causes:
        return "the deadline is of another panel"
    follows = conclude(panel, opened, analyses, deadline, trace)
    if follows is None or not isinstance(follows.event, DecisionMade):
        return "no decision follows yet from these events"
    return follows


def _first_difference(expected: Event, actual: Event) -> str:
    """Name the first field in which two events differ, the id last."""
    for name in (*(n for n in type(expected).model_fields if n != "event_id"), "event_id"):
        mine, theirs = getattr(expected, name), getattr(actual, name, None)
        if mine != theirs:
            return f"its {name} is {_shown(mine)}, the decision says {_shown(theirs)}"
    return "its bytes differ"


def _shown(value: object) -> str:
    shown = str(value)
    return shown if len(shown) <= 80 else shown[:79] + "…"
