"""Laws of counterfactuals over generated logs."""

import random
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from infra.verifier.worlds import write_world
from schemas.odds import Odds
from schemas.policies import PolicyAdopted, PolicyAdoptedV2
from schemas.rules import NEWEST_ODDS_RULES, NEWEST_RULES
from streams.app.whatif import Counterfactual, what_if, without
from streams.app.workspace import Workspace

from ..counterfactuals import EPOCH, agents, run, static, under

QUESTIONS = 8


@given(st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_the_policies_of_a_log_change_nothing(seed: int) -> None:
    """Under its own policies every question of a log is exact, and no answer changes, whatever the rule."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log.db")
        write_world(log, random.Random(seed), QUESTIONS, odds=seed % 4 == 0)
        found = what_if(Workspace(str(log)), Counterfactual())
    exact = found.sums["exact"]
    assert (exact.questions, exact.changed, found.open) == (QUESTIONS, 0, 0)
    assert (exact.calls_recorded, exact.cost_recorded_nusd) == (exact.calls_other, exact.cost_other_nusd)


@given(st.integers(0, 10_000))
@settings(max_examples=2, deadline=None)
def test_what_stands_on_nothing_distrusted_is_untouched(seed: int) -> None:
    """Without the feedback of a source, whatever no cause leads back to it is exact, and the same."""
    with TemporaryDirectory() as folder:
        log = Path(folder, "log.db")
        write_world(log, random.Random(seed), QUESTIONS, odds=seed % 4 == 0)
        kept: list[bool] = []
        found = without(
            Workspace(str(log)), ["source=gold"], heard=lambda row, tainted: kept.append(_is_same(row, tainted))
        )
    assert found.untouched + found.tainted == QUESTIONS == len(kept)
    assert all(kept)


def _is_same(row: Any, tainted: bool) -> bool:
    return tainted or (row.coverage == "exact" and not row.changed)


@st.composite
def policies(draw: st.DrawFn) -> PolicyAdopted:
    """Draw a policy over the same four agents."""
    rule = draw(st.sampled_from(["vote", "weighted", "agent", "cascade", "odds"]))
    panel = draw(st.integers(1, 4))
    reserve = draw(st.integers(0, 4 - panel))
    fields: dict[str, Any] = {
        "policy_id": draw(st.sampled_from(["one", "two"])),
        "occurred_at": EPOCH,
        "agents": agents(failure_ppb=100_000_000, malformed_ppb=50_000_000),
        "routing": {
            "rule": draw(st.sampled_from(["weighted", "lexicographic", "static"])),
            "panel_size": panel,
            "by_subject": draw(st.booleans()),
            "exploration": {
                "warm_up": draw(st.sampled_from([0, 2, 100])),
                "kind": draw(st.sampled_from(["none", "ucb"])),
            },
        },
        "decomposition": draw(st.sampled_from(["none", "none", "none", "fixed", "dispatcher"])),
        "merge": {
            "rule": rule,
            "quorum": draw(st.integers(1, panel + reserve)),
            "reserve": reserve,
            "stages": (1,) * panel,
            "accept_ppb": draw(st.sampled_from([500_000_000, 800_000_000, 990_000_000])),
            "merge_agent": draw(st.booleans()),
        },
    }
    if rule == "odds":
        return PolicyAdoptedV2(**fields, rules=NEWEST_ODDS_RULES, odds=Odds(warm_up_lessons=2))
    return PolicyAdoptedV2(**fields, rules=NEWEST_RULES)


def check(before: PolicyAdopted, other: PolicyAdopted, window: int, *, verdicts: bool) -> Counter[str]:
    """Compare a counterfactual with a run, where it says that it is exact; count the coverages."""
    with TemporaryDirectory() as folder:
        run(Path(folder, "before.db"), before, window=window, verdicts=verdicts)
        rows = under(Path(folder, "before.db"), other)
        fresh = run(Path(folder, "fresh.db"), other, window=window, verdicts=verdicts)
    assert len(rows) == QUESTIONS
    for row in rows:
        if row.coverage == "exact":
            assert row.other is not None
            assert row.other.answer == fresh[row.question_id], row
        assert (row.other is None) == (row.coverage == "unknown")
    return Counter(row.coverage for row in rows)


@given(before=policies(), other=policies(), verdicts=st.booleans())
@example(before=static(4), other=static(2, "weighted"), verdicts=False)
@settings(max_examples=6, deadline=None)
def test_what_is_exact_is_what_a_run_gives(before: PolicyAdopted, other: PolicyAdopted, verdicts: bool) -> None:
    """An exact answer under another policy is that of a run under it, with agents that answer the same."""
    for coverage, questions in check(before, other, 1, verdicts=verdicts).items():
        event(f"{coverage}: {questions}")


@given(
    rule=st.sampled_from(["vote", "weighted"]), other=st.sampled_from(["vote", "weighted"]), window=st.integers(2, 8)
)
@settings(max_examples=2, deadline=None)
def test_learning_that_lags_is_played_with_its_lag(rule: str, other: str, window: int) -> None:
    """Where several questions are open at a time, each sees what the same questions had taught, and all are exact."""
    routing = {"rule": "weighted", "exploration": {"warm_up": 0, "kind": "none"}}
    found = check(static(4, rule, routing=routing), static(4, other, routing=routing), window, verdicts=False)
    assert found == {"exact": QUESTIONS}
