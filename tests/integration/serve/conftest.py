"""Servers of small logs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .server_in_thread import ServerInThread, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerInThread]:
    """Give a server of a log with three simulated agents, for all tests of a module."""
    with served(str(tmp_path_factory.mktemp("served") / "orch.db")) as running:
        yield running


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Name a log that does not exist yet."""
    return str(tmp_path / "orch.db")
