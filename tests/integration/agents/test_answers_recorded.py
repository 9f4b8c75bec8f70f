"""Answers in recorded outputs of real models."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.processors.answers.v1 import read_choice, read_number


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _agreement_permille(folder: Path) -> int:
    questions = {line["question_id"]: line for line in _lines(folder / "questions.jsonl.gz")}
    same = total = 0
    for line in _lines(folder / "outputs.jsonl.gz"):
        question = questions[line["question_id"]]
        choice = question["answer_type"] == "choice"
        reading = read_choice(line["text"], len(question["options"])) if choice else read_number(line["text"])
        same += reading.answer == line["answer"]
        total += 1
    return same * 1000 // total


@pytest.mark.parametrize(("dataset", "floor_permille"), [("mmlu-pro", 975), ("gsm8k", 995)])
def test_recorded_outputs_are_read(recorded_data: Path, dataset: str, floor_permille: int) -> None:
    """The answers of recorded outputs are read as they were recorded, but for those a reader would dispute."""
    assert _agreement_permille(recorded_data / dataset) >= floor_permille
