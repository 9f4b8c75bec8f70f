"""Processor `learn`: decisions and feedback in, observations and lessons out."""

from dataclasses import dataclass, replace
from typing import Any

from schemas.decisions import DecisionMade
from schemas.event import Event, latest
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.lessons import LessonGiven
from schemas.router import AgentObserved
from streams.processors.calls_observed import observed_calls
from streams.processors.fold import GATHER_MS, Processor, Rejection, Step, Tables, guarded
from streams.processors.lesson import (
    Lesson,
    dump_lesson,
    impossible,
    judge,
    lesson_of,
    load_lesson,
    observed,
    statement_of,
    taught_odds,
)
from streams.processors.odds.lesson import lesson_from_agreement, taken_back

MOST_FEEDBACK = 1_000
"""Feedbacks that count on one question."""
MOST_IGNORED = 256
"""Ids kept of feedback that did not count; the same statement may be given again and again."""


@dataclass(frozen=True, slots=True)
class CountedFeedback:
    """A feedback that counts, and the retraction that ended it."""

    feedback: FeedbackGiven
    retraction: FeedbackRetracted | None = None


@dataclass(frozen=True, slots=True)
class Learned:
    """State of one question: its decision, and the feedback on it."""

    lesson: Lesson | None = None
    given: tuple[CountedFeedback, ...] = ()
    ignored: tuple[tuple[str, str | None], ...] = ()
    """
    Feedback that did not count, the last `MOST_IGNORED`: its event id, and the detail of the conflict if it was one. A
    repeat does not count either.
    """


def fold(state: Learned | None, event: Event, key: str, tables: Tables) -> Step[Learned]:
    """
    Decide the observations of each agent on one question, and the lessons for the merge rule `odds`.

    Args:
        state: State of the question so far.
        event: A decision, a feedback or a retraction; other kinds change nothing.
        key: The question id.
        tables: Not used.

    Returns:
        From a decision, one observation of how the calls of each seat went, and those of feedback that came before
        it. From feedback, one of the quality of each agent it judges. From a retraction, one correction for each
        observation taken back. Under the rule `odds` one lesson follows the observations of each feedback that says
        something of an answer, and its correction those of a retraction; where agreement teaches, the one lesson is the
        decision's. A repeated event changes nothing, nor does the same feedback at another time. Feedback
        that contradicts an earlier one of its source and author is rejected as `conflict`, a retraction of unknown
        feedback as `unknown_reference`. From learn.v2 on, an answer that the question cannot have judges nobody, and if
        the decision is known it is rejected as `invalid`; it stands like other feedback until it is retracted.

    Reads decision.made (v1, v2), feedback.given.v1, feedback.retracted.v1; writes agent.observed of the
    decision's version and lesson.given.v1; order per question only, between the two topics in no order at all.
    """
    state = state or Learned()
    if isinstance(event, DecisionMade):
        return _decided(state, event)
    if isinstance(event, FeedbackGiven):
        return _given(state, event)
    if isinstance(event, FeedbackRetracted):
        return _retracted(state, event)
    return Step(state)


def _judgement(lesson: Lesson, known: CountedFeedback) -> tuple[Event, ...]:
    """Give the observations and the lesson a feedback led to, and the corrections of its retraction."""
    judged = _judged(lesson, known.feedback)
    if known.retraction is None:
        return judged
    return (*judged, *_corrected(lesson, judged, known.retraction))


def _judged(lesson: Lesson, feedback: FeedbackGiven) -> tuple[Event, ...]:
    """Give what a feedback leads to: observations of the agents it judges, then its lesson."""
    taught = taught_odds(lesson, feedback)
    observations = judge(lesson, feedback)
    return observations if taught is None else (*observations, taught)


def _corrected(lesson: Lesson, judged: tuple[Event, ...], retraction: FeedbackRetracted) -> tuple[Event, ...]:
    """Take back what a feedback led to."""
    return tuple(
        taken_back(event, retraction) if isinstance(event, LessonGiven) else _correct(lesson, event, retraction)
        for event in judged
        if isinstance(event, LessonGiven | AgentObserved)
    )


def _decided(state: Learned, decision: DecisionMade) -> Step[Learned]:
    if state.lesson is not None:
        return Step(state)
    lesson = lesson_of(decision)
    state = replace(state, lesson=lesson)
    agreed = None if lesson.odds is None else lesson_from_agreement(lesson.odds, decision)
    early = [output for known in state.given for output in _judgement(lesson, known)]
    return Step(state, (*observed_calls(decision), *(() if agreed is None else (agreed,)), *early))


