"""Counterfactuals over logs of every kind, and what they refuse."""

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.agents import CallLimits, Price
from schemas.decisions import DecisionMade
from schemas.policies import PolicyAdopted
from schemas.registry import INPUTS, KINDS, decode_canonical, kind_of
from streams.app.log_start import start_log
from streams.app.whatif import Counterfactual, near, what_if, without
from streams.app.workspace import Workspace
from streams.audit.run_summary import plain_vote
from streams.audit.whatif.outcome import Answer, Compared, RightAnswer
from streams.errors import UsageError
from streams.log import read_event
from streams.processors import PROCESSORS
from streams.runtimes.archive.export import export_log
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import DECISIONS, POLICIES

from ...conftest import ROOT
from ...counterfactuals import AGENTS, agents, run, static, under
from ...layout2 import unpacked

FROM_OUTSIDE = ("analysis.published.v1", *map(kind_of, INPUTS))
QUESTIONS = 20


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of questions that a fixed panel of three voted on, with gold feedback; nobody writes to it."""
    log = tmp_path_factory.mktemp("voted") / "orch.db"
    run(log, static(3), questions=QUESTIONS)
    return log


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of two policies in turn, whose panels were routed by what was learned; nobody writes to it."""
    log = tmp_path_factory.mktemp("routed") / "orch.db"
    routing = {"rule": "weighted", "exploration": {"warm_up": 4, "kind": "none"}}
    first = static(2, "weighted", policy_id="first", routing=routing)
    second = static(2, "weighted", policy_id="second", routing={**routing, "shrinkage": 5})
    run(log, first, second, questions=QUESTIONS // 2)
    return log


def decisions(log: Path) -> Iterator[DecisionMade]:
    """Read the decisions of a log."""
    with EmbeddedReader(log) as reader:
        for record in reader.records((DECISIONS,)):
            event = read_event(record)
            assert isinstance(event, DecisionMade)
            yield event


@pytest.mark.parametrize("golden", ["v1", "v2", "odds", "published"])
def test_a_golden_log_is_exact_under_its_own_policies(golden: str, tmp_path: Path) -> None:
    """Every question of a golden log has the answer, calls and cost that it had."""
    log = tmp_path / "orch.db"
    with EmbeddedWriter(log, PROCESSORS, clock=lambda: 0) as writer:
        for line in (ROOT / "tests" / "golden" / golden / "log.jsonl").read_bytes().splitlines():
            event = decode_canonical(KINDS[json.loads(line)["kind"]].topic, line)
            if event.kind in FROM_OUTSIDE:
                writer.append(event)
                while writer.ready:
                    writer.fold()
        writer.commit()
    _require_same(log)


@pytest.mark.parametrize("log", ["cascade/finished", "default/half", "reference/half", "reference-lexicographic/half"])
def test_a_log_of_release_0_1_is_exact_under_its_own_policies(log: str, tmp_path: Path) -> None:
    """So has every question of a log that release 0.1 wrote with many questions open at a time."""
    _require_same(unpacked(log, tmp_path))


def _require_same(log: Path) -> None:
    found = what_if(Workspace(str(log)), Counterfactual())
    exact = found.sums["exact"]
    assert exact.questions == found.questions > 0
    assert exact.changed == 0
    assert (exact.calls_recorded, exact.cost_recorded_nusd) == (exact.calls_other, exact.cost_other_nusd)


def test_an_analysis_that_nobody_gave_makes_a_decision_partial(voted: Path) -> None:
    """A larger panel asks an agent that was not asked: partial, with its name, and in no sum of exact questions."""
    found = what_if(Workspace(str(voted)), Counterfactual(["routing.panel_size=4"]))
    assert found.sums["exact"].questions == found.sums["unknown"].questions == 0
    assert found.sums["partial"].questions == QUESTIONS
    assert found.why == {"no analysis of dog is recorded for what it is asked": QUESTIONS}
    assert all(row.coverage == "partial" for row in found.rows)


def test_a_smaller_panel_is_exact_and_graded(voted: Path) -> None:
    """A panel of one has its one ballot's answer; flips are counted against the right answers that feedback tells."""
    found = what_if(Workspace(str(voted)), Counterfactual(["routing.panel_size=1"]))
    exact = found.sums["exact"]
    alone = {d.question_id: next(b.answer for b in d.counted if b.agent == "ant") for d in decisions(voted)}
    recorded = {d.question_id: d.answer for d in decisions(voted)}
    assert {row.question_id for row in found.rows} == {q for q, answer in alone.items() if answer != recorded[q]}
    assert exact.calls_other == QUESTIONS
    assert exact.changed == exact.to_right + exact.to_wrong + exact.wrong_to_wrong + exact.ungraded
    # The gold feedback of every fifth question was retracted.
    assert exact.graded == QUESTIONS - QUESTIONS // 5
    assert exact.right_other - exact.right_recorded == exact.to_right - exact.to_wrong


def test_a_router_is_unknown_behind_what_is_not_exact(routed: Path) -> None:
    """Where panels follow from lessons, the first analysis that is missing leaves all questions behind it unknown."""
    found = what_if(Workspace(str(routed)), Counterfactual(["routing.panel_size=3"]))
    assert found.sums["partial"].questions == 1
    assert found.sums["exact"].questions >= 4, "those of the warm-up"
    assert found.sums["unknown"].questions == QUESTIONS - 1 - found.sums["exact"].questions
    assert found.sums["unknown"].calls_other == 0


def test_prices_change_costs_and_settings_change_calls(voted: Path) -> None:
    """Another price counts the recorded tokens anew; another model, or a shorter time limit, is another call."""
    price = Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=0)
    dear = under(voted, static(3, agents=agents(price=price)))
    free = under(voted, static(3, agents=agents(price=None)))
    assert {row.coverage for row in (*dear, *free)} == {"exact"}
    assert all(row.other and row.other.cost_nusd < row.recorded.cost_nusd for row in dear)
    assert all(row.other and row.other.unpriced_calls == row.other.calls == 3 for row in free)
    assert {row.coverage for row in under(voted, static(3, agents=agents(seed=1)))} == {"partial"}
    hurried = under(voted, static(3, agents=agents(limits=CallLimits(timeout_ms=1))))
    assert {row.coverage for row in hurried} == {"partial"}


