"""Merge rules of other distributions: found, recorded, replayed, refused."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.panels import PanelAssignedV2
from schemas.policies import PolicyAdoptedV2
from streams import Orch
from streams.app.merge_rules import installed_rules
from streams.app.workspace import Workspace
from streams.errors import OperatorError, UsageError
from streams.log import read_event

from ...conftest import ROOT
from ..command_in_process import Inside

INFO = "orch_longest-1.0.dist-info"
EXAMPLE = ROOT / "tests" / "example_rule"
CONFIG: dict[str, Any] = {
    "agents": [{"kind": "recorded", "name": name, "model": name} for name in ("ann", "bob", "cat")],
    "routing": {"rule": "static"},
    "merge": {"rule": "longest"},
}
SAID = {"ann": "(A)", "bob": "(A)", "cat": "After much thought about all of it, the answer is (B)"}
Edit = Callable[..., None]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Edit]:
    """Install the example as a directory on the path; give a function that changes a file of it."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.chdir(tmp_path)

    def edit(file: str, old: str, new: str) -> None:
        path = folder / file
        path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        forget()

    def forget() -> None:
        for name in [name for name in sys.modules if name.partition(".")[0] == "orch_longest"]:
            del sys.modules[name]
        installed_rules.cache_clear()
        importlib.invalidate_caches()

    forget()
    yield edit
    monkeypatch.undo()
    forget()


def ask(orch: Orch, question_id: str = "q") -> Any:
    """Ask a question whose longest analysis is of the minority."""
    rows = [{"question_id": question_id, "text": "w", "options": ["x", "y"]}]
    outputs = [{"question_id": question_id, "model": name, "text": text} for name, text in SAID.items()]
    return orch.run(rows, outputs=outputs)


def first(topic: str) -> Any:
    """Read the first event of a topic."""
    with Workspace("own.db").open_reader() as reader:
        return read_event(next(reader.records((topic,))))


def test_rule_of_a_distribution_decides(installed: Edit) -> None:
    """Its weights, answer and note are in the decision; policy and panel name it with the hash of its files."""
    with Orch("own.db", config=CONFIG) as orch:
        assert ask(orch).replay.different == 0
        (decision,) = orch.decisions()
        assert (decision.answer, decision.rule) == ("B", "own:longest.v1")
        assert decision.tally == {"A": 6, "B": len(SAID["cat"])}
        (step,) = decision.trace
        assert (step.rule, step.outcome) == ("own:longest.v1", "decide")
        assert step.model_dump()["note"] == f"{len(SAID['cat'])} characters of {6 + len(SAID['cat'])}"
        explained = orch.explain("q")["decision"]
        assert explained is not None
        assert explained["own_rule"] is not None
        assert explained["own_rule"]["distribution"] == "orch-longest"
    policy, panel = first("orch.policies"), first("orch.assignments")
    assert isinstance(policy, PolicyAdoptedV2)
    assert isinstance(panel, PanelAssignedV2)
    assert policy.own_rule == panel.own_rule == installed_rules().named("longest")
    assert str(policy.own_rule).startswith("longest v1 of orch-longest 1.0 (files ")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("orch_longest/lengths.py", "2_000", "2_001", "whose files were changed"),
        ("orch_longest/rules.py", "(-totals[each][0],", "(totals[each][0],", "whose files were changed"),
        ("orch_longest/rules.py", 'version="v1"', 'version="v2"', "installed is longest v2 of orch-longest 1.0"),
        (
            "orch_longest-1.0.dist-info/METADATA",
            "Version: 1.0",
            "Version: 1.1",
            "installed is longest v1 of orch-longest 1.1",
        ),
        (f"{INFO}/entry_points.txt", "longest =", "shortest =", "it is not installed"),
        ("orch_longest/rules.py", "LONGEST =", "import nosuch\nLONGEST =", "cannot be loaded"),
    ],
)
def test_another_rule_replays_nothing(file: str, old: str, new: str, told: str, installed: Edit) -> None:
    """A changed file, also one that the rule only imports, another version, or none: refused, naming both; exit 3."""
    with Orch("own.db", config=CONFIG) as orch:
        ask(orch)
        installed(file, old, new)
        with pytest.raises(OperatorError, match=r"needs the merge rule longest v1 of orch-longest 1\.0") as caught:
            orch.replay()
        assert told in str(caught.value)
        assert "orch-longest==1.0" in caught.value.remedy
    done = Inside(Path.cwd()).orch("--log", "own.db", "replay")
    assert (done.code, told in done.err) == (3, True)
    with pytest.raises(OperatorError, match="merge rule"):
        # Nor does a writer go on under a rule that it lacks.
        Orch("own.db", config={}).ask("w", ["x", "y"])


