"""
A short trial of a Kafka log under kills.

It is the short form of `python -m infra.chaos`: nothing lost, doubled or different.
"""

import json
import sys
from collections import Counter

import pytest

from infra.chaos.client import library
from infra.chaos.trial import run
from infra.chaos.trial_spec import TrialSpec

from ...broker import require_kafka

pytestmark = pytest.mark.slow

PLAN = TrialSpec(questions=30, rate=6.0, worker_kills=3, broker_kills=1, stops=1, seed=20_261_121, workers=3)
"""Under a minute on two cores. `python -m infra.chaos --help` shows the long form, which compacts changelogs too."""


@pytest.mark.process
def test_kills_and_stops_change_nothing() -> None:
    """
    Each question has one decision, counted again from the log, and each lesson is learned once, whoever is killed.

    Every fault that counts has hit work in flight. The log is judged by a checker that shares no code with the program.
    """
    require_kafka()
    library()
    told: list[str] = []
    outcome = run(PLAN, told.append)
    found = outcome.as_json()
    sys.stdout.write("\n".join([*told, json.dumps(found, indent=1)]))
    assert outcome.unsettled == ""
    assert found["faults"] == Counter(PLAN.faults())
    hit = [fault for fault in outcome.faults if fault.counts]
    assert all(fault.open > 0 for fault in hit)
    assert all(fault.held and fault.lag > 0 for fault in hit if fault.kind != "broker kill")
    assert outcome.report.wrong == {}, outcome.report.examples
    assert found["log"]["decided"] == found["log"]["asked"] >= PLAN.questions
    assert (found["replay"]["different"], found["replay"]["pending"]) == (0, 0)
    # A worker that is started while there is no broker may say so and end; nothing else ends one.
    assert outcome.right, found
