"""
Short trial of open questions under compaction.

Nothing is lost, decided twice or forgotten, whatever compaction removes.
"""

import json
import sys

import pytest

from infra.chaos.backlog.trial import run as run_backlog
from infra.chaos.backlog.trial_spec import BacklogSpec
from infra.chaos.client import library
from infra.chaos.compaction import STAGES

from ...broker import require_kafka

pytestmark = [pytest.mark.slow, pytest.mark.process]

BACKLOG = {"questions": 30, "starts": 1, "kills": 1, "zombies": 1, "seed": 20_261_128, "slow_ms": 600, "burst": 10}
"""`python -m infra.chaos.backlog --help` shows the long form, which runs either engine."""


def test_open_questions_outlive_their_owners() -> None:
    """
    What was open before ends, kills, a zombie and compaction is decided once; what is asked again gets no second panel.

    Late feedback finds its decision, and each line of the router table goes on.
    """
    require_kafka()
    library()
    told: list[str] = []
    outcome = run_backlog(BacklogSpec(**BACKLOG), told.append)  # type: ignore[arg-type]  # its own fields
    found = outcome.as_json()
    sys.stdout.write("\n".join([*told, json.dumps(found, indent=1)]))
    assert outcome.unsettled == ""
    assert outcome.report.wrong == {}, outcome.report.examples
    assert found["log"]["decided"] == found["log"]["asked"] >= BACKLOG["questions"]
    assert (found["replay"]["different"], found["replay"]["pending"]) == (0, 0)
    assert all(found["compaction"]["owners_after_removal_without_copy"][stage] for stage in STAGES)
    assert outcome.right, found
