"""The paper's protocol on MMLU's form, with simulated agents."""

import csv
from pathlib import Path
from typing import Any

import pytest

from streams.agents.simulated import truth

from .command import Ended, Place

SUBJECTS = 12
"""More than the protocol draws."""
SKILLS = {"able": 850_000_000, "apt": 750_000_000, "fair": 650_000_000, "weak": 450_000_000}
RULES = ("vote", "odds", "published", "agent", "fixed-parts", "dispatched-parts", "every-part")
ASKED = ("eval", "mmlu", "--sample", "paper-subjects", "--orders", "1", "--resamples", "200", "--routing", "static")


def _write(folder: Path) -> None:
    """Write subjects as the authors' files have them; right answers are those that simulated agents know."""
    (folder / "mmlu").mkdir()
    for subject in range(SUBJECTS):
        name = f"subject_{subject:02}"
        with (folder / "mmlu" / f"{name}_test.csv").open("w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file)
            for row in range(35):
                gold = "ABCD"[truth(0, f"mmlu-{name}-test-{row}", 4)]
                rows.writerow([f"Question {row} of {name}?", "first", "second", "third", "fourth", gold])
    agents = "".join(f'[[agents]]\nkind = "simulated"\nname = "{n}"\nskill_ppb = {s}\n\n' for n, s in SKILLS.items())
    (folder / "orch.toml").write_text(agents)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, Ended]:
    """An evaluation by the protocol, with every ablation."""
    place = Place(tmp_path_factory.mktemp("protocol"))
    _write(place.path)
    rules = [part for rule in RULES for part in ("--rule", rule)]
    done = place.orch("--format", "json", *ASKED, *rules, "--routing", "ema=2")
    assert done.code == 0, done.err
    return place, done


def _arms(done: Ended) -> dict[str, dict[str, Any]]:
    return {arm["name"]: arm for arm in done.object["arms"]}


def test_the_sample_is_the_papers(evaluated: tuple[Place, Ended]) -> None:
    """Ten of the subjects are drawn, thirty questions of each, and their ids are saved."""
    place, done = evaluated
    assert done.object["source"]["questions"] == 300
    drawn = (place.path / "orch-eval" / "sampled-ids.txt").read_text().split()
    by_subject = [question_id.rsplit("-", 2)[0] for question_id in drawn]
    assert len(set(by_subject)) == 10
    assert {by_subject.count(subject) for subject in by_subject} == {30}
    assert done.object["different"] == 0


def test_agents_have_the_skills_they_were_given(evaluated: tuple[Place, Ended]) -> None:
    """Each simulated agent alone is right as often as its skill says, within the interval of 300 questions."""
    arms = _arms(evaluated[1])
    for name, skill in SKILLS.items():
        assert arms[name]["accuracy"] == pytest.approx(skill / 10**9, abs=0.1)


def test_every_ablation_is_run(evaluated: tuple[Place, Ended]) -> None:
    """Each ablation of the paper is an arm, with the calls that it takes; none is left out."""
    _, done = evaluated
    arms = _arms(done)
    calls = {name: arm["calls"] for name, arm in arms.items() if arm["kind"] == "rule"}
    routed = [f"{rule}+ema2" for rule in RULES if rule != "every-part"]
    static = {"odds": 4, "agent": 5, "fixed-parts": 4, "dispatched-parts": 5, "every-part": 12}
    assert calls.keys() == {*static, *routed, "published"}
    assert {name: calls[name] for name in static} == static
    # Averages seat two, once every agent was asked often enough to have some.
    assert 2 <= calls["vote+ema2"] < 2.5
    assert {name for name in arms if name.startswith("vote of the best")} == {
        f"vote of the best {size}" for size in range(1, 5)
    }
    assert list(done.object["not_run"]) == ["self-consistency K=2"]


def test_calibration_stands_beside_chance(evaluated: tuple[Place, Ended]) -> None:
    """The posterior's error stands beside what 300 questions make of true posteriors, in the text too."""
    place, done = evaluated
    found = _arms(done)["odds"]["calibration"]
    assert 0 < found["by_chance"] < found["most_by_chance"] < 0.1
    rules = [part for rule in RULES for part in ("--rule", rule)]
    shown = place.orch(*ASKED, *rules, "--routing", "ema=2")
    assert shown.code == 0, shown.err
    assert f"{100 * found['by_chance']:.1f}, < {100 * found['most_by_chance']:.1f}" in shown.out
    assert "the sample alone makes it" in (place.path / "orch-eval" / "report.html").read_text()
