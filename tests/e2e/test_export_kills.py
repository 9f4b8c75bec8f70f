"""`orch export`, killed at any moment."""

import signal
import time
from pathlib import Path

import pytest

from .command import Place

pytestmark = pytest.mark.slow
KILLS = 4
WAIT_S = 60


def test_a_killed_export_goes_on(place: Place) -> None:
    """SIGKILL leaves no archive or that of before; the next export completes it, and it proves itself."""
    assert place.orch("--log", "orch.db", "demo", "--questions", "60").code == 0
    folder = place.path / "archive"
    for kill in range(KILLS):
        with place.start("--log", "orch.db", "export", "archive") as running:
            until = time.monotonic() + WAIT_S
            while len(files(folder)) < 3 * kill and running.poll() is None and time.monotonic() < until:
                time.sleep(0.002)
            running.send_signal(signal.SIGKILL)
            running.communicate()
        if not (folder / "manifest.json").exists():
            assert place.orch("--log", "parquet:archive", "replay").code == 2
    done = place.orch("--log", "orch.db", "--format", "json", "export", "archive")
    assert done.code == 0, done.err
    assert len(files(folder)) == done.object["files"]
    of_file = place.orch("--log", "orch.db", "--format", "json", "replay").object
    of_archive = place.orch("--log", "parquet:archive", "--format", "json", "replay").object
    assert of_archive["different"] == 0
    assert (of_archive["events"], of_archive["derived"]) == (of_file["events"], of_file["derived"])


def files(folder: Path) -> list[Path]:
    """List the files of an archive."""
    return [path for path in folder.rglob("*") if path.is_file()]
