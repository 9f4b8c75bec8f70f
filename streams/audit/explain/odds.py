"""Explanation of the merge rule `odds`: knowledge, scores, lessons."""

from collections.abc import Iterable, Mapping

from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.lessons import LessonGiven
from schemas.odds import PanelOdds
from schemas.panels import PanelAssigned, PanelAssignedV2
from schemas.weights import WeightsEntry
from streams.audit.explain.explanation import (
    AnswerScored,
    DecidedByOdds,
    EvidenceSeen,
    MemberSeen,
    OddsSeen,
    TermSeen,
    WeightMoved,
    WeightsChange,
)
from streams.processors.odds.switches import SHARED, Switch, name_of, start_of


def odds_of(panel: PanelAssigned) -> PanelOdds | None:
    """Give the share of the table of weights that a panel carries; None under any other merge rule."""
    return panel.odds if isinstance(panel, PanelAssignedV2) else None


def odds_seen(panel: PanelAssigned) -> OddsSeen | None:
    """Say what the rule knew of a panel."""
    odds = odds_of(panel)
    if odds is None:
        return None
    return OddsSeen(
        scope=odds.scope,
        mode=odds.mode,
        entry_id=odds.entry_id,
        sequence=odds.sequence,
        lessons=odds.lessons,
        kind=odds.facts.kind,
        negated=odds.facts.negated,
        learn_from=odds.settings.learn_from,
        members=[
            MemberSeen(agent=member.agent, skill=member.skill, mean=member.mean, weights=dict(member.weights))
            for member in odds.members
        ],
        shared=dict(odds.shared),
    )


def odds_decided(decision: DecisionMade) -> DecidedByOdds | None:
    """Take the scores behind a decision apart."""
    odds = decision.odds if isinstance(decision, DecisionMadeV2) else None
    if odds is None:
        return None
    return DecidedByOdds(
        lines=[
            AnswerScored(
                answer=line.answer,
                score_unats=line.score_unats,
                posterior_ppb=line.posterior_ppb,
                terms=[TermSeen(name=term.name, weight=term.weight, times=term.times) for term in line.terms],
            )
            for line in odds.lines
        ],
        evidence=[
            EvidenceSeen(agent=one.agent, grounds=one.grounds, uses=one.uses, repeats=one.repeats)
            for one in odds.evidence
        ],
    )


def weights_changed(
    lessons: Iterable[LessonGiven], made: Iterable[WeightsEntry], known: Mapping[str, WeightsEntry]
) -> dict[str, list[WeightsChange]]:
    """
    Say what lessons changed.

    Args:
        lessons: Those of one question.
        made: The entries that follow from them, as far as the log still holds them.
        known: Entries by id, those before them included.

    Returns:
        By the event that taught: a feedback, a retraction, or the decision itself.
    """
    by_id = {lesson.event_id: lesson for lesson in lessons}
    changes: dict[str, list[WeightsChange]] = {}
    for entry in made:
        lesson = by_id.get(entry.lesson_id)
        if lesson is not None:
            before = None if entry.previous is None else known.get(entry.previous)
            changes.setdefault(lesson.causes[-1], []).append(_change(lesson, entry, before))
    return changes


def _change(lesson: LessonGiven, entry: WeightsEntry, before: WeightsEntry | None) -> WeightsChange:
    return WeightsChange(
        scope=entry.scope,
        lesson_id=lesson.event_id,
        event_id=entry.event_id,
        sequence=entry.sequence,
        right=lesson.right,
        wrong=lesson.wrong,
        corrects=lesson.corrects,
        weight_ppb=lesson.weight_ppb,
        moved=_moved(entry, before),
    )


def _moved(entry: WeightsEntry, before: WeightsEntry | None) -> list[WeightMoved]:
    after = weights_of(entry)
    if before is None and entry.previous is not None:
        taught = {one.agent for one in entry.agents if one.taught == entry.sequence}
        return [
            WeightMoved(name=name_of(switch), before=None, after=value)
            for switch, value in after.items()
            if switch[0] in taught
        ]
    old = {} if before is None else weights_of(before)
    steps = [(switch, old.get(switch, start_of(switch)), value) for switch, value in after.items()]
    moved = sorted((step for step in steps if step[1] != step[2]), key=lambda step: -abs(step[2] - step[1]))
    return [WeightMoved(name=name_of(switch), before=was, after=value) for switch, was, value in moved]


def weights_of(entry: WeightsEntry) -> dict[Switch, int]:
    """Give every weight of a table, in units of 1/65,536 nat."""
    own = {(one.agent, name): value for one in entry.agents for name, (value, _) in one.weights.items()}
    return own | {(SHARED, name): value for name, (value, _) in entry.shared.items()}
