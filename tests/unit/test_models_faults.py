"""Assignment of faults to requests."""

from collections import Counter
from itertools import product

import pytest

from infra.models.behaviour import Behaviour
from infra.models.faults import FAULTS, FaultPlan
from streams.errors import UsageError

CASES = [(model, f"q{number}", "analyst", n) for model, number, n in product(("a", "b"), range(2_000), (1, 2))]


def drawn(plan: FaultPlan) -> dict[tuple[str, str, str, int], str | None]:
    """Give the fault of each case."""
    return {case: plan.fault(case[0], case[1], "analyst", case[3]) for case in CASES}


def test_faults_come_at_their_rates() -> None:
    """Shares of many requests are near the rates, and the rest is sound."""
    counts = Counter(drawn(FaultPlan({"hang": 0.1, "cut": 0.05})).values())
    assert abs(counts["hang"] / len(CASES) - 0.1) < 0.02
    assert abs(counts["cut"] / len(CASES) - 0.05) < 0.015
    assert counts.keys() == {"hang", "cut", None}


def test_plan_fixes_the_faults() -> None:
    """The same plan gives the same faults in any order of asking; another seed gives others."""
    plan = FaultPlan({"hang": 0.3})
    backwards = {case: plan.fault(case[0], case[1], "analyst", case[3]) for case in reversed(CASES)}
    assert backwards == drawn(FaultPlan({"hang": 0.3}))
    assert backwards != drawn(FaultPlan({"hang": 0.3}, seed=1))


def test_retry_is_drawn_anew() -> None:
    """A request that failed may succeed the next time."""
    plan = FaultPlan({"hang": 0.5})
    pairs = {
        (plan.fault("a", f"q{number}", "analyst", 1), plan.fault("a", f"q{number}", "analyst", 2))
        for number in range(99)
    }
    assert len(pairs) == 4


def test_rates_may_hold_for_some_models() -> None:
    """A model that is not named is sound."""
    faults = drawn(FaultPlan({"hang": 1}, models=frozenset({"a"})))
    assert {(case[0], fault) for case, fault in faults.items()} == {("a", "hang"), ("b", None)}


def test_sequence_says_what_comes_when() -> None:
    """A model's requests of one question get the listed faults in turn, then those of the rates."""
    plan = FaultPlan({"empty": 1}, sequences={"a": ["hang", None, "cut"]})
    assert [plan.fault("a", "q", "merger", n) for n in (1, 2, 3, 4)] == ["hang", None, "cut", "empty"]
    assert plan.fault("b", "q", "merger", 1) == "empty"


def test_every_counts_before_all_else() -> None:
    """A fault for every request of a model leaves room for nothing else."""
    plan = FaultPlan({"empty": 1}, sequences={"a": [None]}, every={"a": "cut"})
    assert [plan.fault("a", "q", "analyst", n) for n in (1, 2)] == ["cut", "cut"]


@pytest.mark.parametrize(
    "plan",
    [
        {"rates": {"fire": 0.1}},
        {"every": {"a": "fire"}},
        {"sequences": {"a": [None, "fire"]}},
        {"rates": {"hang": -0.1}},
        {"rates": {"hang": 0.7, "cut": 0.4}},
    ],
)
def test_impossible_plan_is_refused(plan: dict[str, dict[str, object]]) -> None:
    """Unknown faults and rates that are no shares are mistakes."""
    with pytest.raises(UsageError):
        FaultPlan(**plan)  # type: ignore[arg-type]


def test_rates_may_make_one() -> None:
    """All faults at equal rates leave nothing sound."""
    assert None not in drawn(FaultPlan(dict.fromkeys(FAULTS, 1 / len(FAULTS)))).values()


def test_delay_is_fixed_for_each_request() -> None:
    """A request waits the latency and a share of the spread that does not change."""
    behaviour = Behaviour(latency_ms=100, spread_ms=50)
    delays = [behaviour.delay_s("a", f"q{number}", "analyst", 1) for number in range(100)]
    assert 0.1 <= min(delays) < 0.11
    assert 0.14 < max(delays) < 0.15
    assert delays == [behaviour.delay_s("a", f"q{number}", "analyst", 1) for number in range(100)]
