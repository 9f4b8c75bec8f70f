"""Lesson of a decision, and how feedback is judged."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from schemas.decisions import DecisionMade, DecisionMadeV2
from schemas.event import latest
from schemas.feedback import FeedbackGiven
from schemas.lessons import LessonGiven
from schemas.policies import Learning
from schemas.quantities import PPB
from schemas.questions import LETTERS, OptionDigest
from schemas.router import AgentObserved, AgentObservedV2
from schemas.rules import ExtractorName, RankRules
from streams.processors.answers import EXTRACTORS, Options
from streams.processors.odds.lesson import OddsLesson, dump_taught, lesson_from_feedback, load_taught, taught_by


@dataclass(frozen=True, slots=True)
class Lesson:
    """The part of a decision that feedback is judged by."""

    decision_id: str
    occurred_at: str
    answer: str | None
    scopes: tuple[str, ...]
    learning: Learning
    answers: tuple[tuple[str, str | None], ...]
    """Agent and answer of each analyst who gave an analysis, shadow seats included; None for an unreadable answer."""
    extractor: ExtractorName | None = None
    """The extractor that reads the right answer of feedback, from learn.v2 on; None: `plain_answer` does."""
    rank: RankRules = "rank.v1"
    options: tuple[str | OptionDigest, ...] = ()
    """The question's options, from learn.v2 on."""
    odds: OddsLesson | None = None
    """What it can teach the merge rule `odds`; None under any other rule."""

    @property
    def rank_rules(self) -> RankRules | None:
        """Rules that observations name; None under learn.v1, whose observations are of v1."""
        return None if self.extractor is None else self.rank

    def right_answer(self, given: str) -> str | None:
        """Write the right answer that feedback gives as the decision does; None if it is no possible answer."""
        if self.extractor is None:
            return plain_answer(given)
        return _normal_answer(self.extractor, given, self.options)


@lru_cache(maxsize=256)
def _normal_answer(extractor: ExtractorName, given: str, options: tuple[str | OptionDigest, ...]) -> str | None:
    # Remembered, because what is possible, what is right and what is taught are asked for one after the other.
    return EXTRACTORS[extractor].normal_answer(given, Options.of(options) if options else None)


def lesson_of(decision: DecisionMade) -> Lesson:
    """Give the lesson of a decision."""
    answers: list[tuple[str, str | None]] = [(ballot.agent, ballot.answer) for ballot in decision.counted]
    answers += [(e.agent, None) for e in decision.excluded if e.reason in ("unreadable", "outside_options")]
    if isinstance(decision, DecisionMadeV2):
        beside = decision.shadows or ()
        answers += [(s.agent, s.answer) for s in beside if s.reason in (None, "unreadable", "outside_options")]
    lesson = Lesson(
        decision.event_id, decision.occurred_at, decision.answer, decision.scopes, decision.learning, tuple(answers)
    )
    if decision.rule_versions.learn == "learn.v1":
        return lesson
    rules, options = decision.rule_versions, decision.carried_options or ()
    return replace(lesson, extractor=rules.extractor, rank=rules.rank, options=options, odds=taught_by(decision))


def observed(rank: RankRules | None, **fields: Any) -> AgentObserved:
    """Build an observation: of v2 under the rules *rank*, of v1 where they are None."""
    return AgentObserved(**fields) if rank is None else AgentObservedV2(**fields, rank=rank)


def plain_answer(given: str) -> str:
    """Write an answer without knowing its question: a canonical number, or a letter in upper case."""
    return EXTRACTORS["answers.v1"].normal_answer(given, None) or ""


def statement_of(feedback: FeedbackGiven) -> tuple[str | None, str | None]:
    """Give what a feedback states, answer and verdict; equal statements of one author count once."""
    return None if feedback.answer is None else plain_answer(feedback.answer), feedback.verdict


def impossible(lesson: Lesson, feedback: FeedbackGiven) -> str | None:
    """Say why feedback is no possible answer to its question; None if it may judge."""
    if feedback.answer is None or lesson.right_answer(feedback.answer) is not None:
        return None
    wanted = "a number"
    if lesson.options:
        wanted = f"an option: a letter from A to {LETTERS[len(lesson.options) - 1]}, or the option's own words"
    answer = f"answer {feedback.answer!r} to question {feedback.question_id!r}"
    return f"learn.v2: {answer} is not {wanted}, so it judges nobody; retract it before you give another"


def judge(lesson: Lesson, feedback: FeedbackGiven) -> tuple[AgentObserved, ...]:
    """
    Observe the quality of the agents that a feedback judges.

    A right answer judges every analyst who gave an analysis (one that could not be read is wrong); a verdict judges
    those whose answer was decided. An answer that the question cannot have judges nobody. Failed calls are judged by
    their stability alone: an outage says nothing about how well a model reasons, and would weigh on a slow average for
    a long time. A source of weight 0 observes nothing.
    """
    weight: int = getattr(lesson.learning.source_weights, feedback.source)
    if weight == 0:
        return ()
    if feedback.answer is not None:
        right = lesson.right_answer(feedback.answer)
        judged = [(agent, answer == right) for agent, answer in lesson.answers] if right is not None else []
    else:
        standing = [agent for agent, answer in lesson.answers if answer is not None and answer == lesson.answer]
        judged = [(agent, feedback.verdict == "right") for agent in standing]
    return tuple(
        observed(
            lesson.rank_rules,
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


def taught_odds(lesson: Lesson, feedback: FeedbackGiven) -> LessonGiven | None:
    """
    Give the lesson of a feedback for the merge rule `odds`; None where it teaches nothing.

    A right answer teaches which one it is; so does the verdict that the decision is right. The verdict that it is wrong
    teaches that it is one of the others.
    """
    weight: int = getattr(lesson.learning.source_weights, feedback.source)
    if lesson.odds is None or weight == 0:
        return None
    if feedback.answer is not None:
        known = {"right": lesson.right_answer(feedback.answer)}
    else:
        known = {"right" if feedback.verdict == "right" else "wrong": lesson.answer}
    if None in known.values():
        return None
    return lesson_from_feedback(lesson.odds, lesson.decision_id, lesson.occurred_at, feedback, weight, **known)


def dump_lesson(lesson: Lesson) -> list[Any]:
    """Give a lesson as plain JSON values."""
    fields: list[Any] = [
        lesson.decision_id,
        lesson.occurred_at,
        lesson.answer,
        lesson.scopes,
        lesson.learning.model_dump(),
        lesson.answers,
    ]
    if lesson.extractor is None:
        # Programs before learn.v2 must be able to load it.
        return fields
    options = [option if isinstance(option, str) else option.model_dump() for option in lesson.options]
    fields += [lesson.extractor, lesson.rank, options]
    return fields if lesson.odds is None else [*fields, dump_taught(lesson.odds)]


def load_lesson(dumped: list[Any]) -> Lesson:
    """Give the lesson from what `dump_lesson` gave."""
    decision_id, occurred_at, answer, scopes, learning, answers, *reading = dumped
    voices = tuple((agent, given) for agent, given in answers)
    lesson = Lesson(decision_id, occurred_at, answer, tuple(scopes), Learning.model_validate(learning), voices)
    if not reading:
        return lesson
    extractor, rank, options, *odds = reading
    texts = tuple(option if isinstance(option, str) else OptionDigest(**option) for option in options)
    taught = load_taught(odds[0]) if odds else None
    return replace(lesson, extractor=extractor, rank=rank, options=texts, odds=taught)
