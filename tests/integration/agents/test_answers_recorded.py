"""Answers in recorded outputs of real models."""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streams.processors.answers import EXTRACTORS, Extractor, Options
from streams.processors.answers.v1 import read_choice, read_number

from ...conftest import ROOT

V2 = EXTRACTORS["answers.v2"]
DISPUTED = ROOT / "tests" / "golden" / "answers_disputed.jsonl"
"""Outputs that `answers.v2` reads otherwise than they were recorded: ids, letters, and which of them is right."""

REWRITE = bool(os.environ.get("ORCH_REWRITE_GOLDEN"))

FEWEST_ALIKE_PERMILLE = 995
"""Of the outputs that both extractors read: what models usually write was read well before."""

# Read otherwise on purpose: the output says of its only option that it is not the correct answer.
TAKEN_BACK = ("mmlu-pro-10430", "Phi-3-mini-4k-instruct")


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


# --- choices by the second extractor -------------------------------------------------------------------------------


class Outputs:
    """The recorded outputs of choices, and the questions they answer."""

    def __init__(self, folder: Path) -> None:
        self.lines = list(_lines(folder / "outputs.jsonl.gz"))
        self._questions = {line["question_id"]: line for line in _lines(folder / "questions.jsonl.gz")}

    def options(self, line: dict[str, Any]) -> Options:
        """Give the options of a line's question."""
        return Options.of(self._questions[line["question_id"]]["options"])

    def first(self, letter: str | None, line: dict[str, Any]) -> str | None:
        """Name an option by the first of those equal to it."""
        equals = self.options(line).equals
        place = len(equals) if letter is None else ord(letter) - ord("A")
        return chr(ord("A") + equals[place]) if place < len(equals) else None

    def gold(self, line: dict[str, Any]) -> str | None:
        """Give the right answer."""
        return self.first(self._questions[line["question_id"]]["gold"], line)

    def read(self, extractor: Extractor) -> list[str | None]:
        """Read every line."""
        return [self.first(extractor.read(line["text"], self.options(line), None).answer, line) for line in self.lines]


@pytest.fixture(scope="module")
def outputs(recorded_data: Path) -> Outputs:
    """The recorded outputs of choices."""
    return Outputs(recorded_data / "mmlu-pro")


@pytest.fixture(scope="module")
def read_by_v2(outputs: Outputs) -> list[str | None]:
    """Their answers by the second extractor."""
    return outputs.read(V2)


def _verdict(read: str | None, recorded: str | None, gold: str | None) -> str:
    return "read" if read == gold else "recorded" if recorded == gold else "neither"


def test_disputed_outputs_are_the_known_ones(outputs: Outputs, read_by_v2: list[str | None]) -> None:
    """What is read otherwise than it was recorded is listed, so that a change of the rules shows what it changes."""
    disputed = [
        {
            "question_id": line["question_id"],
            "model": line["model"],
            "recorded": line["answer"],
            "read": answer,
            "right": _verdict(answer, outputs.first(line["answer"], line), outputs.gold(line)),
        }
        for line, answer in zip(outputs.lines, read_by_v2, strict=True)
        if answer != outputs.first(line["answer"], line)
    ]
    text = "".join(json.dumps(line) + "\n" for line in disputed)
    if REWRITE:
        DISPUTED.write_text(text, "utf-8")
    assert text == DISPUTED.read_text("utf-8")


def test_both_extractors_read_usual_outputs_alike(outputs: Outputs, read_by_v2: list[str | None]) -> None:
    """The second one is right at least as often, model by model, but for an answer that its author takes back."""
    read_by_v1 = outputs.read(EXTRACTORS["answers.v1"])
    alike = sum(one == two for one, two in zip(read_by_v1, read_by_v2, strict=True))
    assert alike * 1000 >= FEWEST_ALIKE_PERMILLE * len(outputs.lines)
    gained: dict[str, int] = {}
    for line, one, two in zip(outputs.lines, read_by_v1, read_by_v2, strict=True):
        if (line["question_id"], line["model"]) != TAKEN_BACK:
            gold = outputs.gold(line)
            gained[line["model"]] = gained.get(line["model"], 0) + (two == gold) - (one == gold)
    assert min(gained.values()) >= 0


# --- cases from the field ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "c1a-other-option",
        "c2a-box-comma",
        "c3a-own-form",
        "c4a-letter-alone",
        "c5a-recorded-think",
        "c6a-french-space",
        "d3a-words",
    ],
)
def test_cases_from_the_field_are_read(field_cases: Path, name: str) -> None:
    """Each output has the answer that its reporter expected."""
    folder = field_cases / name
    rows = [line.split("\t") for line in (folder / "expected.txt").read_text("utf-8").splitlines()]
    expected = {row[0]: None if row[1] == "none" else row[1] for row in rows if len(row) > 1}
    questions = {line["question_id"]: line["options"] for line in _json_lines(folder / "questions.jsonl")}
    answers = {
        line["question_id"]: V2.read(
            line["text"], Options.of(questions[line["question_id"]]), line.get("answer")
        ).answer
        for line in _json_lines(folder / "outputs.jsonl")
    }
    assert answers == expected


def test_equal_options_of_the_field_are_one(field_cases: Path) -> None:
    """Two agents that name either of them agree."""
    folder = field_cases / "d2a-equal-options"
    (question,) = _json_lines(folder / "questions.jsonl")
    options = Options.of(question["options"])
    answers = [V2.read(line["text"], options, None).answer for line in _json_lines(folder / "outputs.jsonl")]
    assert answers == ["A", "A", "B"]
    assert V2.normal_answer(question["gold"], options) == "A"


def _json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
