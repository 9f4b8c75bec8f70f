"""Course of one panel over questions, with feedback."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from schemas.lessons import LessonGiven, TaughtAnswer
from schemas.odds import ONE, Member, Odds, QuestionFacts
from schemas.quantities import PPB
from streams.processors.odds.agreement import agreement_step, start_weight
from streams.processors.odds.gain import expected_gain
from streams.processors.odds.posterior import Scored, score
from streams.processors.odds.step import apply, step_of
from streams.processors.odds.switches import Ballots, Switch, Voice, rows_of
from streams.processors.odds.table import Table, skill_of

AT = "2026-01-01T00:00:00.000Z"
_BINS = 10
"""Bins of the posterior for the calibration error."""


@dataclass(frozen=True, slots=True)
class Known:
    """A question with its right answer, and what each agent said."""

    question_id: str
    choices: int
    gold: str
    facts: QuestionFacts
    voices: Mapping[str, Voice | None]
    """By agent; None where no answer could be read."""


@dataclass(slots=True)
class Course:
    """What came of one panel."""

    hits: dict[str, bool] = field(default_factory=dict)
    """By question."""
    calls: int = 0
    sure: list[tuple[int, bool]] = field(default_factory=list)
    """Posterior of each decision in units of 1/65,536, and whether it was right."""

    @property
    def accuracy(self) -> float:
        """Share of questions that were decided rightly."""
        return sum(self.hits.values()) / len(self.hits)

    @property
    def calls_a_question(self) -> float:
        """Mean number of agents asked."""
        return self.calls / len(self.hits)

    def calibration_error(self, after: int = 0) -> float:
        """Give the expected calibration error in ten bins, without the first decisions."""
        bins: list[list[tuple[int, bool]]] = [[] for _ in range(_BINS)]
        decisions = self.sure[after:]
        for posterior, hit in decisions:
            bins[min(posterior * _BINS // ONE, _BINS - 1)].append((posterior, hit))
        off = sum(abs(sum(p / ONE - hit for p, hit in held)) for held in bins)
        return off / len(decisions)


@dataclass(slots=True)
class Player:
    """
    One panel with its table of weights, as the folds `route`, `merge`, `learn` and `tune` would lead it.

    It differs from them in three ways: the router's order is the panel's, its warm-up is that of `odds` alone (by
    lessons), and without lessons the whole panel is asked.
    """

    panel: tuple[str, ...]
    settings: Odds
    delay: int = 0
    """Questions by which feedback is late."""
    table: Table = field(default_factory=Table)
    lessons: int = 0
    _waiting: deque[LessonGiven] = field(default_factory=deque)

    def play(self, questions: Sequence[Known]) -> Course:
        """Decide the questions in order, and learn the right answer of each."""
        course = Course()
        for number, known in enumerate(questions):
            self.decide(number, known, course)
        return course

    def decide(self, number: int, known: Known, course: Course) -> None:
        """Decide one question, note what came of it, and learn its answer."""
        asked, scored, leader = self._ask(number, known)
        hit = leader == known.gold
        course.hits[known.question_id] = hit
        course.calls += len(asked)
        if leader is not None:
            course.sure.append((scored.of(leader), hit))
        self._waiting.append(self._lesson(known, asked))
        while len(self._waiting) > self.delay:
            self._learn(self._waiting.popleft())

    def _ask(self, number: int, known: Known) -> tuple[tuple[str, ...], Scored, str | None]:
        every = self.settings.audit_every
        everybody = self.lessons < self.settings.warm_up_lessons or (every and number % every == 0)
        if everybody or not self.settings.asks_in_stages:
            return (self.panel, *self._score(known, self.panel))
        members = sorted((self._member(agent, known) for agent in self.panel), key=lambda member: -member.skill)
        for count in range(1, len(members) + 1):
            asked = tuple(agent for agent in self.panel if agent in [member.agent for member in members[:count]])
            scored, leader = self._score(known, asked)
            left = members[count:]
            if not left or (leader is not None and not self._pays(known, asked, scored, leader, left)):
                return asked, scored, leader
        raise AssertionError("a panel has agents")

    def _pays(self, known: Known, asked: Sequence[str], scored: Scored, leader: str, left: Sequence[Member]) -> bool:
        given = [voice.answer for voice in self._voices(known, asked)]
        choices = self._ballots(known, asked).nominal_choices
        gain = expected_gain(scored, leader, given, left, choices, self.settings)
        return gain.expected_ppb >= gain.wanted_ppb

    def _score(self, known: Known, asked: Sequence[str]) -> tuple[Scored, str | None]:
        """Score the answers; of equal scores the answer of the agent listed first leads."""
        ballots = self._ballots(known, asked)
        scored = score(rows_of(ballots), ballots.nominal_choices, self._weight)
        answers = dict.fromkeys(voice.answer for voice in ballots.voices)
        return scored, max(answers, key=scored.scores.__getitem__, default=None)

    def _weight(self, switch: Switch) -> int:
        if self.settings.learn_from == "agreement" and self.table.pair(switch) is None:
            return self.table.weight(switch) + start_weight(switch, self.panel[0])
        return self.table.weight(switch)

    def _voices(self, known: Known, asked: Sequence[str]) -> tuple[Voice, ...]:
        return tuple(voice for agent in asked if (voice := known.voices[agent]) is not None)

    def _ballots(self, known: Known, asked: Sequence[str]) -> Ballots:
        shapes = known.facts.shapes if self.settings.option_shapes else None
        by_agreement = self.settings.learn_from == "agreement"
        return Ballots(self._voices(known, asked), known.choices, known.facts.negated, shapes, by_agreement)

    def _member(self, agent: str, known: Known) -> Member:
        standing = self.table.standing(agent, known.facts.kind)
        return Member(agent=agent, skill=skill_of(standing), mean=standing.mean, weights={})

    def _lesson(self, known: Known, asked: Sequence[str]) -> LessonGiven:
        by_agreement = self.settings.learn_from == "agreement"
        answers = []
        for agent in asked:
            voice = known.voices[agent]
            read: dict[str, Any] = dict.fromkeys(Voice._fields) if voice is None else voice._asdict()
            answers.append(TaughtAnswer(**{**read, "agent": agent}))
        return LessonGiven(
            occurred_at=AT,
            scope="bench",
            question_id=known.question_id,
            source="agreement" if by_agreement else "gold",
            right=None if by_agreement else known.gold,
            wrong=None,
            weight_ppb=PPB,
            question_kind=known.facts.kind,
            negated=known.facts.negated,
            choices=known.choices,
            shapes=known.facts.shapes if self.settings.option_shapes else None,
            answers=tuple(answers),
            first=self.panel[0],
            tune="tune.v1",
        )

    def _learn(self, lesson: LessonGiven) -> None:
        heard = sum(taught.answer is not None for taught in lesson.answers)
        if self.settings.learn_from == "agreement":
            if lesson.question_kind == "number" or heard < 2:
                return
            apply(self.table, lesson, agreement_step(lesson, self.table), 1)
        else:
            apply(self.table, lesson, step_of(lesson, self.table), 1)
        self.lessons += 1


def renamed(voice: Voice | None, agent: str) -> Voice | None:
    """Give an answer as another agent's."""
    return None if voice is None else voice._replace(agent=agent)


def with_voices(known: Known, models: Mapping[str, str]) -> Known:
    """Let agents give the recorded answers of models; two agents with one model are clones."""
    return replace(known, voices={agent: renamed(known.voices[model], agent) for agent, model in models.items()})
