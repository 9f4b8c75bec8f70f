"""Lessons from decisions under the rule `odds`."""

from dataclasses import dataclass
from typing import Any

from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.event import latest
from schemas.feedback import FeedbackGiven, FeedbackRetracted
from schemas.lessons import LessonGiven, TaughtAnswer
from schemas.odds import DecisionOdds
from schemas.quantities import PPB
from schemas.rules import TuneRules


@dataclass(frozen=True, slots=True)
class OddsLesson:
    """The part of a decision that a lesson is made of."""

    odds: DecisionOdds
    choices: int
    answers: tuple[TaughtAnswer, ...]
    tune: TuneRules


def taught_by(decision: DecisionMade) -> OddsLesson | None:
    """Give what a decision can teach; None under any other rule than `odds`."""
    if not isinstance(decision, DecisionMadeV2) or decision.odds is None:
        return None
    odds = decision.odds
    answers = [
        TaughtAnswer(
            agent=ballot.agent,
            answer=ballot.answer,
            grounds=evidence.grounds,
            uses=evidence.uses,
            repeats=evidence.repeats,
        )
        for ballot, evidence in zip(decision.counted, odds.evidence, strict=True)
    ]
    answers += [
        TaughtAnswer(agent=excluded.agent, answer=None, grounds=None, uses=None, repeats=None)
        for excluded in decision.excluded
        if excluded.reason in ("unreadable", "outside_options")
    ]
    bare = odds.model_copy(update={"lines": (), "evidence": ()})
    return OddsLesson(bare, len(decision.options), tuple(answers), decision.rules.tune or "tune.v1")


def lesson_from_agreement(taught: OddsLesson, decision: DecisionMade) -> LessonGiven | None:
    """Give the lesson of a decision by itself; None unless agreement teaches, about a choice of two answers or more."""
    heard = sum(answer.answer is not None for answer in taught.answers)
    if taught.odds.learn_from != "agreement" or taught.odds.kind == "number" or heard < 2:
        return None
    return _lesson(
        taught,
        causes=(decision.event_id,),
        occurred_at=decision.occurred_at,
        question_id=decision.question_id,
        source="agreement",
        right=None,
        wrong=None,
        weight_ppb=PPB,
    )


def lesson_from_feedback(
    taught: OddsLesson, decision_id: str, decided_at: str, feedback: FeedbackGiven, weight_ppb: int, **known: Any
) -> LessonGiven | None:
    """
    Give the lesson of one feedback; None where agreement teaches, or nobody gave an analysis.

    Args:
        taught: Of the decision.
        decision_id: Its event id.
        decided_at: Its time.
        feedback: What was said.
        weight_ppb: Share of the step that its source is worth.
        known: `right` or `wrong`: the answer that it says is so.
    """
    if taught.odds.learn_from != "feedback" or not taught.answers:
        return None
    return _lesson(
        taught,
        causes=(decision_id, feedback.event_id),
        occurred_at=latest(decided_at, feedback.occurred_at),
        question_id=feedback.question_id,
        source=feedback.source,
        right=known.get("right"),
        wrong=known.get("wrong"),
        weight_ppb=weight_ppb,
    )


def taken_back(lesson: LessonGiven, retraction: FeedbackRetracted) -> LessonGiven:
    """Take one lesson back: the same answers, marked as a correction of it."""
    fields = {name: getattr(lesson, name) for name in LessonGiven.model_fields if name not in ("event_id", "kind")}
    return LessonGiven(
        **{
            **fields,
            "causes": (*lesson.causes, lesson.event_id, retraction.event_id),
            "occurred_at": latest(lesson.occurred_at, retraction.occurred_at),
            "corrects": lesson.event_id,
        }
    )


def _lesson(taught: OddsLesson, **fields: Any) -> LessonGiven:
    odds = taught.odds
    return LessonGiven(
        **fields,
        scope=odds.scope,
        question_kind=odds.kind,
        negated=odds.negated,
        choices=taught.choices,
        shapes=odds.shapes,
        answers=taught.answers,
        first=odds.first,
        tune=taught.tune,
    )


def dump_taught(taught: OddsLesson) -> list[Any]:
    """Give what a decision can teach as plain JSON values."""
    return [
        # It holds no models: evidence and lines were left out.
        dict(taught.odds),
        taught.choices,
        [[a.agent, a.answer, a.grounds, a.uses, a.repeats] for a in taught.answers],
        taught.tune,
    ]


def load_taught(dumped: list[Any]) -> OddsLesson:
    """Give what `dump_taught` dumped."""
    odds, choices, answers, tune = dumped
    return OddsLesson(
        # Only where it is not strict do lists become tuples.
        DecisionOdds.model_validate(odds, strict=False),
        choices,
        tuple(
            TaughtAnswer(agent=agent, answer=answer, grounds=grounds, uses=uses, repeats=repeats)
            for agent, answer, grounds, uses, repeats in answers
        ),
        tune,
    )
