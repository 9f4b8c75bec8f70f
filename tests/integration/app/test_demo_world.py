"""The made-up world of the demonstration."""

import re
from typing import Any

import pytest

from streams.agents.factory import make_agents
from streams.app.demo_world import ask_everybody, demo_agents, demo_questions
from streams.app.question_file import QuestionLine, read_questions
from streams.settings import Config, build_policy

from .test_question_file import written

SEEDS = (0, 7, 10**9)


def lines(count: int, seed: int) -> list[QuestionLine]:
    """Read the questions as `run` would."""
    problems: list[Any] = []
    found = list(read_questions(written(*demo_questions(count, seed)), problems, lambda: 0))
    assert problems == []
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_every_question_is_a_good_line(seed: int) -> None:
    """The generator writes lines that are taken as they are, each with its time and its right answer."""
    found = lines(200, seed)
    assert len({line.question.question_id for line in found}) == 200
    assert all(line.timed and line.gold is not None for line in found)
    assert {line.question.subject for line in found} == {"arithmetic", "percentages", "geometry", "time", "shopping"}


def test_fewer_questions_are_the_first_of_more() -> None:
    """A demonstration that is continued asks the same questions again, and then others."""
    assert list(demo_questions(20, 7)) == list(demo_questions(50, 7))[:20]
    assert list(demo_questions(20, 7)) != list(demo_questions(20, 8))


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answer_is_right_for_people(seed: int) -> None:
    """Whoever calculates finds the answer that counts as right, and no other option is the same."""
    for line in lines(300, seed):
        question = line.question
        numbers = [int(digits) for digits in re.findall(r"\d+", question.text)]
        assert all(int(digits) >= 0 for digits in re.findall(r"-?\d+", question.text))
        right = {
            "arithmetic": lambda n: n[0] - n[1] + n[2],
            "shopping": lambda n: n[0] * n[1] + n[2],
            "percentages": lambda n: n[0] * n[1] // 100,
            "geometry": lambda n: n[0] * n[1] if "area" in question.text else 2 * (n[0] + n[1]),  # noqa: B023
            "time": lambda n: 60 * n[0] + n[1],
        }[question.subject or ""](numbers)
        if question.answer_type == "number":
            assert line.gold == str(right)
            continue
        offered = [int(re.match(r"-?\d+", option)[0]) for option in question.options]  # type: ignore[index]
        assert len(set(offered)) == len(offered)
        assert min(offered) >= 0
        assert line.gold == "ABCD"[offered.index(right)]


def test_everybody_is_asked_beside_the_log() -> None:
    """The baseline asks each agent each question; the agents are as good as they are made to be."""
    found = lines(400, 7)
    config = Config(fields={"policy_id": "demo", "agents": demo_agents(7)})
    baseline = ask_everybody(found, make_agents(build_policy(config, "2026-01-01T00:00:00.000Z"), None))
    shares = {name: right / 400 for name, right in baseline.right.items()}
    assert list(shares) == ["atlas", "birch", "cedar", "delta", "ember"]
    assert 0.7 < shares["atlas"] < 0.86
    assert shares["ember"] < min(shares["atlas"], shares["birch"])
    assert max(baseline.right.values()) < baseline.vote_right < 400
