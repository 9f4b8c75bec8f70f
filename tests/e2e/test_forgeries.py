"""
Every known forgery of a log file, with its verdict.

It is found at its place, or what it changes is named under "not proved".
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from . import forgeries_of_calls, forgeries_of_panels, forgeries_of_places, forgeries_of_tables
from .forgery_list import FOUND, NOT_PROVED, check_found
from .forging import Forger

LISTED = (forgeries_of_calls, forgeries_of_panels, forgeries_of_places, forgeries_of_tables)
"""Modules that fill the list when they are imported."""


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Iterator[Forger]:
    """A copy of that log, to forge."""
    forger = Forger(original, tmp_path)
    yield forger
    forger.close()


def test_log_proves_itself(log: Forger) -> None:
    """The log proves itself before it is forged, also when it is numbered anew, and says what that means."""
    assert log.judge().different == 0
    log.without()
    proof = log.judge()
    assert proof.different == 0
    assert proof.proved
    assert proof.not_proved


@pytest.mark.parametrize("name", FOUND)
def test_forgery_is_found(log: Forger, name: str) -> None:
    """The first difference is where the forgery is, and nothing is claimed to be proved."""
    check_found(log, FOUND[name](log))


@pytest.mark.parametrize("name", NOT_PROVED)
def test_forgery_is_named_under_not_proved(log: Forger, name: str) -> None:
    """What cannot be found is listed, in the JSON too."""
    forge, claim = NOT_PROVED[name]
    before = log.contents()
    forge(log)
    proof = log.judge()
    assert log.contents() != before
    assert (proof.different, proof.first_difference) == (0, None)
    assert any(claim in sentence for sentence in proof.as_json()["not_proved"])
