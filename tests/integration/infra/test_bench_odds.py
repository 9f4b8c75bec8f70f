"""`infra.bench.odds` on recorded outputs, beside the published reference."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from infra.bench.odds.__main__ import chance_below, holm, is_right, main, plain_vote
from infra.bench.odds.panels import chosen, drawn
from infra.bench.odds.play import Known, Player
from infra.bench.odds.recorded import load
from schemas.odds import Odds

from ...conftest import ROOT

TOP = ("gemini-1.5-flash-002", "DeepSeek-Coder-V2", "Meta-Llama-3_1-70B-Instruct")


@pytest.fixture(scope="module")
def known(recorded_data: Path) -> list[Known]:
    """Give the first questions of MMLU-Pro with the answers of all models."""
    return load(recorded_data / "mmlu-pro", most=400)


@pytest.fixture(scope="module")
def reference() -> ModuleType:
    """Load the reference implementation, which lies beside the checkout."""
    path = ROOT.parent / "shared" / "merge" / "learned_odds.py"
    if not path.is_file():
        pytest.skip("optional: needs the reference in ../shared/merge")
    spec = importlib.util.spec_from_file_location("learned_odds", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_rule_is_as_right_as_the_vote_and_the_best(known: list[Known]) -> None:
    """On the first questions, which are the hardest to learn from, it is no point below either."""
    course = Player(TOP, Odds(cascade=False)).play(known)
    best = max(sum(is_right(one, agent) for one in known) for agent in TOP)
    vote = sum(plain_vote(one, TOP) for one in known)
    assert sum(course.hits.values()) > max(best, vote) - len(known) // 100


def test_stages_save_calls(known: list[Known]) -> None:
    """Asked by gain, fewer agents are asked, for nearly the same answers."""
    whole, stages = (Player(TOP, Odds(cascade=cascade)).play(known) for cascade in (False, True))
    assert whole.calls_a_question == 3
    assert stages.calls_a_question < 2.7
    assert abs(stages.accuracy - whole.accuracy) < 0.02


def test_decisions_are_those_of_the_reference(known: list[Known], reference: ModuleType) -> None:
    """An independent implementation that is given the same evidence decides nearly all questions alike."""
    rule: Any = reference.LearnedOdds(list(TOP))
    course = Player(TOP, Odds(cascade=False)).play(known)
    alike = 0
    for one in known:
        # Its options' forms are off: one name for all of them moves no posterior.
        asked = reference.Question("not" if one.facts.negated else "", ["x"] * one.choices)
        asked.shape = dict.fromkeys(asked.shape, ("value", "none"))
        asked.kind = one.facts.kind
        answers = {agent: (None if voice is None else voice.answer, voice) for agent, voice in heard(one).items()}
        reference.read = read_as(one)
        best = rule.decide(asked, answers)[0]
        alike += (best == one.gold) == course.hits[one.question_id]
        rule.feedback(asked, answers, one.gold)
    assert alike >= 0.98 * len(known)


def heard(known: Known) -> dict[str, Any]:
    """Give the answers of the panel."""
    return {agent: known.voices[agent] for agent in TOP}


def read_as(known: Known) -> Any:
    """Give evidence under the reference's names, as ours was read."""

    def read(question: Any, agent: str, voice: Any, answer: str) -> list[tuple[object, ...]]:
        names: list[tuple[object, ...]] = [("agent", agent), ("letter", answer), ("agent+class", agent, voice.grounds)]
        names += [("agent+negated", agent)] if known.facts.negated else []
        return names + ([("uses", voice.uses)] if voice.uses is not None else [])

    return read


def test_panels_have_their_agents(known: list[Known]) -> None:
    """Clones say the same, and an agent that gets worse says what another model does from the middle on."""
    panels = {panel.name: panel for panel in [*chosen(sorted(known[0].voices)), *drawn(TOP, 3, seed=1)]}
    assert len(panels) >= 16
    for panel in panels.values():
        for one in panel.questions(known)[:20]:
            assert list(one.voices) == list(panel.models)
            assert all(voice is None or voice.agent == agent for agent, voice in one.voices.items())
    worse = panels["the best gets worst"]
    assert worse.worse is not None
    agent, model = worse.worse
    last = worse.questions(known)[-1].voices[agent]
    recorded = known[-1].voices[model]
    assert (last and last.answer) == (recorded and recorded.answer)


def test_chances() -> None:
    """Below the best by far is unlikely by chance, above it is not; the correction counts all panels."""
    assert chance_below([-1.0, -1.0, 0.0, -1.0] * 10) < 0.001
    assert chance_below([1.0, 0.0] * 20) > 0.999
    assert chance_below([0.0] * 5) == 1.0
    assert holm([(0.02, "a"), (0.5, "b"), (0.9, "c")]) == (0.06, "a")


def test_command_prints_a_line_for_each_panel(
    recorded_data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command measures every panel of a data set and says the least p value."""
    arguments = [str(recorded_data / "gsm8k"), "--orders", "1", "--random", "1", "--questions", "60"]
    monkeypatch.setattr(sys, "argv", ["odds", *arguments])
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gsm8k: 60 questions, 4 models, 1 orders"
    assert len(lines) == 2 + 12 + 1
    assert lines[-1].startswith("after Holm over all panels")
