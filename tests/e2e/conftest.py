"""Directories to run the command in, and shared logs."""

import shutil
from pathlib import Path

import pytest

from .command import Place, outputs, question
from .tampering import write

RECORDED = 40
"""Questions in the recorded log."""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty directory."""
    return Place(tmp_path)


@pytest.fixture(scope="session")
def recorded_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which recorded outputs were run with gold feedback; nobody writes to it."""
    return record(Place(tmp_path_factory.mktemp("recorded")))


def record(place: Place) -> Path:
    """Run recorded outputs with gold feedback."""
    place.write("questions.jsonl", [question(number) for number in range(RECORDED)])
    place.write("outputs.jsonl", outputs(RECORDED))
    feedback = {"question_id": "q1", "source": "human", "author": "tester", "verdict": "right"}
    place.write("feedback.jsonl", [feedback])
    done = place.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--feedback", "gold")
    assert done.code == 0, done.err
    return place.path


@pytest.fixture
def recorded(recorded_once: Path, tmp_path: Path) -> Place:
    """A copy of that directory, to do with as one likes."""
    shutil.copytree(recorded_once, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with records of every kind: the golden story, then some more questions with right answers."""
    path = tmp_path_factory.mktemp("original") / "orch.db"
    write(path)
    return path
