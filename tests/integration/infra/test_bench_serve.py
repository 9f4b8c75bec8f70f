"""Load trial of a server, as its help runs it."""

import json
import sys
from pathlib import Path

import pytest

from infra.bench.serve import __main__ as trial


@pytest.mark.process
@pytest.mark.slow
def test_killed_server_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clients that send again with their ids get one decision for each question, the same one ever after."""
    options = ["--clients", "12", "--rate", "12", "--seconds", "3", "--kill", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["trial", *options])
    assert trial.main() == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["questions"], found["answered"]) == (36, 36)
    assert (found["lost"], found["doubled"], found["different"]) == (0, 0, 0)
    assert found["stream"]["resumed"] >= 1
    assert (found["exit_code"], found["log_lines"]) == (0, [])