def test_without_an_agent_its_ballots_are_struck(voted: Path) -> None:
    """Decisions that counted its ballot are tainted; they differ where the others' plain vote does."""
    kept: dict[str, tuple[Compared, bool]] = {}
    found = without(
        Workspace(str(voted)), ["agent=ant"], heard=lambda row, stood: kept.update({row.question_id: (row, stood)})
    )
    for decision in decisions(voted):
        row, stood = kept[decision.question_id]
        assert stood == any(ballot.agent == "ant" for ballot in decision.counted)
        left = [ballot for ballot in decision.counted if ballot.agent != "ant"]
        assert row.other is not None
        assert row.other.answer == plain_vote(left, AGENTS)
    assert found.tainted == found.direct == QUESTIONS
    assert found.unsaid == 0
    assert found.changed == sum(row.changed for row, _ in kept.values()) > 0


def test_without_a_policy_its_questions_are_decided_under_the_one_before(routed: Path) -> None:
    """Its own decisions stand on it directly; those before it do not stand on it."""
    found = without(Workspace(str(routed)), ["policy=second"])
    assert (found.direct, found.untouched) == (QUESTIONS // 2, QUESTIONS // 2)
    assert found.changed + found.same + found.unsaid == QUESTIONS // 2


def test_without_a_source_whatever_was_learned_from_it_is_tainted(routed: Path) -> None:
    """All but the first question had panels that saw lines which gold feedback had moved."""
    found = without(Workspace(str(routed)), ["source=gold"])
    assert (found.untouched, found.tainted, found.direct) == (1, QUESTIONS - 1, 0)
    nothing = without(Workspace(str(routed)), ["source=judge"])
    assert nothing.untouched == QUESTIONS


def test_what_is_distrusted_must_be_there(routed: Path) -> None:
    """Unknown names are refused with those there are; agents do not stand beside sources."""
    work = Workspace(str(routed))
    for given, said in (
        (["agent=nobody"], "ant, bee, cat, dog"),
        (["source=rumour"], "gold, human"),
        (["policy=third"], "first"),
        (["colour=blue"], "agent=NAME"),
        (["agent=ant", "source=gold"], "ask twice"),
    ):
        with pytest.raises(UsageError, match=said):
            without(work, given)


def test_near_policies_are_stated_and_each_is_a_whatif(voted: Path) -> None:
    """Every policy of the set is named with its step; an answer hangs where one of them changes it."""
    work = Workspace(str(voted))
    found = near(work)
    changes = {policy.change: policy for policy in found.policies}
    assert set(changes) == {"routing.panel_size: 3 -> 4", "routing.panel_size: 3 -> 2", "merge.quorum: 1 -> 2"}
    assert found.left_out == ["merge.quorum: 1 -> 0 (merge.quorum: Input should be greater than or equal to 1, not 0)"]
    alone = what_if(work, Counterfactual(["routing.panel_size=2"]))
    assert changes["routing.panel_size: 3 -> 2"].changed == alone.sums["exact"].changed > 0
    assert changes["routing.panel_size: 3 -> 4"].exact == 0, "the fourth agent was not asked"
    hanging = Counter(change for under_ in found.hanging.values() for change in under_)
    assert hanging == {change: policy.changed for change, policy in changes.items() if policy.changed}
    assert found.questions == QUESTIONS
    assert found.ambiguity == len(found.hanging) / QUESTIONS
    assert found.discrepancy == max(policy.changed for policy in found.policies) / QUESTIONS


@pytest.mark.parametrize("name", ["flips.csv", "flips.jsonl"])
def test_every_flip_goes_into_the_file(voted: Path, tmp_path: Path, name: str) -> None:
    """The file has the rows of the result; the log is left as it was, to the byte."""
    before = {path: hashlib.sha256(path.read_bytes()).digest() for path in voted.parent.iterdir()}
    target = tmp_path / name
    found = what_if(Workspace(str(voted)), Counterfactual(["routing.panel_size=1"], target=target))
    with target.open(newline="") as file:
        rows = list(csv.DictReader(file)) if name.endswith("csv") else [json.loads(line) for line in file]
    assert [(row["question_id"], row["other"]) for row in rows] == [
        (row.question_id, row.other and row.other.answer) for row in found.rows
    ]
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert {path: hashlib.sha256(path.read_bytes()).digest() for path in voted.parent.iterdir()} == before


def test_a_form_that_is_none_is_refused(voted: Path, tmp_path: Path) -> None:
    """Before anything is played, and without leaving a file."""
    with pytest.raises(UsageError, match="does not tell the form"):
        what_if(Workspace(str(voted)), Counterfactual(target=tmp_path / "flips.xlsx"))
    assert list(tmp_path.iterdir()) == []


def test_an_archive_gives_what_its_log_gives(routed: Path, tmp_path: Path) -> None:
    """A counterfactual over an export is that over the log."""
    with EmbeddedReader(routed) as reader:
        export_log(reader, tmp_path, written_by="a test")
    asked = Counterfactual(["merge.rule=vote"])
    found = [what_if(Workspace(log), asked).as_json() for log in (str(routed), f"parquet:{tmp_path}")]
    assert found[0] == found[1]
    assert found[0]["exact"]["questions"] == QUESTIONS


def test_a_log_that_goes_on_from_another_is_exact(routed: Path, tmp_path: Path) -> None:
    """What was carried from an earlier log stands before the first lesson, in the play and in the radius."""
    with EmbeddedReader(routed) as reader:
        export_log(reader, tmp_path / "earlier", written_by="a test")
    log = tmp_path / "orch.db"
    started = start_log(Workspace(str(log)), str(tmp_path / "earlier"))
    with EmbeddedReader(log) as reader:
        (policy,) = (
            event for event in map(read_event, reader.records((POLICIES,))) if isinstance(event, PolicyAdopted)
        )
    assert policy.event_id == started.origin.adopted
    run(log, policy)
    _require_same(log)
    found = without(Workspace(str(log)), ["source=gold"])
    assert (found.untouched, found.tainted) == (1, 7)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("merge.acept_ppb=1", "Did you mean merge.accept_ppb"),
        ("merge.rule", "KEY=VALUE"),
        ("merge.rule=coin", "'vote', 'weighted'"),
        ("merge.accept_ppb=7", "0.07"),
        ("agents=x", "--policy FILE"),
        ("routing.panel_size=9", "more than the 4 agents"),
    ],
)
def test_a_setting_that_is_wrong_is_refused(voted: Path, given: str, said: str) -> None:
    """With what is wrong and what to do."""
    with pytest.raises(UsageError, match=said):
        what_if(Workspace(str(voted)), Counterfactual([given]))


