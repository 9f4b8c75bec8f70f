"""Replay matrix: a sample of it."""

import sys
from pathlib import Path

import pytest

from infra.verifier.matrix import Setting, replayed, write_archives

SETTINGS = (Setting("0", "Asia/Kathmandu", "C"), Setting("4294967295", "Pacific/Apia", "C.UTF-8"))


@pytest.mark.process
def test_replay_does_not_depend_on_its_environment(tmp_path: Path) -> None:
    """Other hash seeds, time zones and locales, without the libraries for models and Kafka: no id differs."""
    archives = write_archives(tmp_path, 16, 3)[3:]
    found = [replayed(sys.executable, archives, setting, blocked=True) for setting in SETTINGS]
    assert found[0] == found[1]
    assert [(one[2], one[4]) for one in found[0]] == [(0, None)]
    assert all(one[1] > 5 for one in found[0])
