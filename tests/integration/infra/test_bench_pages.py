"""Trial of the pages, as its help runs it."""

import json
import logging
import sys
from pathlib import Path

import pytest

from infra.bench.serve import pages
from infra.bench.serve.many_decisions import make_decisions


@pytest.mark.process
@pytest.mark.slow
def test_pages_are_opened_and_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every page is opened on a log that is made once; how long it took decides nothing here."""
    # Other tests keep their logging.
    monkeypatch.setattr(logging.getLogger(), "handlers", list(logging.getLogger().handlers))
    monkeypatch.setattr(sys, "argv", ["pages", "--decisions", "31", "--visits", "16", "--folder", str(tmp_path)])
    assert pages.main() in (0, 4)
    found = json.loads(capsys.readouterr().out)
    assert (found["exit_code"], found["log_lines"], len(found["resident_mib"]["eighths"])) == (0, [], 8)
    visits = {name: took["visits"] for name, took in found["pages_ms"].items()}
    assert (visits.pop("/q, first visit"), visits.pop("/q, again"), sum(visits.values())) == (16, 16, 16)
    assert {"/", "/router", "/spend", "/audit", "/?state=undecided"} <= visits.keys()
    assert make_decisions(tmp_path, 31).exists()
    assert not [*tmp_path.glob("draft-*"), *tmp_path.glob("*.jsonl")]
