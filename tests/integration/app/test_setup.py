"""The agents of a run, from settings, outputs or log."""

import json
from pathlib import Path
from typing import Any

import pytest

from schemas.agents import RecordedAgent
from schemas.decisions import DecisionMade
from streams.app.setup import EPOCH, MOST_AGENTS, answer, hire, keep
from streams.errors import UsageError
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import Config, RunSettings, same_policy

from ...worlds import question

AT = "2026-05-01T00:00:00.000Z"
SIMULATED = Config(fields={"agents": [{"kind": "simulated", "name": "sim"}]})


def outputs(folder: Path, *models: str) -> list[str]:
    """Write an outputs file in which each model answers question `q`."""
    path = folder / "outputs.jsonl"
    said = [{"question_id": "q", "model": model, "text": "The answer is (A)."} for model in models]
    path.write_text("".join(json.dumps(line) + "\n" for line in said))
    return [str(path)]


def names(given: Any) -> list[str]:
    """List the agents of a staff."""
    return [spec.name for spec in given.policy.agents]


def test_models_of_the_outputs_are_the_agents(tmp_path: Path) -> None:
    """Each model is an agent of its name in code point order, instead of those configured."""
    setup = hire(SIMULATED, outputs(tmp_path, "b", "C", "a"), AT)
    assert setup is not None
    assert names(setup) == ["C", "a", "b"]
    assert list(setup.agents) == ["C", "a", "b"]
    assert setup.policy.occurred_at == AT


def test_name_of_a_model_is_made_to_fit(tmp_path: Path) -> None:
    """What an agent's name cannot hold becomes a hyphen; the model keeps its own."""
    setup = hire(Config(), outputs(tmp_path, "  My model (7B)!", "org/name:v1.0"), AT)
    assert setup is not None
    assert [(spec.name, spec.model) for spec in setup.policy.agents if isinstance(spec, RecordedAgent)] == [
        ("My-model-7B", "  My model (7B)!"),
        ("org/name:v1.0", "org/name:v1.0"),
    ]


@pytest.mark.parametrize(
    ("models", "words"),
    [
        (("a b", "a-b"), "models 'a b' and 'a-b' would both be agent 'a-b'"),
        (("!!!",), "no agent can be named after model '!!!'"),
        (("m" * 129,), "no agent can be named"),
        (tuple(f"m{number}" for number in range(MOST_AGENTS + 1)), f"{MOST_AGENTS + 1} models"),
    ],
)
def test_models_that_cannot_be_told_apart_are_refused(models: tuple[str, ...], words: str, tmp_path: Path) -> None:
    """No agent is made whose name stands for nothing, or for two models."""
    with pytest.raises(UsageError, match=r"outputs\.jsonl") as caught:
        hire(Config(), outputs(tmp_path, *models), AT)
    assert words in caught.value.message
    assert caught.value.remedy


def test_outputs_without_any_output_are_refused(tmp_path: Path) -> None:
    """A file of other things is named with what was wrong first."""
    path = tmp_path / "questions.jsonl"
    path.write_text('{"question_id": "q"}\n')
    with pytest.raises(UsageError, match="line 1: model: missing"):
        hire(Config(), [str(path)], AT)


def test_settings_without_agents_leave_it_to_the_log() -> None:
    """Nobody is hired; the policy in force goes on, and without one there is nobody to ask."""
    assert hire(Config(), (), AT) is None
    configured = hire(SIMULATED, (), AT)
    assert configured is not None
    assert keep(None, configured.policy, Config()).policy == configured.policy
    with pytest.raises(UsageError, match="no agents"):
        keep(None, None, Config())


def test_same_settings_at_another_time_change_nothing() -> None:
    """The policy in force is kept if only its time differs; another one replaces it."""
    before, now = hire(SIMULATED, (), EPOCH), hire(SIMULATED, (), AT)
    assert before is not None
    assert now is not None
    assert keep(now, before.policy, SIMULATED).policy is before.policy
    other = hire(Config(fields={"agents": [{"kind": "simulated", "name": "other"}]}), (), AT)
    assert other is not None
    replacing = keep(other, before.policy, SIMULATED).policy
    assert same_policy(replacing, other.policy)
    assert replacing.causes == (before.policy.event_id,)


def test_questions_are_answered_under_the_policy(tmp_path: Path) -> None:
    """The policy is adopted once, and every question has its decision."""
    setup = hire(SIMULATED, (), AT)
    assert setup is not None
    decided: list[str] = []

    def hear(event: Any) -> tuple[()]:
        decided.extend([event.question_id] if isinstance(event, DecisionMade) else [])
        return ()

    with EmbeddedWriter(tmp_path / "orch.db", PROCESSORS, clock=lambda: 0) as log:
        for number in range(2):
            answer(log, setup, [question(f"q{number}")], run=RunSettings(), listener=hear, clock=lambda: 0)
        assert decided == ["q0", "q1"]
        assert len(log.about(setup.policy.policy_id)) == 1
