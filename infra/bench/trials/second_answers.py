"""Trial of second answers by one agent."""

import random
from collections.abc import Sequence
from statistics import fmean

from infra.bench.odds.play import Known, Player
from schemas.odds import Odds, QuestionFacts
from streams.processors.odds.switches import Voice

LETTERS = "ABCD"
SKILLS = {"ann": 0.75, "bo": 0.65, "cy": 0.6, "di": 0.55}
FACTS = QuestionFacts(kind="texts", negated=False, given=(), values=(), shapes=None)
STEADINESS = (0.0, 0.5, 2.0, 8.0)
"""
How steady an agent is on one question, as concentration of a beta distribution: at 0 it says the same each time, as at
temperature 0; at 8 its answers to one question nearly are independent draws.
"""
PANELS: dict[str, tuple[str, ...]] = {
    "two agents": ("ann", "bo"),
    "two agents, two answers each": ("ann", "ann@2", "bo", "bo@2"),
    "four agents": ("ann", "bo", "cy", "di"),
    "four agents, two answers each": ("ann", "bo", "cy", "di", "ann@2", "bo@2", "cy@2", "di@2"),
}


def questions(steadiness: float, count: int, seed: int) -> list[Known]:
    """Draw questions; on each an agent has its own chance of being right, and one wrong answer that it likes."""
    chance = random.Random(seed)
    drawn = []
    for number in range(count):
        gold = chance.choice(LETTERS)
        voices: dict[str, Voice | None] = {}
        for agent, skill in SKILLS.items():
            liked = chance.choice([letter for letter in LETTERS if letter != gold])
            right = float(chance.random() < skill)
            if steadiness:
                right = chance.betavariate(skill * steadiness, (1 - skill) * steadiness)
            for name in (agent, f"{agent}@2"):
                voices[name] = Voice(name, gold if chance.random() < right else liked, "text", None, None)
        drawn.append(Known(f"q{number}", len(LETTERS), gold, FACTS, voices))
    return drawn


def measure(orders: int, count: int = 2_000) -> None:
    """Play the panels for each steadiness; print accuracy and calls, asked whole and by gain."""
    for steadiness in STEADINESS:
        print(f"simulated, steadiness {steadiness:g}: accuracy (calls), whole panel and by gain")
        drawn = [questions(steadiness, count, seed) for seed in range(orders)]
        for name, panel in PANELS.items():
            print(f"  {name:<30} {_played(panel, drawn, cascade=False)}   {_played(panel, drawn, cascade=True)}")


def _played(panel: tuple[str, ...], drawn: Sequence[Sequence[Known]], *, cascade: bool) -> str:
    courses = [Player(panel, Odds(cascade=cascade)).play(known) for known in drawn]
    return f"{fmean(c.accuracy for c in courses):.2%} ({fmean(c.calls_a_question for c in courses):.2f})"
