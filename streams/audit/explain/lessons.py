"""Lessons of one question: changes in router table and weights."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from schemas.decisions import DecisionMade
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.letters import RecordRejected
from schemas.router import AgentObserved, RouterEntry
from streams.audit.explain.explanation import EntryChange, LessonSeen, WeightsChange
from streams.audit.explain.panel import averages_of

OBSERVED = ("quality_ppb", "latency_ms", "cost_nusd", "stability_ppb")
"""Quantities of an observation."""


@dataclass(frozen=True, slots=True)
class LessonEvents:
    """Events that followed from one question's decision and feedback."""

    observations: Iterable[AgentObserved]
    made: Iterable[RouterEntry]
    """Router entries that follow from these observations."""
    entries: Mapping[str, RouterEntry]
    """Router entries by id, as far as the log still holds them; they give the averages before each change."""
    letters: Iterable[RecordRejected]
    weights: Mapping[str, list[WeightsChange]]
    """Changes in the weights of the merge rule `odds`, by the event that taught."""


def lessons(
    decision: DecisionMade | None, feedback: Iterable[FeedbackGiven | FeedbackRetracted], taught: LessonEvents
) -> list[LessonSeen]:
    """
    List what the decision's calls and each feedback changed in the router table and in the weights.

    Args:
        decision: Its observations say how the calls went; None: there are none yet.
        feedback: Feedback and retractions, in log order.
        taught: Events that followed from them.

    Returns:
        The decision's lesson first, then one for each feedback and retraction, those that taught nothing included.
    """
    by_id = {observation.event_id: observation for observation in taught.observations}
    changes: dict[str, list[EntryChange]] = {}
    for entry in taught.made:
        observation = by_id.get(next(iter(entry.causes), ""))
        if observation is not None:
            changes.setdefault(observation.causes[-1], []).append(_change(observation, entry, taught.entries))
    rejected = {cause: letter.reason for letter in taught.letters for cause in letter.causes}
    causes = (*(() if decision is None else (decision,)), *feedback)
    told = [_lesson(event, changes.get(event.event_id, []), rejected.get(event.event_id)) for event in causes]
    for lesson in told:
        lesson["weights"] = taught.weights.get(lesson["event_id"], [])
    return told


def observed(observation: AgentObserved) -> dict[str, int]:
    """Give the quantities an observation holds."""
    values = {name: getattr(observation, name) for name in OBSERVED}
    return {name: value for name, value in values.items() if value is not None}


def _change(observation: AgentObserved, entry: RouterEntry, entries: Mapping[str, RouterEntry]) -> EntryChange:
    before = None if entry.previous is None else entries.get(entry.previous)
    return EntryChange(
        agent=entry.agent,
        scope=entry.scope,
        observation_id=observation.event_id,
        event_id=entry.event_id,
        sequence=entry.sequence,
        observed=observed(observation),
        weight_ppb=observation.weight_ppb,
        corrects=observation.corrects,
        before=None if before is None else averages_of(before),
        after=averages_of(entry),
    )


def _lesson(
    event: DecisionMade | FeedbackGiven | FeedbackRetracted, changes: list[EntryChange], rejected: str | None
) -> LessonSeen:
    lesson = LessonSeen(
        cause="decision",
        event_id=event.event_id,
        at=event.occurred_at,
        source="decision",
        author=None,
        answer=None,
        verdict=None,
        retracts=None,
        set_aside=rejected,
        changes=changes,
        weights=[],
    )
    if isinstance(event, FeedbackGiven):
        lesson["cause"], lesson["source"], lesson["author"] = "feedback", event.source, event.author
        lesson["answer"], lesson["verdict"] = event.answer, event.verdict
    elif isinstance(event, FeedbackRetracted):
        lesson["cause"], lesson["source"], lesson["retracts"] = "retraction", "retraction", event.feedback_id
    return lesson
