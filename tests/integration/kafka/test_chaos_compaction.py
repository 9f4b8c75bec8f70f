"""
Short trials of open questions under compaction.

They are samples of `python -m infra.chaos.backlog`: nothing is lost, decided twice or forgotten, whatever compaction
removes.
"""

import json
import sys
from typing import Any

import pytest

from infra.chaos.backlog.trial import run as run_backlog
from infra.chaos.backlog.trial_spec import BacklogSpec
from infra.chaos.compaction import STAGES

pytestmark = [pytest.mark.slow, pytest.mark.process, pytest.mark.usefixtures("room_for_trials")]

BACKLOG = {"questions": 30, "seed": 20_261_129, "slow_ms": 500, "burst": 10, "factor": 1 / 4}
"""
With this seed a zombie comes before an end, so that it rejoins while the next removal is awaited.
`python -m infra.chaos.backlog --help` shows the long form, which runs either engine.
"""


def judged(**troubles: int) -> dict[str, Any]:
    """Do a trial, and judge it: nothing is lost, and what is asked again gets no second panel."""
    told: list[str] = []
    none = {"starts": 0, "kills": 0, "zombies": 0, "outages": 0}
    outcome = run_backlog(BacklogSpec(**{**BACKLOG, **none, **troubles}), told.append)  # type: ignore[arg-type]
    found = outcome.as_json()
    sys.stdout.write("\n".join([*told, json.dumps(found, indent=1)]))
    assert outcome.unsettled == ""
    assert outcome.report.wrong == {}, outcome.report.examples
    assert found["log"]["decided"] == found["log"]["asked"] >= BACKLOG["questions"]
    assert (found["replay"]["different"], found["replay"]["pending"]) == (0, 0)
    assert outcome.right, found
    return found


def test_open_questions_outlive_their_owners() -> None:
    """
    What was open before an end, a zombie and compaction is decided once; what is asked again gets no second panel.

    Late feedback finds its decision, and each line of the router table goes on.
    """
    judged(starts=1, zombies=1)


def test_a_compacted_changelog_is_all_that_an_owner_needs() -> None:
    """All owners are killed at once: of each stage, the next one goes on from what compaction left, without a copy."""
    # Twice: what an owner has to write about the one before, for its commits are going, only the owner after it needs.
    found = judged(outages=2)
    assert all(found["compaction"]["owners_after_removal_without_copy"][stage] for stage in STAGES)
