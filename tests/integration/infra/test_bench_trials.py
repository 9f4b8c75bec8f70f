"""Trials of ideas, on a small recorded data set."""

import gzip
import json
import random
from pathlib import Path

import pytest

from infra.bench.trials.__main__ import main
from infra.bench.trials.costs import cost_at, schedules

SKILLS = {"ann": 0.8, "bo": 0.6, "cy": 0.5, "di": 0.4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of four models of known skill; `di` writes four times as much as the others."""
    folder = tmp_path_factory.mktemp("recorded")
    chance = random.Random(1)
    questions, outputs = [], []
    for number in range(240):
        gold = chance.choice("ABCD")
        name = {"question_id": f"q{number:03}"}
        about = {"text": "Which?", "options": ["red", "blue", "green", "grey"], "answer_type": "choice"}
        questions.append({**name, **about, "subject": "colours", "gold": gold})
        for model, skill in SKILLS.items():
            said = gold if chance.random() < skill else chance.choice("ABCD")
            words = chance.randint(20, 40) * (4 if model == "di" else 1)
            outputs.append({**name, "model": model, "text": f"{'so ' * words}The answer is ({said})."})
    for file, lines in (("questions", questions), ("outputs", outputs)):
        content = "".join(f"{json.dumps(line)}\n" for line in lines)
        (folder / f"{file}.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    return folder


@pytest.mark.parametrize(
    ("trial", "way"),
    [("reliability", "rank among references"), ("costs", "gain per cost"), ("flips", "turn wrong")],
)
def test_trial_prints_its_figures(folder: Path, trial: str, way: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each trial runs on recorded outputs alone, and prints a line for each way it tries."""
    assert main([str(folder), "--orders", "1", "--questions", "60", "--only", trial]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{folder.name}: 60 questions, 1 orders")
    assert way in printed


def test_drift_notices_the_wordy_model(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A swap for a model that writes four times as much is noticed each time, by the length of its texts."""
    assert main([str(folder), "--orders", "1", "--only", "drift"]) == 0
    swapped = [line for line in capsys.readouterr().out.splitlines() if "swapped models" in line]
    assert all(int(line.split("length ")[1].split(",")[0]) >= 5 for line in swapped)


def test_cost_is_read_between_points() -> None:
    """The cost of an accuracy lies on the line between two points; one that no point reaches has none."""
    front = [(0.70, 2.0), (0.72, 3.0), (0.71, 4.0)]
    assert cost_at(front, 0.71) == pytest.approx(2.5)
    assert cost_at(front, 0.70) == 2.0
    assert cost_at(front, 0.73) is None


def test_prices_have_a_mean_of_one() -> None:
    """Costs count in mean calls, so every list of prices has a mean of one."""
    for prices in schedules(list(SKILLS), seed=42).values():
        assert sum(prices.values()) == pytest.approx(len(SKILLS))
