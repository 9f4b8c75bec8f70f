"""
Every known forgery of lessons and weights, with its place.

The log has the golden story of the merge rule `odds`, and more questions.
"""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.canonical import canonical_json

from ..integration.played_log import Played
from .forgeries_of_weights import FOUND, KEY, go_on, questions, tables, write
from .forgery_list import check_found
from .forging import Forger


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That log; nobody writes to it."""
    path = tmp_path_factory.mktemp("taught") / "orch.db"
    write(path)
    return path


@pytest.fixture
def log(taught: Path, tmp_path: Path) -> Iterator[Forger]:
    """A copy of that log, to forge."""
    forger = Forger(taught, tmp_path)
    yield forger
    forger.close()


def test_log_proves_itself(log: Forger) -> None:
    """The log proves itself before it is forged, also when it is numbered anew."""
    assert log.judge().different == 0
    log.without()
    assert (log.judge().different, log.judge().first_difference) == (0, None)


@pytest.mark.parametrize("name", FOUND)
def test_forgery_is_found(log: Forger, name: str) -> None:
    """The first difference is where the forgery is, and nothing is claimed to be proved."""
    check_found(log, FOUND[name](log))


def test_table_forged_with_all_that_follows_from_it_is_one_difference(log: Forger) -> None:
    """A table is changed, and lessons and panels behind it truly follow from it: it alone differs."""
    table = tables(log)[-1]
    shared = table.event["shared"]
    shared["supporters/2"][0] += 5_000
    forged = log.forge(table.seq, shared=shared)
    (dumped,) = log.connection.execute(
        "SELECT value FROM states WHERE processor = 'tune' AND key = ?", (KEY,)
    ).fetchone()
    state = {**json.loads(dumped), "entry": forged.value.decode()}
    log.connection.execute(
        "UPDATE states SET value = ? WHERE processor = 'tune' AND key = ?", (canonical_json(state), KEY)
    )
    log.close()
    played = Played(log.path)
    go_on(played, questions(20, 4))
    played.close()
    log.connection = sqlite3.connect(log.path)
    proof = log.judge()
    assert proof.first_difference is not None
    assert (proof.different, proof.first_difference.seq) == (1, forged.seq)