def _given(state: Learned, event: FeedbackGiven) -> Step[Learned]:
    # What follows here must not depend on whether the decision is known: Kafka brings it before or after the feedback,
    # and a rebuild or a replay cannot know which.
    for event_id, detail in state.ignored:
        if event_id == event.event_id:
            return Step(state, rejection=None if detail is None else Rejection("conflict", detail))
    for known in state.given:
        earlier = known.feedback
        if earlier.event_id == event.event_id:
            return Step(state)
        if known.retraction is not None or (earlier.source, earlier.author) != (event.source, event.author):
            continue
        if statement_of(earlier) == statement_of(event):
            return Step(_ignoring(state, event, None))
        detail = (
            f"{_said(earlier)} stands already (event {earlier.event_id}), and this says {_said(event)};"
            " retract the first, or give another author"
        )
        return Step(_ignoring(state, event, detail), rejection=Rejection("conflict", detail))
    if len(state.given) >= MOST_FEEDBACK:
        detail = f"question {event.question_id!r} has {MOST_FEEDBACK:,} feedbacks already; this one does not count"
        return Step(state, rejection=Rejection("too_large", detail))
    given = replace(state, given=(*state.given, CountedFeedback(event)))
    if state.lesson is None:
        return Step(given)
    problem = impossible(state.lesson, event)
    return Step(given, _judged(state.lesson, event), None if problem is None else Rejection("invalid", problem))


def _ignoring(state: Learned, event: FeedbackGiven, detail: str | None) -> Learned:
    return replace(state, ignored=(*state.ignored, (event.event_id, detail))[-MOST_IGNORED:])


def _retracted(state: Learned, event: FeedbackRetracted) -> Step[Learned]:
    place = next((at for at, g in enumerate(state.given) if g.feedback.event_id == event.feedback_id), None)
    if place is None:
        detail = f"no feedback {event.feedback_id} was given on question {event.question_id!r}"
        return Step(state, rejection=Rejection("unknown_reference", detail))
    known = state.given[place]
    if known.retraction is not None:
        return Step(state)
    events: tuple[Event, ...] = ()
    if state.lesson is not None:
        events = _corrected(state.lesson, _judged(state.lesson, known.feedback), event)
    given = (*state.given[:place], replace(known, retraction=event), *state.given[place + 1 :])
    return Step(replace(state, given=given), events)


def _correct(lesson: Lesson, observation: AgentObserved, retraction: FeedbackRetracted) -> AgentObserved:
    """Take one observation back: the same values, marked as a correction of it."""
    return observed(
        lesson.rank_rules,
        causes=(*observation.causes, observation.event_id, retraction.event_id),
        occurred_at=latest(observation.occurred_at, retraction.occurred_at),
        agent=observation.agent,
        question_id=observation.question_id,
        scopes=observation.scopes,
        source=observation.source,
        quality_ppb=observation.quality_ppb,
        weight_ppb=observation.weight_ppb,
        averaging=observation.averaging,
        corrects=observation.event_id,
    )


def _said(feedback: FeedbackGiven) -> str:
    author = f" by {feedback.author}" if feedback.author else ""
    said = f"answer {feedback.answer!r}" if feedback.answer is not None else f"verdict {feedback.verdict!r}"
    return f"{feedback.source} feedback{author}: {said}"


def _keys(event: Event) -> tuple[str, ...]:
    if isinstance(event, DecisionMade | FeedbackGiven | FeedbackRetracted):
        return (event.question_id,)
    return ()


def _dump(state: Learned) -> Any:
    return {
        "lesson": None if state.lesson is None else dump_lesson(state.lesson),
        "given": [
            [event.encode().decode() for event in (known.feedback, known.retraction) if event is not None]
            for known in state.given
        ],
        "ignored": state.ignored,
    }


def _load(dumped: Any) -> Learned:
    lesson = None if dumped["lesson"] is None else load_lesson(dumped["lesson"])
    given = tuple(_load_given(*texts) for texts in dumped["given"])
    return Learned(lesson, given, tuple((event_id, detail) for event_id, detail in dumped["ignored"]))


def _load_given(feedback: str, retraction: str | None = None) -> CountedFeedback:
    given = FeedbackGiven.decode(feedback.encode())
    return CountedFeedback(given, None if retraction is None else FeedbackRetracted.decode(retraction.encode()))


def _version(state: Learned | None, event: Event, tables: Tables) -> str:
    if isinstance(event, DecisionMade):
        return event.rule_versions.learn
    lesson = None if state is None else state.lesson
    return "learn.v1" if lesson is None or lesson.extractor is None else "learn.v2"


LEARN = Processor(
    name="learn",
    reads=(DecisionMade.topic, FeedbackGiven.topic),
    keys=_keys,
    fold=guarded(fold, _version),
    dump=_dump,
    load=_load,
    open=lambda state: False,
    gather_ms=GATHER_MS,
)
