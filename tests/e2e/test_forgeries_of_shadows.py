"""
Every known forgery of shadow seats, with its place.

The log has questions under a policy of the published experiment.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.panels import SHADOW_STAGE
from streams.topology import ANALYSES, ASSIGNMENTS, DECISIONS, OBSERVATIONS

from ..golden.published_script import EXPERIMENT
from ..integration.played_log import Played
from ..worlds import gold, merged, question
from .forgery_list import Expected, Forge, check_found, listing
from .forging import Forger, of_kind

FOUND: dict[str, Forge] = {}
found = listing(FOUND)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That log; nobody writes to it."""
    path = tmp_path_factory.mktemp("shadows") / "orch.db"
    log = Played(path)
    log.put(EXPERIMENT)
    for number in range(4):
        log.ask([question(f"w{number}", at=number)], merged("A", ada="A", bo="B", cy="A", di="C", eve="B"))
        log.put(gold("A", f"w{number}", at=100 + number))
    log.close()
    return path


@pytest.fixture
def log(played: Path, tmp_path: Path) -> Iterator[Forger]:
    """A copy of that log, to forge."""
    forger = Forger(played, tmp_path)
    yield forger
    forger.close()


@found("a panel without one of its shadows")
def _(log: Forger) -> Expected:
    panel = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")[2]
    log.forge(panel.seq, shadows=panel.event["shadows"][:-1])
    return Expected(panel.seq, "shadows")


@found("a panel whose shadows are in another order")
def _(log: Forger) -> Expected:
    panel = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")[2]
    log.forge(panel.seq, shadows=panel.event["shadows"][::-1])
    return Expected(panel.seq, "shadows")


@found("a decision with another answer of a shadow")
def _(log: Forger) -> Expected:
    decision = log.rows(DECISIONS)[1]
    shadows = decision.event["shadows"]
    shadows[0]["answer"] = "D"
    log.forge(decision.seq, shadows=shadows)
    return Expected(decision.seq, "shadows.0.answer")


@found("a decision whose shadow never called")
def _(log: Forger) -> Expected:
    decision = log.rows(DECISIONS)[1]
    shadows = decision.event["shadows"]
    shadows[1]["conduct"]["attempts"] = 0
    log.forge(decision.seq, shadows=shadows)
    return Expected(decision.seq, "shadows.1.conduct.attempts")


@found("a decision that counts the calls of shadows")
def _(log: Forger) -> Expected:
    decision = log.rows(DECISIONS)[1]
    log.forge(decision.seq, calls=decision.event["calls"] + 2)
    return Expected(decision.seq, "calls")


@found("a decision without its shadows")
def _(log: Forger) -> Expected:
    decision = log.rows(DECISIONS)[1]
    log.forge(decision.seq, shadows=[])
    return Expected(decision.seq, "shadows")


@found("an analysis of a shadow that is gone")
def _(log: Forger) -> Expected:
    gone = next(row for row in log.rows(ANALYSES) if row.event["stage"] == SHADOW_STAGE)
    decision = log.rows(DECISIONS)[0]
    log.without(gone.seq)
    return Expected(decision.seq - 1, "record")


@found("an observation of a shadow that is gone")
def _(log: Forger) -> Expected:
    beside = of_kind(log.rows(ASSIGNMENTS), "panel.assigned")[1].event["shadows"]
    rows = [row for row in log.rows(OBSERVATIONS) if row.event["question_id"] == "w1"]
    gone = next(row for row in rows if row.event["agent"] in beside)
    log.without(gone.seq)
    return Expected(gone.seq, "")


def test_log_proves_itself(log: Forger) -> None:
    """The log proves itself before it is forged, also when it is numbered anew."""
    assert log.judge().different == 0
    log.without()
    assert (log.judge().different, log.judge().first_difference) == (0, None)


@pytest.mark.parametrize("name", FOUND)
def test_forgery_is_found(log: Forger, name: str) -> None:
    """The first difference is where the forgery is, and nothing is claimed to be proved."""
    check_found(log, FOUND[name](log))
