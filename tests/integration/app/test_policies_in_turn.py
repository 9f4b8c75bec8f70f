"""Policies that replace each other, and come back."""

import json
from pathlib import Path

import pytest

from schemas.decisions import DecisionMade
from schemas.policies import PolicyAdopted
from streams.app.run import Job, RunOutcome, do
from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.log import read_event
from streams.topology import DECISIONS, POLICIES

AT = "2026-02-01T00:00:00Z"


def test_policy_comes_back_into_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Policies A, B, A on dated questions decide in that turn, and running the last one again adopts nothing."""
    monkeypatch.chdir(tmp_path)
    for number, preset in enumerate(("default", "reference", "default", "default")):
        asked = [
            {"question_id": f"q{number}-{n}", "text": "?", "options": ["x", "y"], "occurred_at": AT} for n in range(3)
        ]
        said = [{"question_id": one["question_id"], "model": "m", "text": "The answer is (A)."} for one in asked]
        for name, lines in (("questions.jsonl", asked), ("outputs.jsonl", said)):
            (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
        (tmp_path / "orch.toml").write_text(f'[policy]\npreset = "{preset}"\n')
        work = Workspace(config="orch.toml")
        outcome = do(work, Job("questions.jsonl", work.config, outputs=("outputs.jsonl",)))
        assert outcome.policy_id == preset
    with work.open_reader() as reader:
        made = [read_event(record) for record in reader.records((DECISIONS, POLICIES))]
    deciding = [event.policy_id for event in made if isinstance(event, DecisionMade)]
    assert deciding == ["default"] * 3 + ["reference"] * 3 + ["default"] * 6
    adopted = [event for event in made if isinstance(event, PolicyAdopted)]
    assert [event.causes for event in adopted] == [(), (adopted[0].event_id,), (adopted[1].event_id,)]


def run_few(folder: Path, settings: str, numbers: range) -> RunOutcome:
    """Run questions with recorded agents and gold feedback under a configuration."""
    asked = [{"question_id": f"q{n}", "text": "?", "options": ["x", "y"], "gold": "A"} for n in numbers]
    said = [
        {"question_id": f"q{n}", "model": model, "text": f"The answer is ({'AB'[n % 2]})."}
        for n in numbers
        for model in ("m", "n", "o")
    ]
    for name, lines in (("questions.jsonl", asked), ("outputs.jsonl", said)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "orch.toml").write_text(settings)
    work = Workspace(config="orch.toml")
    return do(work, Job("questions.jsonl", work.config, outputs=("outputs.jsonl",), teach=True))


def test_new_content_of_a_preset_is_a_policy_beside_the_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a log with the cascade that `default` was, it is `default#2`; who decided what is told, old results stay."""
    monkeypatch.chdir(tmp_path)
    earlier, now = '[merge]\nrule = "cascade"\n', '[policy]\npreset = "default"\n'
    assert run_few(tmp_path, earlier, range(3)).policy == "default"
    with pytest.raises(UsageError, match="3 of 3 were decided under 'default'; 'default#2' decided none"):
        run_few(tmp_path, now, range(3))
    outcome = run_few(tmp_path, now, range(5))
    assert (outcome.policy_id, outcome.policy, outcome.decided_now) == ("default", "default#2", 2)
    assert {name: part.decided for name, part in outcome.summary.policies.items()} == {"default": 3, "default#2": 2}
    assert outcome.replay.different == 0
    again = run_few(tmp_path, earlier, range(3))
    assert (again.policy, again.decided_now, again.summary.correct) == ("default", 0, 2)