def test_a_file_stands_in_the_place_of_all_policies(routed: Path, tmp_path: Path) -> None:
    """Without agents in it, it has those of the log; what differs from the newest policy is told."""
    file = tmp_path / "other.toml"
    file.write_text('[routing]\nrule = "static"\npanel_size = 2\n[merge]\nrule = "vote"\n')
    found = what_if(Workspace(str(routed)), Counterfactual(policy_file=file))
    assert found.sums["unknown"].questions == 0
    assert found.sums["exact"].questions > 0
    assert "merge.rule: weighted -> vote" in found.changes


def test_odds_come_and_go_with_their_rule(voted: Path) -> None:
    """A log of votes can be decided by learned odds, with the newest versions of that rule."""
    found = what_if(Workspace(str(voted)), Counterfactual(["merge.rule=odds", "merge.stages=[1, 1, 1]"]))
    assert found.questions == QUESTIONS
    assert any(change.startswith("rules.odds") for change in found.changes)


def test_a_verdict_says_less_than_a_right_answer() -> None:
    """ "Wrong" grades the answer that it is about, and an undecided question, alone."""
    right, wrong, none = RightAnswer("A"), RightAnswer(None, ("A",)), RightAnswer()
    assert [right.grade(answer) for answer in ("A", "B", None)] == [True, False, False]
    assert [wrong.grade(answer) for answer in ("A", "B", None)] == [False, None, False]
    assert [none.grade(answer) for answer in ("A", None)] == [None, None]
    row = Compared("q", "exact", "", Answer("A", 1, 0, 0), Answer("B", 1, 0, 0), wrong)
    assert row.flip == "ungraded"
