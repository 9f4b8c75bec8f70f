"""Seeded questions and policy of a trial."""

import json
import random
from typing import Literal, NamedTuple

Way = Literal["crc32", "murmur2", "no key"]
"""The producer's partitioner: librdkafka's default, Java's default, or a random partition."""

SUBJECTS = ("law", "logic", None)

_GOLD = 0.5
"""Share of the questions that get feedback after the decision."""
_TWICE = 0.05
"""Share of the questions, and of the feedback, that is published twice, as by a producer that retries."""

DEADLINE_MS = 15_000

POLICY = """\
[policy]
policy_id = "chaos"
# Longer than a session timeout and a restart, so that most questions are decided by their panel.
deadline_ms = 15_000

[routing]
panel_size = 3
[routing.exploration]
warm_up = 4
# Every other question seats the agent that is known least: one of those that fail.
kind = "nth"
every = 2

# Lessons move the weights that later panels carry. Each score can be added up again without the program's arithmetic.
# Where a call fails, one more agent is asked.
[merge]
rule = "odds"
stages = [2, 1]
quorum = 2
reserve = 1
[odds]
warm_up_lessons = 10

[[agents]]
kind = "simulated"
name = "at-once"
latency_ms = 50
malformed_ppb = 20_000_000

[[agents]]
kind = "simulated"
name = "quick"
latency_ms = 60
waits = true
failure_ppb = 100_000_000
limits = { timeout_ms = 2_000, max_attempts = 2, backoff_ms = 50 }

[[agents]]
kind = "simulated"
name = "slow"
latency_ms = 700
waits = true
skill_ppb = 900_000_000

[[agents]]
kind = "simulated"
name = "failing"
latency_ms = 100
waits = true
failure_ppb = 200_000_000
limits = { timeout_ms = 2_000, max_attempts = 1 }

# Its calls may never end: then the deadline decides.
[[agents]]
kind = "simulated"
name = "hanging"
latency_ms = 100
waits = true
hang_ppb = 20_000_000
limits = { timeout_ms = 60_000, max_attempts = 1 }
"""
"""The configuration: agents that wait, so that kills hit calls under way; that fail, so that stages are opened; and
that hang, so that deadlines pass."""


class TrialQuestion(NamedTuple):
    """One question of a trial."""

    question_id: str
    value: bytes
    way: Way
    times: int
    gold: bytes | None
    """Feedback to be given after the decision."""
    gold_times: int


def asked(seed: int, number: int) -> TrialQuestion:
    """Make a question."""
    draw = random.Random(f"{seed} {number}")
    question_id = f"chaos-{seed}-{number:06d}"
    options = [f"answer {letter}" for letter in "abcd"[: draw.choice((2, 3, 4))]]
    question = {"question_id": question_id, "text": f"Which is right in case {number}?", "options": options}
    subject = draw.choice(SUBJECTS)
    if subject is not None:
        question["subject"] = subject
    way = draw.choices(("crc32", "murmur2", "no key"), (0.45, 0.45, 0.1))[0]
    gold = {"question_id": question_id, "source": "gold", "answer": draw.choice("ABCD"[: len(options)])}
    told = draw.random() < _GOLD
    return TrialQuestion(
        question_id,
        json.dumps(question).encode(),
        way,  # type: ignore[arg-type]  # one of the three
        1 + (draw.random() < _TWICE),
        json.dumps(gold).encode() if told else None,
        1 + (draw.random() < _TWICE),
    )
