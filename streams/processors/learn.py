"""Processor `learn`: decisions and feedback in, observations of agents out."""

from dataclasses import dataclass, replace
from typing import Any

from schemas.decisions import Ballot, DecisionMade, Exclusion
from schemas.event import Event, latest
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.quantities import PPB
from schemas.router import AgentObserved
from streams.processors.fixed import half_even
from streams.processors.fold import GATHER_MS, Processor, Rejection, Step, Tables
from streams.processors.lesson import (
    NO_ANSWER,
    Lesson,
    dump_lesson,
    impossible,
    judge,
    lesson_of,
    load_lesson,
    plain_answer,
)


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
    Feedback that did not count: its event id, and the detail of its rejection if it was rejected. A repeat does not
    count either.
    """


def fold(state: Learned | None, event: Event, key: str, tables: Tables) -> Step[Learned]:
    """
    Decide the observations of each agent on one question.

    Args:
        state: State of the question so far.
        event: A decision, a feedback or a retraction; other kinds change nothing.
        key: The question id.
        tables: Not used.

    Returns:
        From a decision, one observation of how the calls of each seat went, and those of feedback that came before
        it. From feedback, one of the quality of each agent it judges. From a retraction, one correction for each
        observation taken back. A repeated event changes nothing, nor does the same feedback at another time. Feedback
        that contradicts an earlier one of its source and author is rejected as `conflict`, a retraction of unknown
        feedback as `unknown_reference`; from learn.v2 on, an answer that the question cannot have as `invalid`.

    Reads decision.made (v1, v2), feedback.given.v1, feedback.retracted.v1; writes agent.observed.v1; order per question
    only, between the two topics in no order at all.
    """
    state = state or Learned()
    if isinstance(event, DecisionMade):
        return _decided(state, event)
    if isinstance(event, FeedbackGiven):
        return _given(state, event)
    if isinstance(event, FeedbackRetracted):
        return _retracted(state, event)
    return Step(state)


def _judgement(lesson: Lesson, known: CountedFeedback) -> tuple[AgentObserved, ...]:
    """Give the observations a feedback led to, and the corrections of its retraction."""
    observed = judge(lesson, known.feedback)
    if known.retraction is None:
        return observed
    return (*observed, *(_correct(observation, known.retraction) for observation in observed))


def _decided(state: Learned, decision: DecisionMade) -> Step[Learned]:
    if state.lesson is not None:
        return Step(state)
    lesson = lesson_of(decision)
    state = _without_impossible(replace(state, lesson=lesson), lesson)
    early = [output for known in state.given for output in _judgement(lesson, known)]
    return Step(state, (*_conducts(decision), *early))


def _without_impossible(state: Learned, lesson: Lesson) -> Learned:
    """Set earlier feedback aside that turns out to be no possible answer, so that a better one may follow."""
    problems = [(known.feedback.event_id, impossible(lesson, known.feedback)) for known in state.given]
    set_aside = tuple((event_id, detail) for event_id, detail in problems if detail is not None)
    if not set_aside:
        return state
    ids = [event_id for event_id, _ in set_aside]
    given = tuple(known for known in state.given if known.feedback.event_id not in ids)
    return replace(state, given=given, ignored=(*state.ignored, *set_aside))


def _conducts(decision: DecisionMade) -> tuple[AgentObserved, ...]:
    counted = [_conduct(decision, ballot, silent=False) for ballot in decision.counted]
    # A seat without a call, for lack of budget for example, gives no observation.
    called = [exclusion for exclusion in decision.excluded if exclusion.reason != "refused"]
    excluded = [_conduct(decision, e, silent=e.reason in ("failed", "no_reply")) for e in called]
    return (*counted, *excluded)


def _conduct(decision: DecisionMade, voice: Ballot | Exclusion, *, silent: bool) -> AgentObserved:
    """Observe how one seat's calls went: what they took, what they cost, and the share that gave an analysis."""
    conduct = voice.conduct
    return AgentObserved(
        causes=(decision.event_id,),
        occurred_at=decision.occurred_at,
        agent=voice.agent,
        question_id=decision.question_id,
        scopes=decision.scopes,
        source="decision",
        latency_ms=conduct.latency_ms,
        cost_nusd=None if conduct.unpriced_calls or not conduct.attempts else conduct.cost_nusd,
        stability_ppb=0 if silent else half_even(PPB, conduct.attempts),
        weight_ppb=PPB,
        averaging=decision.learning.averaging,
    )


def _given(state: Learned, event: FeedbackGiven) -> Step[Learned]:
    for event_id, detail in state.ignored:
        if event_id == event.event_id:
            return Step(state, rejection=None if detail is None else _refusal(detail))
    problem = None if state.lesson is None else impossible(state.lesson, event)
    if problem is not None:
        return Step(replace(state, ignored=(*state.ignored, (event.event_id, problem))), rejection=_refusal(problem))
    for known in state.given:
        earlier = known.feedback
        if earlier.event_id == event.event_id:
            return Step(state)
        if known.retraction is not None or (earlier.source, earlier.author) != (event.source, event.author):
            continue
        if _statement(earlier, state.lesson) == _statement(event, state.lesson):
            return Step(replace(state, ignored=(*state.ignored, (event.event_id, None))))
        detail = (
            f"{_said(earlier)} stands already (event {earlier.event_id}), and this says {_said(event)};"
            " retract the first, or give another author"
        )
        ignored = (*state.ignored, (event.event_id, detail))
        return Step(replace(state, ignored=ignored), rejection=_refusal(detail))
    events = () if state.lesson is None else judge(state.lesson, event)
    return Step(replace(state, given=(*state.given, CountedFeedback(event))), events)


def _retracted(state: Learned, event: FeedbackRetracted) -> Step[Learned]:
    place = next((at for at, g in enumerate(state.given) if g.feedback.event_id == event.feedback_id), None)
    if place is None:
        detail = f"no feedback {event.feedback_id} was given on question {event.question_id!r}"
        return Step(state, rejection=Rejection("unknown_reference", detail))
    known = state.given[place]
    if known.retraction is not None:
        return Step(state)
    events: tuple[AgentObserved, ...] = ()
    if state.lesson is not None:
        events = tuple(_correct(observation, event) for observation in judge(state.lesson, known.feedback))
    given = (*state.given[:place], replace(known, retraction=event), *state.given[place + 1 :])
    return Step(replace(state, given=given), events)


def _correct(observation: AgentObserved, retraction: FeedbackRetracted) -> AgentObserved:
    """Take one observation back: the same values, marked as a correction of it."""
    return AgentObserved(
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


def _statement(feedback: FeedbackGiven, lesson: Lesson | None) -> tuple[str | None, str | None]:
    if feedback.answer is None:
        return None, feedback.verdict
    right = plain_answer(feedback.answer) if lesson is None else lesson.right_answer(feedback.answer)
    return right, feedback.verdict


def _refusal(detail: str) -> Rejection:
    return Rejection("invalid" if detail.startswith(NO_ANSWER) else "conflict", detail)


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


LEARN = Processor(
    name="learn",
    reads=(DecisionMade.topic, FeedbackGiven.topic),
    keys=_keys,
    fold=fold,
    dump=_dump,
    load=_load,
    open=lambda state: False,
    gather_ms=GATHER_MS,
)
