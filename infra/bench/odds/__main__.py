"""`python -m infra.bench.odds`: the rule `odds` on recorded outputs."""

import argparse
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

from infra.bench.odds.panels import PanelOfModels, chosen, drawn
from infra.bench.odds.play import Course, Known, Player
from infra.bench.odds.recorded import load
from schemas.odds import LearnFrom, Odds

_EXAMPLE = """example:
    python -m infra.bench.odds ../shared/data/mmlu-pro ../shared/data/gsm8k --orders 10
"""


def main() -> int:
    """Measure every panel of every data set, and print one line for each."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.bench.odds",
        description="Plays panels of recorded models in several orders, gold fed back after each question, and compares"
        " the rule odds with the plain vote and with the best member.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folders", nargs="+", type=Path, help="data sets: questions.jsonl.gz and outputs.jsonl.gz")
    parser.add_argument("--orders", type=int, default=10, help="orders of the questions; 10 by default")
    parser.add_argument("--random", type=int, default=12, help="random panels beside the chosen ones; 12 by default")
    parser.add_argument("--questions", type=int, help="only so many questions")
    parser.add_argument("--shapes", action="store_true", help="with option shapes")
    parser.add_argument("--delay", type=int, default=0, help="questions by which feedback is late")
    parser.add_argument("--agreement", action="store_true", help="learn from agreement instead of gold")
    given = parser.parse_args()
    below: list[tuple[float, str]] = []
    for folder in given.folders:
        known = load(folder, most=given.questions)
        best_first = by_accuracy(known)
        print(f"{folder.name}: {len(known)} questions, {len(best_first)} models, {given.orders} orders")
        print(f"{'panel':<42} {'best':>6} {'vote':>6} {'whole':>6} {'ECE':>5} {'stages':>6}", end="")
        print(f" {'calls':>9} {'ECE':>5} {'p below':>8}")
        for panel in [*chosen(best_first), *drawn(best_first, given.random, seed=42)]:
            below += measure(panel, known, given)
            sys.stdout.flush()
    least, whose = holm(below)
    print(f"after Holm over all panels, the least p that the rule is below the best member: {least:.3f} ({whose})")
    return 0


def by_accuracy(known: Sequence[Known]) -> list[str]:
    """List the models, the most accurate first."""
    return sorted(known[0].voices, key=lambda model: (-_right(known, model), model))


def _right(known: Sequence[Known], agent: str) -> int:
    return sum(is_right(one, agent) for one in known)


def is_right(known: Known, agent: str) -> bool:
    """Whether an agent gave the right answer."""
    voice = known.voices[agent]
    return voice is not None and voice.answer == known.gold


def plain_vote(known: Known, panel: Sequence[str]) -> bool:
    """Whether the plurality is right; ties go to the answer of the agent listed first."""
    votes: dict[str, int] = {}
    for agent in panel:
        voice = known.voices[agent]
        if voice is not None:
            votes[voice.answer] = votes.get(voice.answer, 0) + 1
    return max(votes, key=votes.__getitem__, default=None) == known.gold


def measure(panel: PanelOfModels, known: Sequence[Known], given: argparse.Namespace) -> list[tuple[float, str]]:
    """Play one panel in every order, print its line, and give how likely it is below its best member by chance."""
    agents = tuple(panel.models)
    learn_from: LearnFrom = "agreement" if given.agreement else "feedback"
    both = [Odds(cascade=cascade, option_shapes=given.shapes, learn_from=learn_from) for cascade in (False, True)]
    votes: list[float] = []
    courses: dict[bool, list[Course]] = {False: [], True: []}
    members: dict[str, dict[str, list[bool]]] = {agent: {} for agent in agents}
    for order in range(given.orders):
        shuffled = list(known)
        random.Random(order).shuffle(shuffled)
        questions = panel.questions(shuffled)
        votes.append(fmean(plain_vote(one, agents) for one in questions))
        for agent in agents:
            for one in questions:
                members[agent].setdefault(one.question_id, []).append(is_right(one, agent))
        for settings in both:
            courses[settings.cascade].append(Player(agents, settings, given.delay).play(questions))
    accuracy = {agent: fmean(fmean(hits) for hits in by_question.values()) for agent, by_question in members.items()}
    best = max(agents, key=accuracy.__getitem__)
    rates = {kind: {q: fmean(c.hits[q] for c in held) for q in held[0].hits} for kind, held in courses.items()}
    by_best = {question: fmean(hits) for question, hits in members[best].items()}
    chances = [chance_below([rate[q] - by_best[q] for q in by_best]) for rate in (rates[False], rates[True])]
    calls = fmean(course.calls_a_question for course in courses[True])
    print(
        f"{panel.name:<42} {accuracy[best]:6.2%} {fmean(votes):6.2%}"
        f" {fmean(c.accuracy for c in courses[False]):6.2%} {fmean(c.calibration_error() for c in courses[False]):5.1%}"
        f" {fmean(c.accuracy for c in courses[True]):6.2%} {calls:4.2f} of {len(agents)}"
        f" {fmean(c.calibration_error() for c in courses[True]):5.1%} {min(chances):8.3f}"
    )
    return [(chances[0], f"{panel.name}, whole"), (chances[1], f"{panel.name}, in stages")]


def chance_below(differences: Sequence[float]) -> float:
    """
    Give the one-sided p value that a mean difference is negative by chance, one difference a question.

    Source: paired test by the normal approximation, questions as clusters of their orders.
    """
    count, mean = len(differences), fmean(differences)
    variance = sum((each - mean) ** 2 for each in differences) / (count - 1)
    if not variance:
        return 1.0
    return 0.5 * math.erfc(-mean / math.sqrt(variance / count) / math.sqrt(2))


def holm(chances: Sequence[tuple[float, str]]) -> tuple[float, str]:
    """Give the least p value after Holm's correction, and whose it is."""
    least, name = min(chances)
    return min(least * len(chances), 1.0), name


if __name__ == "__main__":
    sys.exit(main())
