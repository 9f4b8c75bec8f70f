"""Step that agreement takes, where no answer is known."""

from schemas.lessons import LessonGiven
from schemas.odds import ONE
from streams.processors.fixed import MICRO, half_even, ln_micro
from streams.processors.odds.fixed_point import logistic
from streams.processors.odds.posterior import score
from streams.processors.odds.step import Fared, Move, StepTaken, ballots_of
from streams.processors.odds.switches import AGENT, Switch, rows_of
from streams.processors.odds.table import Table

_START = 50 * ONE
"""Observations that the first accuracy of an agent is worth."""
_MOST = 500 * ONE
"""Observations beyond which an accuracy is a moving average, so that it follows an agent that changes."""
_FIRST = 26_573
"""ln(0.6 / 0.4) in units of 1/65,536: the agent listed first is trusted a little, for somebody has to lead at first."""
_SHARPER = (5, 4)
"""Exponent of the posterior, 1.25: votes of related agents count more than once, and the rest would never be sure."""
_MOST_CHOICES = 4
_LEAST_SHARE = ONE // 100


def start_weight(switch: Switch, first: str) -> int:
    """Give the log-odds of an agent's accuracy before any lesson: one half, of the first agent 0.6."""
    return _FIRST if switch[0] == first and switch[1] != AGENT else 0


def agreement_step(lesson: LessonGiven, table: Table) -> StepTaken:
    """
    Compute the step of a lesson without a known answer: accuracies move towards the posterior of the answers.

    A weight is the log-odds of the accuracy of one agent with one kind of grounds; its precision is the number of
    observations behind it.

    Args:
        lesson: The answers.
        table: Not changed.

    Source: expectation maximisation with one accuracy for each observer (Dawid & Skene 1979), on line.
    """
    ballots = ballots_of(lesson)

    def weight(switch: Switch) -> int:
        found = table.pair(switch)
        return table.weight(switch) + start_weight(switch, lesson.first) if found is None else found[0]

    rows = rows_of(ballots)
    numerator, denominator = _SHARPER
    choices = min(ballots.nominal_choices, _MOST_CHOICES)
    scored = score(rows, choices, lambda switch: weight(switch) * numerator // denominator)
    moves, fared = [], []
    for voice in sorted(ballots.voices):
        switch = voice.agent, voice.grounds
        known = table.pair(switch)
        before, observed = weight(switch), min(_START if known is None else known[1], _MOST)
        accuracy = logistic(before)
        moved = accuracy + half_even((scored.posterior[voice.answer] - accuracy) * ONE, observed + ONE)
        moved = min(max(moved, _LEAST_SHARE), ONE - _LEAST_SHARE)
        after = half_even(ln_micro(moved, ONE - moved) * ONE, MICRO)
        moves.append(Move(switch, after - table.weight(switch), observed + ONE - table.precision(switch)))
        standing = table.standing(voice.agent, lesson.question_kind)
        fared.append(Fared(voice.agent, moved - standing.right, 0, 0))
    return StepTaken(tuple(moves), tuple(fared))
