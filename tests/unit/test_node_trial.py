"""Plan and verdict of a trial on three brokers."""

from collections import Counter

import pytest

from infra.chaos.checker import Report
from infra.chaos.nodes.trial import NodeFault, NodeTrialOutcome, NodeTrialSpec

PLAN = NodeTrialSpec(kills=3, restarts=2, outages=1, away_s=20, rate=8, workers=2, seed=5)
RIGHT = Report({}, {}, {})


def outcome(**changes: object) -> NodeTrialOutcome:
    """Give the outcome of a trial in which all went well, but for the changes."""
    fields: dict[str, object] = {"report": RIGHT, "ended": {"w1": 0}, "replay": {"different": 0}, **changes}
    return NodeTrialOutcome(PLAN, **fields)  # type: ignore[arg-type]  # each test changes one of them


def test_seed_fixes_the_order_of_faults() -> None:
    """A plan has every fault that it names, in an order that the seed alone draws."""
    assert Counter(PLAN.faults()) == {"kill": 3, "rolling restart": 2, "two killed": 1}
    assert PLAN.faults() == PLAN.faults()


@pytest.mark.parametrize(
    "wrong",
    [
        {"report": None},
        {"report": Report({}, {"lost": 1}, {})},
        {"replay": {"different": 1}},
        {"unsettled": "3 questions are open, and nothing happens"},
        {"ended": {"w1": 1}},
        {"ended_by_themselves": ["1: bug"]},
    ],
)
def test_anything_wrong_makes_a_trial_wrong(wrong: dict[str, object]) -> None:
    """Of check, replay, rest and exit codes each one counts; a worker without brokers may end with 3."""
    assert outcome(ended_by_themselves=["3: no broker"]).right
    assert not outcome(**wrong).right


def test_longest_stall_is_of_each_kind() -> None:
    """The figures give the longest of each kind of fault, and every fault."""
    faults = [NodeFault("kill", (1,), 5, 2.5, 90), NodeFault("two killed", (1, 2), 5, 30.0, 9)]
    found = outcome(faults=[*faults, NodeFault("kill", (3,), 5, 4.0, 90)]).as_json()
    assert found["longest_stall_s"] == {"kill": 4.0, "two killed": 30.0}
    assert len(found["faults"]) == 3
