"""Weights that the answers to one question switch on."""

from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from schemas.odds import ONE, Grounds
from schemas.questions import LETTERS
from streams.processors.odds.question_facts import shape_of_number

NOMINAL_CHOICES = 100
"""Answers that a question for a number counts as having."""
_MOST_SUPPORTERS = 6

SHARED = ""
"""Owner of the weights that belong to no agent."""

Switch = tuple[str, str]
"""Name of one weight: the agent that it belongs to, or `SHARED`, and the name among its weights."""
Row = dict[Switch, int]
"""How many times each weight is in the score of one answer."""

AGENT, NEGATED = "agent", "negated"

_CHOICES = {"choices/2": 0, "choices/3": 45_426, "choices/4": 71_999}
"""
ln(K - 1) in units of 1/65,536, which each vote adds where agreement teaches; beyond K = 4 wrong answers meet as often.
"""

_OWN_PRIOR, _VALUE_PRIOR, _LETTER_PRIOR, _PRIOR = (10 * ONE // 3, 10 * ONE // 3, 100 * ONE, 10 * ONE)


class Voice(NamedTuple):
    """One agent's readable answer, with what it rests on."""

    agent: str
    answer: str
    grounds: Grounds
    uses: bool | None
    repeats: int | None


class Ballots(NamedTuple):
    """All answers to one question, as far as the weights see them."""

    voices: tuple[Voice, ...]
    choices: int
    """Number of options; 0 where the answer is a number."""
    negated: bool
    shapes: tuple[str, ...] | None
    """Of each option; None where shapes do not count."""
    by_agreement: bool = False
    """Whether agreement teaches the weights: then an answer has its agent's weight for its grounds alone."""

    @property
    def nominal_choices(self) -> int:
        """Answers that the posterior is spread over."""
        return self.choices or NOMINAL_CHOICES


@lru_cache(maxsize=4096)
def start_of(switch: Switch) -> int:
    """Give a weight before any lesson: an unknown agent counts e to one, all else nothing but what never moves."""
    if switch[0] == SHARED:
        return _CHOICES.get(switch[1], 0)
    return ONE if switch[1] == AGENT else 0


@lru_cache(maxsize=4096)
def prior_of(switch: Switch) -> int:
    """Give the precision of a weight before any lesson."""
    owner, name = switch
    if owner != SHARED:
        return _OWN_PRIOR if name == AGENT else _PRIOR
    if name.startswith("value/"):
        return _VALUE_PRIOR
    return _LETTER_PRIOR if name.startswith("letter/") else _PRIOR


@lru_cache(maxsize=4096)
def name_of(switch: Switch) -> str:
    """Name a weight for people: `agent/flash`, `agent+class/flash/derived`, `supporters/2`."""
    owner, name = switch
    if owner == SHARED:
        return name
    if name == AGENT:
        return f"agent/{owner}"
    return f"agent+negated/{owner}" if name == NEGATED else f"agent+class/{owner}/{name}"


def switched_on(voice: Voice, ballots: Ballots) -> tuple[Switch, ...]:
    """Give the weights that one answer switches on by itself."""
    if ballots.by_agreement:
        return (voice.agent, voice.grounds), (SHARED, f"choices/{min(ballots.nominal_choices, 4)}")
    own = [(voice.agent, AGENT), (voice.agent, voice.grounds)]
    if ballots.negated:
        own.append((voice.agent, NEGATED))
    if voice.uses is not None:
        own.append((SHARED, "uses/true" if voice.uses else "uses/false"))
    if voice.repeats is not None:
        own.append((SHARED, f"repeats/{voice.repeats}"))
    if ballots.choices:
        own.append((SHARED, f"letter/{voice.answer}"))
    return tuple(own)


def rows_of(ballots: Ballots) -> dict[str, Row]:
    """
    Give the weights in the score of each answer.

    Returns:
        A row for each answer that was given, and with shapes one for each option. Any other answer scores 0.
    """
    rows: dict[str, Row] = {}
    supporters: dict[str, int] = {}
    for voice in ballots.voices:
        row = rows.setdefault(voice.answer, {})
        supporters[voice.answer] = supporters.get(voice.answer, 0) + 1
        for switch in switched_on(voice, ballots):
            row[switch] = row.get(switch, 0) + 1
    if ballots.by_agreement:
        return rows
    for answer, count in supporters.items():
        rows[answer][SHARED, f"supporters/{min(count, _MOST_SUPPORTERS)}"] = 1
    if ballots.shapes is not None:
        for answer, shape in _shapes(ballots, rows):
            rows.setdefault(answer, {})[SHARED, shape] = 1
    return rows


def _shapes(ballots: Ballots, answers: Iterable[str]) -> list[tuple[str, str]]:
    if ballots.choices:
        return list(zip(LETTERS, ballots.shapes or (), strict=False))
    return [(answer, shape_of_number(answer)) for answer in answers]
