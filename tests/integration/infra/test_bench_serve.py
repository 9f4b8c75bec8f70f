"""Load trials of a server, as their help runs them."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from infra.bench.serve import __main__ as trial
from infra.bench.serve import streams
from streams.serve.pages.live.choice import PAGE_ROWS


@pytest.mark.process
@pytest.mark.slow
def test_killed_server_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Clients that send again with their ids get one decision for each question, the same one ever after."""
    options = ["--clients", "12", "--rate", "12", "--seconds", "3", "--kill", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["trial", *options])
    code, said = trial.main(), capsys.readouterr().out
    assert code == 0, said
    found = json.loads(said)
    assert (found["questions"], found["answered"]) == (36, 36)
    assert (found["lost"], found["doubled"], found["different"]) == (0, 0, 0)
    assert found["stream"]["resumed"] >= 1
    assert (found["exit_code"], found["log_lines"]) == (0, [])


@pytest.mark.process
@pytest.mark.slow
def test_clients_of_streams_miss_nothing_that_is_not_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each client is shown every decision, or told how many it did not see; a browser keeps up."""
    if shutil.which("chromium") is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    options = ["--clients", "5", "--rate", "60", "--seconds", "4", "--idle", "0", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["streams", *options])
    code, said = streams.main(), capsys.readouterr().out
    assert code == 0, said
    found = json.loads(said)
    assert (found["questions"], found["decided"]) == (240, 240)
    assert [each["neither"] for each in found["each"]] == [0] * 4
    assert found["browser"]["looks_with_news"] >= 1
    assert found["browser"]["most_rows"] <= PAGE_ROWS
    assert (found["exit_code"], found["log_lines"]) == (0, [])
