"""
Short trials of a Kafka log under kills.

They are samples of `python -m infra.chaos`: nothing lost, doubled or different.
"""

import json
import sys
from collections import Counter

import pytest

from infra.chaos.trial import run
from infra.chaos.trial_spec import TrialSpec

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("room_for_trials")]

LOAD = {"questions": 30, "rate": 6.0, "seed": 20_261_269, "workers": 3, "factor": 1 / 3}
"""
Sessions of two seconds. Of the first hundred questions, an agent never answers numbers 3 and 11, if it is asked: late
ones would wait for their deadlines. `python -m infra.chaos --help` shows the long form, which compacts changelogs too.
"""

WORKERS = {"worker_kills": 2, "broker_kills": 0, "stops": 1}
BROKER = {"worker_kills": 0, "broker_kills": 1, "stops": 0}


@pytest.mark.process
@pytest.mark.parametrize("faults", [pytest.param(WORKERS, id="workers"), pytest.param(BROKER, id="broker")])
def test_kills_and_stops_change_nothing(faults: dict[str, int]) -> None:
    """
    Each question has one decision, counted again from the log, and each lesson is learned once, whoever is killed.

    Every fault that counts has hit work in flight. The log is judged by a checker that shares no code with the program.
    """
    plan = TrialSpec(**LOAD, **faults)  # type: ignore[arg-type]  # its own fields
    told: list[str] = []
    outcome = run(plan, told.append)
    found = outcome.as_json()
    sys.stdout.write("\n".join([*told, json.dumps(found, indent=1)]))
    assert outcome.unsettled == ""
    assert found["faults"] == Counter(plan.faults())
    hit = [fault for fault in outcome.faults if fault.counts]
    assert all(fault.open > 0 for fault in hit)
    assert all(fault.held and fault.lag > 0 for fault in hit if fault.kind != "broker kill")
    assert outcome.report.wrong == {}, outcome.report.examples
    assert found["log"]["decided"] == found["log"]["asked"] >= plan.questions
    assert (found["replay"]["different"], found["replay"]["pending"]) == (0, 0)
    # A worker that is started while there is no broker may say so and end; nothing else ends one.
    assert outcome.right, found