def test_changed_rule_runs_on_a_new_log(installed: Edit) -> None:
    """On the old log a run is refused before it asks anything; on a new one the changed rule decides."""
    with Orch("own.db", config=CONFIG) as orch:
        ask(orch)
        installed("orch_longest/lengths.py", "2_000", "3")
        with Orch("own.db", config=CONFIG) as other, pytest.raises(OperatorError, match="begin a new log"):
            ask(other, "r")
        assert [each.answer for each in orch.decisions()] == ["B"]
    with Orch("new.db", config=CONFIG) as orch:
        assert ask(orch).replay.different == 0
        assert [each.answer for each in orch.decisions()] == ["A"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("return Ruling(", "raise KeyError(", "the rule failed: KeyError"),
        ("return Ruling(answer", 'return Ruling("D"', "the rule chose an answer that no ballot gives"),
        (
            "return Ruling(answer, weights",
            "return Ruling(answer, weights[1:]",
            "the rule gave no weight for each ballot",
        ),
        (
            "return Ruling(answer, weights",
            "return Ruling(answer, (1.5,) * len(weights)",
            "a weight is no integer, or too large",
        ),
        ("return Ruling(", "return tuple((", "the rule gave no ruling"),
        ("characters of", "c" * 600, "the note is no text, or too long"),
    ],
)
def test_ruling_that_is_none_falls_back(old: str, new: str, told: str, installed: Edit) -> None:
    """A rule that fails or gives nonsense stops no stage: `weighted` decides, the trace says why, and it replays."""
    installed("orch_longest/rules.py", old, new + (")" if new.endswith("((") else ""))
    if new.endswith("(("):
        installed("orch_longest/rules.py", '{sum(weights)}")', '{sum(weights)}"))')
        installed("orch_longest/rules.py", "tuple(()", "tuple((")
    with Orch("own.db", config=CONFIG) as orch:
        assert ask(orch).replay.different == 0
        (decision,) = orch.decisions()
        assert (decision.rule, decision.answer) == ("weighted.v1", "A")
        (step,) = decision.trace
        assert (step.rule, step.outcome, step.model_dump()["note"]) == ("own:longest.v1", "fall back", told)


def test_rule_may_leave_a_question_undecided(installed: Edit) -> None:
    """None is an answer of a rule: the question is undecided, with its ballots."""
    installed("orch_longest/rules.py", "return Ruling(answer", "return Ruling(None")
    with Orch("own.db", config=CONFIG) as orch:
        ask(orch)
        (decision,) = orch.decisions()
        assert (decision.status, decision.answer, decision.trace[0].outcome) == ("undecided", None, "undecided")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        (
            "orch_longest-1.0.dist-info/entry_points.txt",
            "longest =",
            "other =",
            r"Ours are vote.*orch\.merge_rules: other",
        ),
        ("orch_longest/rules.py", "LONGEST = MergeRule(", "LONGEST = dict(", "it is a dict, and no"),
        ("orch_longest/rules.py", 'version="v1"', 'version="v 1"', "version"),
        (f"{INFO}/entry_points.txt", "rules:LONGEST", "rules:NOSUCH", "cannot be loaded"),
    ],
)
def test_rule_that_cannot_be_used_is_told(file: str, old: str, new: str, words: str, installed: Edit) -> None:
    """A misspelt name, something that is no rule, or one that cannot be loaded is told before a log is made."""
    installed(file, old, new)
    with Orch("own.db", config=CONFIG) as orch, pytest.raises((UsageError, OperatorError), match=words):
        ask(orch)
    assert not Path("own.db").exists()


def test_name_of_ours_is_refused(installed: Edit) -> None:
    """No distribution replaces a rule of ours, nor passes for one in a decision."""
    installed(f"{INFO}/entry_points.txt", "longest =", "vote =")
    found = installed_rules()
    assert not found.rules
    assert "the name is that of another rule" in found.broken["vote"]


def test_old_rules_know_no_others(installed: Edit) -> None:
    """A policy of v1 cannot name one."""
    config = {**CONFIG, "policy": {"rules": "v1"}}
    with Orch("own.db", config=config) as orch, pytest.raises(UsageError, match="longest is none of v1"):
        ask(orch)


def test_receipt_proves_inclusion_alone(installed: Edit) -> None:
    """`verify` says that the decision was not derived, since the rule is none of ours; the tree shows the rule."""
    with Orch("own.db", config=CONFIG) as orch:
        ask(orch)
    place = Inside(Path.cwd())
    text = place.orch("--log", "own.db", "explain", "q").out
    assert "rule longest v1 of orch-longest 1.0" in text
    assert "characters of" in text
    assert "(in the rule's own unit)" in text
    assert "not derived: the merge rule longest of orch-longest is none of ours" in text
    assert place.orch("--log", "own.db", "explain", "q", "-o", "q.html").code == 0
    assert "orch-longest 1.0" in Path("q.html").read_text("utf-8")
    assert place.orch("--log", "own.db", "seal", "--init").code == 0
    assert place.orch("--log", "own.db", "seal").code == 0
    done = place.orch("--log", "own.db", "receipt", "q")
    assert done.code == 0, done.err
    Path("receipt.json").write_text(done.out)
    keys = [path for path in Path.cwd().rglob("*") if path.suffix in (".pub", ".vkey")]
    checked = place.orch("--format", "json", "verify", "receipt.json", *(["--key", keys[0]] if keys else []))
    assert "decision not derived: the rule longest v1 of orch-longest 1.0 is none of ours" in json.dumps(checked.lines)
