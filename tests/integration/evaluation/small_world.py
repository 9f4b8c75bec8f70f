"""A small evaluation on generated questions and outputs."""

import random
from pathlib import Path
from typing import Any

import orjson

SUBJECTS = ("biology", "chemistry", "law", "math", "physics", "music")
SKILLS = {"able": 0.8, "middling": 0.6, "weak": 0.4, "absent": 0.7}
LETTERS = "ABCD"


def write_world(folder: Path, questions: int = 36, seed: int = 1, *, numbers: bool = False) -> tuple[Path, Path]:
    """
    Write questions and outputs of four models, with tokens, latencies and costs.

    Some outputs are unreadable, some are missing, and costs are known of some models alone.
    """
    chance = random.Random(seed)
    asked: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    for number in range(questions):
        gold = str(chance.randrange(2, 40)) if numbers else chance.choice(LETTERS)
        line: dict[str, Any] = {"question_id": f"q{number:03}", "text": f"Question {number}?", "gold": gold}
        line |= {"subject": SUBJECTS[number % len(SUBJECTS)], "dataset": "small"}
        line |= {"answer_type": "number"} if numbers else {"options": [f"option {letter}" for letter in LETTERS]}
        asked.append(line)
        for model, skill in SKILLS.items():
            if model == "absent" and number % 9 == 0:
                continue
            wrong = str(chance.randrange(40, 50)) if numbers else chance.choice(LETTERS)
            answer = gold if chance.random() < skill else wrong
            text = "I do not know." if chance.random() < 0.05 else f"So the answer is ({answer})."
            output: dict[str, Any] = {"question_id": line["question_id"], "model": model, "text": text}
            output |= {"input_tokens": 100 + number, "output_tokens": 10, "latency_ms": 100 + chance.randrange(900)}
            said.append(output if model == "weak" else {**output, "cost_nusd": 1_000 * (1 + chance.randrange(9))})
    paths = (folder / "questions.jsonl", folder / "outputs.jsonl")
    for path, lines in zip(paths, (asked, said), strict=True):
        path.write_bytes(b"".join(orjson.dumps(line) + b"\n" for line in lines))
    return paths
