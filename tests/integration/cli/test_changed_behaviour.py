"""Commands on an agent whose model was swapped."""

import json
from pathlib import Path

import pytest

from ..command_in_process import Inside

SWAPPED_AT = 60


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """A folder with a log in which the texts of one of three agents become long."""
    folder = tmp_path_factory.mktemp("swapped")
    questions, outputs = [], []
    for number in range(110):
        name = f"q{number:03}"
        questions.append({"question_id": name, "text": f"Which? {number}", "options": ["one", "two"], "gold": "A"})
        for place, agent in enumerate(("ann", "bo", "cy")):
            words = 40 + 7 * ((number + place) % 5) + (300 if agent == "bo" and number >= SWAPPED_AT else 0)
            outputs.append({"question_id": name, "model": agent, "text": f"{'so ' * words}The answer is (A)."})
    _write(folder / "questions.jsonl", questions)
    _write(folder / "outputs.jsonl", outputs)
    inside = Inside(folder)
    done = inside.orch("run", "questions.jsonl", "--outputs", "outputs.jsonl", "--preset", "reference")
    assert done.code == 0, done.err
    return inside


def _write(path: Path, lines: list[dict[str, object]]) -> None:
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_doctor_warns_of_it(place: Inside) -> None:
    """The check names the agent, what changed and since when; it is a warning and no failure."""
    found = [json.loads(line) for line in place.orch("--format", "json", "doctor").out.splitlines()]
    (check,) = [check for check in found if check["name"] == "behaviour"]
    assert check["state"] == "warn"
    assert check["finding"].startswith("bo: its texts are ")
    assert f"since about q{SWAPPED_AT:03}" in check["finding"]


def test_router_shows_it(place: Inside) -> None:
    """The change stands beneath the table, and in JSON on a line of its own table; one scope shows none."""
    lines = [json.loads(line) for line in place.orch("--format", "json", "router").out.splitlines()]
    (change,) = [line for line in lines if line["table"] == "behaviour"]
    assert (change["agent"], change["signal"], change["rises"]) == ("bo", "length", True)
    assert "Changed: bo: its texts are" in " ".join(place.orch("router").out.split())
    assert "Changed" not in place.orch("router", "--scope", "*").out
