"""Directories for in-process commands, and room for trials."""

import shutil
import tempfile
from pathlib import Path

import pytest

from infra.chaos.client import library

from ..broker import require_kafka
from ..e2e.conftest import record
from .command_in_process import Inside


@pytest.fixture
def place(tmp_path: Path) -> Inside:
    """An empty directory."""
    return Inside(tmp_path)


@pytest.fixture(scope="session")
def recorded_inside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which recorded outputs were run with gold feedback; nobody writes to it."""
    return record(Inside(tmp_path_factory.mktemp("recorded")))


@pytest.fixture
def recorded(recorded_inside: Path, tmp_path: Path) -> Inside:
    """A copy of that directory, to do with as one likes."""
    shutil.copytree(recorded_inside, tmp_path, dirs_exist_ok=True)
    return Inside(tmp_path)


@pytest.fixture
def room_for_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have what trials of `infra.chaos` need, and let them keep their files where tests do."""
    require_kafka()
    library()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
