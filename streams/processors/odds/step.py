"""Step that one lesson takes in the table of weights."""

from typing import NamedTuple

from schemas.lessons import LessonGiven
from schemas.odds import MOST_WEIGHT, ONE
from schemas.quantities import PPB
from schemas.weights import Standing
from streams.processors.fixed import half_even
from streams.processors.odds.posterior import Scored, score
from streams.processors.odds.switches import Ballots, Row, Switch, Voice, prior_of, rows_of, switched_on
from streams.processors.odds.table import Table

_RATE = 13 * ONE // 16
"""Share of a whole Newton step along each weight: 0.8125."""
_FORGETS = 9
"""A precision loses 2^-9 of what it gathered with each use: it remembers some 512 of them."""
_MOST_ASKED = 100
"""Observations from which on the average of being right is a moving one of 1/100."""
_MEAN_STEP = 20
"""The mean weight of an agent's answers moves by 1/20."""


class Move(NamedTuple):
    """Change of one weight and of its precision, in units of 1/65,536."""

    switch: Switch
    weight: int
    precision: int


class Fared(NamedTuple):
    """Change of one agent's standing: average, count and mean weight."""

    agent: str
    right: int
    asked: int
    mean: int


class StepTaken(NamedTuple):
    """All changes that a lesson makes."""

    moves: tuple[Move, ...]
    fared: tuple[Fared, ...]


def ballots_of(lesson: LessonGiven) -> Ballots:
    """Give the readable answers of a lesson."""
    voices = tuple(
        Voice(taught.agent, taught.answer, taught.grounds, taught.uses, taught.repeats)
        for taught in lesson.answers
        if taught.answer is not None and taught.grounds is not None
    )
    by_agreement = lesson.right is None and lesson.wrong is None
    return Ballots(voices, lesson.choices, lesson.negated, lesson.shapes, by_agreement)


def step_of(lesson: LessonGiven, table: Table) -> StepTaken:
    """
    Compute the step of a lesson, with the weights of now, so that it may come late.

    Each weight moves by rate x gradient of the log-likelihood / precision, damped by how much all moves together would
    change the score; its precision gathers the curvature and forgets.

    Args:
        lesson: The answers, and what is known of the right one.
        table: Not changed.

    Returns:
        The changes, sorted by name, so that they do not depend on the order of the answers.

    Source: adaptive step sizes by diagonal curvature with forgetting, as in online Newton methods (Bottou 1998).
    """
    ballots = ballots_of(lesson)
    rows = rows_of(ballots)
    scored = score(rows, ballots.nominal_choices, table.weight)
    target = _target(lesson, rows, scored)
    return StepTaken(_moves(rows, scored, target, table, lesson.weight_ppb), _fared(lesson, ballots, target, table))


class _Truth(NamedTuple):
    """The posterior that a lesson says it should have been, in units of 1/65,536."""

    shares: dict[str, int]
    sure: int
    """Posterior of what the lesson states, before it."""


def _target(lesson: LessonGiven, rows: dict[str, Row], scored: Scored) -> _Truth:
    """
    Spread the truth over the answers: all on the right one; or, of a wrong one, its posterior over the others in
    proportion to theirs.
    """
    if lesson.right is not None:
        return _Truth({answer: ONE if answer == lesson.right else 0 for answer in rows}, scored.of(lesson.right))
    wrong = lesson.wrong or ""
    left = max(ONE - scored.of(wrong), 1)
    shares = {answer: 0 if answer == wrong else scored.of(answer) * ONE // left for answer in rows}
    return _Truth(shares, ONE - scored.of(wrong))


def _moves(rows: dict[str, Row], scored: Scored, target: _Truth, table: Table, weight_ppb: int) -> tuple[Move, ...]:
    # Of each weight: what the posterior expects of it, of its square, and what the truth wants.
    sums: dict[Switch, list[int]] = {}
    for answer, row in rows.items():
        share, truth = scored.posterior[answer], target.shares[answer]
        for switch, times in row.items():
            held = sums.setdefault(switch, [0, 0, 0])
            held[0] += share * times
            held[1] += share * times * times
            held[2] += truth * times
    length = 0
    found = []
    for switch in sorted(sums):
        expected, squares, wanted = sums[switch]
        gradient, precision = wanted - expected, table.precision(switch)
        length += gradient * gradient // precision
        found.append((switch, gradient, precision, max(0, squares - expected * expected // ONE)))
    rate = _RATE * ONE // (ONE + target.sure * length // ONE)
    moves = []
    for switch, gradient, precision, curvature in found:
        prior = prior_of(switch)
        gathered = precision - prior + half_even(curvature * weight_ppb, PPB)
        firmer = prior + gathered - (gathered >> _FORGETS)
        moves.append(Move(switch, half_even(rate * gradient * weight_ppb, precision * PPB), firmer - precision))
    return tuple(moves)


def _fared(lesson: LessonGiven, ballots: Ballots, target: _Truth, table: Table) -> tuple[Fared, ...]:
    """Observe of each agent whether it was right (an unreadable answer is wrong), and what its answer weighed."""
    weighed = {
        voice.agent: sum(table.weight(switch) for switch in switched_on(voice, ballots)) for voice in ballots.voices
    }
    fared = []
    for taught in sorted(lesson.answers, key=lambda taught: taught.agent):
        before = table.standing(taught.agent, lesson.question_kind)
        hit = 0 if taught.answer is None else target.shares[taught.answer]
        steps = min(before.asked + 2, _MOST_ASKED) * PPB
        right = half_even((hit - before.right) * lesson.weight_ppb, steps)
        weight = weighed.get(taught.agent)
        mean = (
            0 if weight is None else half_even((_bounded(weight) - before.mean) * lesson.weight_ppb, _MEAN_STEP * PPB)
        )
        fared.append(Fared(taught.agent, right, int(before.asked < _MOST_ASKED), mean))
    return tuple(fared)


def _bounded(weight: int) -> int:
    return min(max(weight, -MOST_WEIGHT), MOST_WEIGHT)


def apply(table: Table, lesson: LessonGiven, step: StepTaken, sign: int) -> StepTaken:
    """
    Add a step to a table (sign 1), or subtract it (-1), within the bounds of every number.

    Returns:
        What changed: less than the step where a bound was met.
    """
    moves, fared = [], []
    for move in step.moves:
        moved = table.move(move.switch, sign * move.weight, sign * move.precision)
        # Mostly no bound is met.
        moves.append(move if moved == move[1:] else Move(move.switch, *moved))
    for change in step.fared:
        before = table.standing(change.agent, lesson.question_kind)
        after = Standing(
            right=min(max(before.right + sign * change.right, 0), ONE),
            asked=min(max(before.asked + sign * change.asked, 0), _MOST_ASKED),
            mean=_bounded(before.mean + sign * change.mean),
        )
        table.standings[change.agent, lesson.question_kind] = after
        fared.append(
            Fared(change.agent, after.right - before.right, after.asked - before.asked, after.mean - before.mean)
        )
    return StepTaken(tuple(moves), tuple(fared))
