"""Rule `odds` on simulated agents of known skill."""

import math
import random
from collections.abc import Callable, Mapping
from functools import cache

import pytest

from infra.bench.odds.play import Course, Known, Player
from schemas.odds import Odds, QuestionFacts
from streams.processors.odds.switches import Voice

LETTERS = "ABCD"
FACTS = QuestionFacts(kind="texts", negated=False, given=(), values=(), shapes=None)
WHOLE, STAGES = Odds(cascade=False), Odds()
BURN_IN = 1_000
"""Questions on which the weights are still being learned."""

Draw = Callable[[random.Random, int, str], dict[str, str]]
"""Draws each agent's answer, given chance, the number of the question and the right answer."""


def independent(**skills: float) -> Draw:
    """Let agents be right with their skill, and else give any of the wrong answers."""

    def draw(chance: random.Random, number: int, gold: str) -> dict[str, str]:
        wrong = [letter for letter in LETTERS if letter != gold]
        return {agent: gold if chance.random() < skill else chance.choice(wrong) for agent, skill in skills.items()}

    return draw


def cloned(draw: Draw, of: str, copies: int) -> Draw:
    """Let copies of one agent say exactly what it says."""

    def drawn(chance: random.Random, number: int, gold: str) -> dict[str, str]:
        said = draw(chance, number, gold)
        return {**said, **{f"{of}-{copy}": said[of] for copy in range(copies)}}

    return drawn


def changing(before: Draw, after: Draw, at: int) -> Draw:
    """Let the agents change at one question."""
    return lambda chance, number, gold: (before if number < at else after)(chance, number, gold)


def questions(draw: Draw, count: int, seed: int) -> list[Known]:
    """Draw questions with the answers to them."""
    chance = random.Random(seed)
    drawn = []
    for number in range(count):
        gold = chance.choice(LETTERS)
        said = draw(chance, number, gold)
        voices = {agent: Voice(agent, answer, "text", None, None) for agent, answer in said.items()}
        drawn.append(Known(f"q{number}", len(LETTERS), gold, FACTS, voices))
    return drawn


def hits_of(known: list[Known], decide: Callable[[Known], str | None]) -> dict[str, bool]:
    """Say on which questions a way to decide is right."""
    return {one.question_id: decide(one) == one.gold for one in known}


def says(agent: str) -> Callable[[Known], str | None]:
    """Decide as one agent does."""

    def decide(known: Known) -> str | None:
        voice = known.voices[agent]
        return None if voice is None else voice.answer

    return decide


def optimal(skills: Mapping[str, float]) -> Callable[[Known], str | None]:
    """Decide by the log-odds of the true skills, which nobody can beat where agents are independent."""

    def decide(known: Known) -> str:
        sums = dict.fromkeys(LETTERS, 0.0)
        for agent, skill in skills.items():
            voice = known.voices[agent]
            if voice is not None:
                sums[voice.answer] += math.log(skill * (len(LETTERS) - 1) / (1 - skill))
        return max(sums, key=sums.__getitem__)

    return decide


def deviations_below(course: Course, other: Mapping[str, bool], first: int = BURN_IN) -> float:
    """Say by how many standard deviations a course is below another way to decide, paired by question."""
    later = list(course.hits)[first:]
    lost = sum(other[question] and not course.hits[question] for question in later)
    won = sum(course.hits[question] and not other[question] for question in later)
    return (lost - won) / math.sqrt(max(lost + won, 1))


POOL = {"ann": 0.85, "bo": 0.7, "cy": 0.6, "di": 0.5, "ed": 0.35}


@cache
def pool() -> tuple[list[Known], Course]:
    """Play a pool of independent agents of various skill."""
    known = questions(independent(**POOL), 9_000, seed=1)
    return known, Player(tuple(POOL), WHOLE).play(known)


def test_optimum_is_reached_within_sampling_error() -> None:
    """Behind the first questions the rule is right as often as the best possible rule, which knows all skills."""
    known, course = pool()
    assert deviations_below(course, hits_of(known, optimal(POOL))) < 3


def test_posterior_is_calibrated() -> None:
    """Of decisions with one posterior, that share is right: the calibration error is below 0.02."""
    assert pool()[1].calibration_error(after=BURN_IN) < 0.02


def test_stages_cost_little_and_save_calls() -> None:
    """Asked by gain, the panel is right nearly as often for two thirds of the calls."""
    known, whole = pool()
    some = known[:4_000]
    course = Player(tuple(POOL), STAGES).play(some)
    assert course.calls_a_question < 0.67 * len(POOL)
    later = list(course.hits)[BURN_IN:]
    assert sum(whole.hits[q] - course.hits[q] for q in later) / len(later) < 0.015


WORST: dict[str, tuple[Draw, str]] = {
    "dominated": (independent(ann=0.9, bo=0.4, cy=0.4, di=0.4), "ann"),
    "dominated, the weak listed first": (independent(bo=0.3, cy=0.3, di=0.3, ann=0.8), "ann"),
    "three clones of a weak agent": (cloned(independent(bo=0.45, ann=0.7), "bo", 2), "ann"),
    "three clones of the best": (cloned(independent(ann=0.7, bo=0.6), "ann", 2), "ann"),
    "worse than chance": (independent(ann=0.6, bo=0.05, cy=0.1), "ann"),
    "all alike": (independent(ann=0.6, bo=0.6, cy=0.6), "ann"),
}


@pytest.mark.parametrize("stages", [False, True], ids=["whole", "stages"])
@pytest.mark.parametrize("name", sorted(WORST))
def test_never_below_the_best_member(name: str, stages: bool) -> None:
    """On panels that mislead a vote, the rule is not significantly below the best of the agents."""
    draw, best = WORST[name]
    known = questions(draw, 2_500, seed=7)
    course = Player(tuple(known[0].voices), STAGES if stages else WHOLE).play(known)
    assert deviations_below(course, hits_of(known, says(best)), first=250) < 3


@pytest.mark.parametrize("stages", [False, True], ids=["whole", "stages"])
def test_agent_that_gets_worse_loses_its_weight(stages: bool) -> None:
    """Some hundred questions after the best agent fell behind the others, the rule follows those."""
    before, after = independent(ann=0.9, bo=0.65, cy=0.6), independent(ann=0.2, bo=0.65, cy=0.6)
    known = questions(changing(before, after, 1_500), 3_500, seed=3)
    course = Player(("ann", "bo", "cy"), STAGES if stages else WHOLE).play(known)
    assert deviations_below(course, hits_of(known, says("ann")), first=0) < 3
    assert deviations_below(course, hits_of(known, says("bo")), first=2_000) < 3


def test_late_feedback_costs_little() -> None:
    """Feedback that is a hundred questions late gives nearly the same answers."""
    known = pool()[0][:3_000]
    late = Player(tuple(POOL), WHOLE, delay=100).play(known)
    assert deviations_below(late, pool()[1].hits, first=BURN_IN) < 3
