"""Directories with simulated agents."""

from pathlib import Path

import pytest

from streams.app.configuration_file import write_configuration


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the configuration of simulated agents, and no log."""
    monkeypatch.chdir(tmp_path)
    write_configuration(tmp_path / "orch.toml", simulated=True, replace=False)
    return tmp_path
