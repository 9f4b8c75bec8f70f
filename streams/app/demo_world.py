"""
Generated questions and simulated agents for `orch demo`.

Simulated agents derive the right answer of a question from its id and the seed of their world. The questions are
generated around that answer, so it is the right one for people too.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from schemas.quantities import later
from schemas.questions import LETTERS, QuestionAsked
from streams.agents.agent import Agent, Task
from streams.agents.calls.retry import drive, take_seat
from streams.agents.simulated import truth, truth_number
from streams.app.question_file import QuestionLine
from streams.processors.answers.v1 import read_choice, read_number

START = "2026-01-01T09:00:00.000Z"
"""Time of the first question; the others follow a second apart, so that the same demo has the same ids each time."""

OPTIONS = 4

_NAMES = ("Amina", "Boris", "Chen", "Dora", "Emil", "Farah", "Goran", "Hanna", "Ines", "Jonas")
_THINGS = ("apples", "bolts", "candles", "tiles", "stamps", "marbles", "pens", "bricks", "cups", "tickets")


class Sum(NamedTuple):
    """A question with a number as its answer."""

    text: str
    right: int
    unit: str = ""


def demo_questions(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """
    Generate question lines with their right answers.

    Args:
        count: Number of questions; a larger number only adds questions at the end.
        seed: Seed of the world; each seed has its own questions.
    """
    subjects = tuple(_SUBJECTS)
    for number in range(count):
        subject = subjects[number % len(subjects)]
        question_id = f"demo-{seed}-{number + 1:04d}"
        draws = hashlib.sha256(f"demo\n{seed}\n{number}".encode()).digest()
        yield {
            "question_id": question_id,
            "subject": subject,
            "occurred_at": later(START, number * 1_000),
            **_SUBJECTS[subject](seed, question_id, draws),
        }


def _sums(seed: int, question_id: str, draws: bytes) -> dict[str, Any]:
    """Ask for a number that two steps lead to."""
    right = truth_number(seed, question_id)
    spent, found = 20 + draws[0] % 80, 11 + draws[1] % 60
    name, thing = _NAMES[draws[2] % len(_NAMES)], _THINGS[draws[3] % len(_THINGS)]
    text = (
        f"{name} has {right + spent - found} {thing}, gives {spent} of them away and then finds {found} more."
        f" How many {thing} does {name} have now?"
    )
    return {"text": text, "options": [], "answer_type": "number", "gold": str(right)}


def _shopping(seed: int, question_id: str, draws: bytes) -> dict[str, Any]:
    """Ask for a number in dollars."""
    right = truth_number(seed, question_id)
    price, pieces = 3 + draws[0] % 9, 4 + draws[1] % 12
    name, thing = _NAMES[draws[2] % len(_NAMES)], _THINGS[draws[3] % len(_THINGS)]
    text = (
        f"{name} buys {pieces} boxes of {thing} at ${price} each and pays ${right - price * pieces} for the delivery."
        " What is the whole bill, in dollars?"
    )
    return {"text": text, "options": [], "answer_type": "number", "gold": str(right)}


def _percentages(seed: int, question_id: str, draws: bytes) -> dict[str, Any]:
    share, whole = 5 * (2 + draws[0] % 15), 20 * (5 + draws[1] % 40)
    return _choice(seed, question_id, draws, Sum(f"What is {share} % of {whole}?", share * whole // 100))


def _geometry(seed: int, question_id: str, draws: bytes) -> dict[str, Any]:
    width, height = 3 + draws[0] % 25, 4 + draws[1] % 20
    if draws[2] % 2:
        asked = Sum(f"A rectangle is {width} m wide and {height} m high. What is its area?", width * height, " m\u00b2")
    else:
        asked = Sum(
            f"A rectangle is {width} m wide and {height} m high. How long is its edge?", 2 * (width + height), " m"
        )
    return _choice(seed, question_id, draws, asked)


def _time(seed: int, question_id: str, draws: bytes) -> dict[str, Any]:
    hours, minutes = 1 + draws[0] % 6, 5 * (draws[1] % 12)
    asked = Sum(f"A train ride takes {hours} h {minutes} min. How many minutes is that?", 60 * hours + minutes, " min")
    return _choice(seed, question_id, draws, asked)


_SUBJECTS = {
    "arithmetic": _sums,
    "percentages": _percentages,
    "geometry": _geometry,
    "time": _time,
    "shopping": _shopping,
}


def _choice(seed: int, question_id: str, draws: bytes, asked: Sum) -> dict[str, Any]:
    """Offer the right number among others near it, at the index that the agents of this world take as right."""
    right = truth(seed, question_id, OPTIONS)
    step = max(1, min(1 + draws[4] % 9 + asked.right // 20, asked.right // OPTIONS))
    options = [f"{asked.right + (place - right) * step}{asked.unit}" for place in range(OPTIONS)]
    return {"text": asked.text, "options": options, "answer_type": "choice", "gold": LETTERS[right]}


def demo_agents(seed: int) -> list[dict[str, Any]]:
    """List agents of different skill, price and speed, as a configuration file would give them."""
    return [
        _agent("atlas", seed, 780, {}, latency_ms=2_400, dollars=(5, 15)),
        _agent("birch", seed, 660, {"arithmetic": 940, "shopping": 920}, latency_ms=900, dollars=(1, 3)),
        _agent("cedar", seed, 600, {"geometry": 950, "time": 910}, latency_ms=1_100, dollars=(1, 4)),
        _agent("delta", seed, 620, {"percentages": 860}, latency_ms=350, dollars=(0, 1)),
        _agent(
            "ember", seed, 520, {}, latency_ms=600, dollars=(0, 1), failure_ppb=80_000_000, malformed_ppb=40_000_000
        ),
    ]


def _agent(
    name: str, seed: int, skill: int, skills: dict[str, int], *, latency_ms: int, dollars: tuple[int, int], **more: int
) -> dict[str, Any]:
    """
    Build the configuration of one agent.

    Args:
        name: Name of the agent.
        seed: Seed of its world.
        skill: Share of right answers, in thousandths.
        skills: The same, for subjects in which it differs.
        latency_ms: Median time of a call.
        dollars: Price per million tokens, input and output; 0 stands for ten cents.
        more: Further fields, unchanged.
    """
    prices = [1_000_000 * amount or 100_000 for amount in dollars]
    return {
        "kind": "simulated",
        "name": name,
        "seed": seed,
        "skill_ppb": skill * 1_000_000,
        "skills_ppb": {subject: value * 1_000_000 for subject, value in skills.items()},
        "latency_ms": latency_ms,
        "price": {"input_nusd_per_ktoken": prices[0], "output_nusd_per_ktoken": prices[1]},
        **more,
    }


class Baseline(NamedTuple):
    """Result of asking every agent every question."""

    right: dict[str, int]
    """Questions each agent answers rightly on its own."""
    vote_right: int
    """Questions a plain vote of all agents answers rightly; ties go to the first agent in order."""


def ask_everybody(lines: Sequence[QuestionLine], agents: Mapping[str, Agent]) -> Baseline:
    """Ask all agents all questions, without the log: simulated agents give at once the replies they gave in the log."""
    right = dict.fromkeys(agents, 0)
    vote_right = 0
    for line in lines:
        votes: list[str] = []
        for name, agent in agents.items():
            given = _answer(agent, line.question)
            right[name] += given == line.gold
            votes += [] if given is None else [given]
        # Of equal counts, most_common gives the one seen first.
        vote_right += bool(votes) and Counter(votes).most_common(1)[0][0] == line.gold
    return Baseline(right, vote_right)


def _answer(agent: Agent, question: QuestionAsked) -> str | None:
    task = Task(
        question_id=question.question_id,
        text=question.text,
        options=question.options,
        answer_type=question.answer_type,
        subject=question.subject,
        role="analyst",
        stage=0,
    )
    analysis = drive(take_seat(agent, task, question))
    if question.answer_type == "number":
        return read_number(analysis.text, analysis.answer).answer
    return read_choice(analysis.text, len(question.options), analysis.answer).answer
