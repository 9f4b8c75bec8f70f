"""Processor `learn`: decisions and feedback in, observations of agents out."""

from dataclasses import dataclass, replace
from typing import Any

from schemas.decisions import Ballot, DecisionMade, Exclusion
from schemas.event import Event, latest
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.policies import Learning
from schemas.quantities import PPB
from schemas.router import AgentObserved
from streams.processors.answers.v1 import canonical_number
from streams.processors.fixed import half_even
from streams.processors.fold import GATHER_MS, Processor, Rejection, Step, Tables


@dataclass(frozen=True, slots=True)
class Lesson:
    """The part of a decision that feedback is judged by."""

    decision_id: str
    occurred_at: str
    answer: str | None
    scopes: tuple[str, ...]
    learning: Learning
    answers: tuple[tuple[str, str | None], ...]
    """Agent and answer of each analyst who gave an analysis; None for an unreadable answer."""


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
    Feedback that did not count: its event id, and the detail of the conflict if it was one. A repeat does not count
    either.
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
        feedback as `unknown_reference`.

    Reads decision.made.v1, feedback.given.v1, feedback.retracted.v1; writes agent.observed.v1; order per question
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
    answers: list[tuple[str, str | None]] = [(ballot.agent, ballot.answer) for ballot in decision.counted]
    answers += [(e.agent, None) for e in decision.excluded if e.reason in ("unreadable", "outside_options")]
    lesson = Lesson(
        decision.event_id, decision.occurred_at, decision.answer, decision.scopes, decision.learning, tuple(answers)
    )
    early = [output for known in state.given for output in _judgement(lesson, known)]
    return Step(replace(state, lesson=lesson), (*_conducts(decision), *early))


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
            return Step(state, rejection=None if detail is None else Rejection("conflict", detail))
    for known in state.given:
        earlier = known.feedback
        if earlier.event_id == event.event_id:
            return Step(state)
        if known.retraction is not None or (earlier.source, earlier.author) != (event.source, event.author):
            continue
        if _statement(earlier) == _statement(event):
            return Step(replace(state, ignored=(*state.ignored, (event.event_id, None))))
        detail = (
            f"{_said(earlier)} stands already (event {earlier.event_id}), and this says {_said(event)};"
            " retract the first, or give another author"
        )
        ignored = (*state.ignored, (event.event_id, detail))
        return Step(replace(state, ignored=ignored), rejection=Rejection("conflict", detail))
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


def judge(lesson: Lesson, feedback: FeedbackGiven) -> tuple[AgentObserved, ...]:
    """
    Observe the quality of the agents that a feedback judges.

    A right answer judges every analyst who gave an analysis (one that could not be read is wrong); a verdict judges
    those whose answer was decided. Failed calls are judged by their stability alone: an outage says nothing about how
    well a model reasons, and would weigh on a slow average for a long time. A source of weight 0 observes nothing.
    """
    weight: int = getattr(lesson.learning.source_weights, feedback.source)
    if weight == 0:
        return ()
    if feedback.answer is not None:
        right = normal_answer(feedback.answer)
        judged = [(agent, answer == right) for agent, answer in lesson.answers]
    else:
        standing = [agent for agent, answer in lesson.answers if answer is not None and answer == lesson.answer]
        judged = [(agent, feedback.verdict == "right") for agent in standing]
    return tuple(
        AgentObserved(
            causes=(lesson.decision_id, feedback.event_id),
            occurred_at=latest(lesson.occurred_at, feedback.occurred_at),
            agent=agent,
            question_id=feedback.question_id,
            scopes=lesson.scopes,
            source=feedback.source,
            quality_ppb=PPB if good else 0,
            weight_ppb=weight,
            averaging=lesson.learning.averaging,
        )
        for agent, good in judged
    )


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


def normal_answer(given: str) -> str:
    """Write an answer as decisions do: a canonical number, or an option's letter in upper case."""
    return canonical_number(given) or given.strip().upper()


def _statement(feedback: FeedbackGiven) -> tuple[str | None, str | None]:
    return (None if feedback.answer is None else normal_answer(feedback.answer)), feedback.verdict


def _said(feedback: FeedbackGiven) -> str:
    author = f" by {feedback.author}" if feedback.author else ""
    said = f"answer {feedback.answer!r}" if feedback.answer is not None else f"verdict {feedback.verdict!r}"
    return f"{feedback.source} feedback{author}: {said}"


def _keys(event: Event) -> tuple[str, ...]:
    if isinstance(event, DecisionMade | FeedbackGiven | FeedbackRetracted):
        return (event.question_id,)
    return ()


def _dump(state: Learned) -> Any:
    lesson = state.lesson
    return {
        "lesson": None
        if lesson is None
        else [
            lesson.decision_id,
            lesson.occurred_at,
            lesson.answer,
            lesson.scopes,
            lesson.learning.model_dump(),
            lesson.answers,
        ],
        "given": [
            [event.encode().decode() for event in (known.feedback, known.retraction) if event is not None]
            for known in state.given
        ],
        "ignored": state.ignored,
    }


def _load(dumped: Any) -> Learned:
    lesson = None
    if dumped["lesson"] is not None:
        decision_id, occurred_at, answer, scopes, learning, answers = dumped["lesson"]
        voices = tuple((agent, given) for agent, given in answers)
        rules = Learning.model_validate(learning)
        lesson = Lesson(decision_id, occurred_at, answer, tuple(scopes), rules, voices)
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
