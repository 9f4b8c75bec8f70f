"""Migration of a log's file: the copy, kills, refusals."""

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from structlog.testing import capture_logs

from streams.errors import OperatorError
from streams.processors import PROCESSORS
from streams.runtimes.embedded import migration, schema
from streams.runtimes.embedded.crash_points import OPENING_POINTS, CrashPoints
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter

from ...layout2 import unpacked
from ...stateful.tiny import question, writer
from .test_writer_crash import killed


class DiskSpace(NamedTuple):
    """The answer of `shutil.disk_usage`."""

    total: int
    used: int
    free: int


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log of layout 2 whose writer was killed: all of it is in -wal."""
    return unpacked("reference/half", tmp_path)


def migrate(path: Path, faults: CrashPoints | None = None) -> None:
    """Open a log for writing, which migrates it, and close it."""
    EmbeddedWriter(path, PROCESSORS, clock=lambda: 0, faults=faults).close()


def dump(path: Path) -> list[str]:
    """Dump all tables and marks of a file."""
    with closing(sqlite3.connect(path)) as connection:
        marks = [connection.execute(f"PRAGMA {mark}").fetchone()[0] for mark in ("application_id", "user_version")]
        return [*map(str, marks), *connection.iterdump()]


def names(path: Path) -> list[str]:
    """List the files beside a log."""
    return sorted(file.name for file in path.parent.iterdir())


@pytest.mark.process
@pytest.mark.parametrize("only", [None, *OPENING_POINTS[:4]])
def test_kill_at_any_point_changes_nothing(tmp_path: Path, path: Path, only: str | None) -> None:
    """Whatever point a migration dies at, the next opening ends it, with the one copy and the same contents."""
    before = dump(unpacked("reference/half", _new(tmp_path, "before")))
    migrate(path)
    calm = dump(path)
    for crash_at in range(1, 20):
        log = unpacked("reference/half", _new(tmp_path, f"{crash_at}"))
        if not killed(partial(migrate, log, CrashPoints(crash_at, only=only))):
            break
        migrate(log)
        assert dump(log) == calm
        assert names(log) == ["orch.db", "orch.db.layout2"]
        assert dump(log.with_name("orch.db.layout2")) == before
    assert crash_at == (5 if only is None else 2)


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


@pytest.mark.process
def test_migration_of_several_steps_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A migration that dies between two steps goes on with the second one, and makes no other copy."""
    later = {**migration.STEPS, 3: lambda connection: connection.execute("CREATE TABLE later (one INTEGER)")}
    monkeypatch.setattr(migration, "STEPS", later)
    for module in (schema, migration):
        monkeypatch.setattr(module, "LAYOUT", 4)
    log = unpacked("reference/half", _new(tmp_path, "log"))
    assert killed(partial(migrate, log, CrashPoints(1, only="migrated")))
    with EmbeddedReader(log) as reader:
        assert reader.layout == 3
    migrate(log)
    calm = unpacked("reference/half", _new(tmp_path, "calm"))
    migrate(calm)
    assert dump(log) == dump(calm)
    assert names(log) == ["orch.db", "orch.db.layout2"]


def test_migration_is_told(path: Path) -> None:
    """One log line says what was migrated and where the copy lies; a second opening says nothing."""
    with capture_logs() as lines:
        migrate(path)
        migrate(path)
    (line,) = [line for line in lines if line["event"] == "log_migrated"]
    assert (line["from_layout"], line["to_layout"], line["file"]) == (2, 3, str(path))
    assert line["copy"] == f"{path}.layout2"


@pytest.mark.parametrize("other", [b"notes about layout 2", b""], ids=["text", "empty"])
def test_other_file_is_not_overwritten(path: Path, other: bytes) -> None:
    """A file that has the copy's name and is something else stays, and the copy gets a number."""
    taken = path.with_name("orch.db.layout2")
    taken.write_bytes(other)
    migrate(path)
    assert taken.read_bytes() == other
    assert names(path) == ["orch.db", "orch.db.layout2", "orch.db.layout2-2"]


def test_earlier_copy_is_kept(path: Path) -> None:
    """After a way back to layout 2 and new records there, the second migration keeps a second copy."""
    copy = path.with_name("orch.db.layout2")
    migrate(path)
    first = dump(copy)
    shutil.copy(copy, path)
    with closing(sqlite3.connect(path)) as connection:
        row = connection.execute("SELECT * FROM records ORDER BY seq DESC LIMIT 1").fetchone()
        connection.execute("INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (row[0] + 1, 1, 999, *row[3:]))
        connection.commit()
    second = dump(path)
    migrate(path)
    assert dump(copy) == first
    assert dump(path.with_name("orch.db.layout2-2")) == second


def test_copy_of_a_newer_layout_is_no_way_back(path: Path) -> None:
    """The same log in a layout that the earlier program does not know does not stand for the copy."""
    migrate(path)
    path.rename(path.with_name("orch.db.layout3"))
    path.with_name("orch.db.layout2").rename(path)
    migrate(path)
    assert names(path) == ["orch.db", "orch.db.layout2", "orch.db.layout3"]


def test_half_written_copy_is_written_anew(path: Path) -> None:
    """What an interrupted copy left under its temporary name is no copy."""
    part = path.with_name("orch.db.layout2.part")
    part.write_bytes(b"half")
    migrate(path)
    assert names(path) == ["orch.db", "orch.db.layout2"]


def test_copy_has_the_permissions_of_the_log(path: Path) -> None:
    """Who may not read the log may not read its copy."""
    path.chmod(0o640)
    migrate(path)
    assert path.with_name("orch.db.layout2").stat().st_mode & 0o777 == 0o640


def test_full_disk_is_told_before_the_copy(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without room for the copy the log stays as it is, and the error says how much is missing."""
    before = dump(unpacked("reference/half", _new(path.parent, "before")))
    with monkeypatch.context() as patched:
        patched.setattr(shutil, "disk_usage", lambda place: DiskSpace(1, 1, 1_000))
        with pytest.raises(OperatorError, match=r"0\.2 MB; .* has 0\.0 MB free") as caught:
            migrate(path)
    assert "Free some space" in caught.value.remedy
    assert (dump(path), names(path)) == (before, ["before", "orch.db"])
    migrate(path)


def _fail_to_sync(handle: int) -> None:
    raise OSError(28, "No space left on device")


def _fail_to_rename(part: Path, copy: Path) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("target", "name", "fails", "says"),
    [(os, "fsync", _fail_to_sync, "No space left"), (Path, "rename", _fail_to_rename, "Permission denied")],
    ids=["full", "no permission"],
)
def test_copy_that_fails_leaves_all_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch, target: Any, name: str, fails: Callable[..., None], says: str
) -> None:
    """An error while the copy is written is told; nothing of it is left, and a later opening migrates."""
    before = dump(unpacked("reference/half", _new(path.parent, "before")))
    with monkeypatch.context() as patched:
        patched.setattr(target, name, fails)
        with pytest.raises(OperatorError, match=says) as caught:
            migrate(path)
    assert "nothing was changed" in caught.value.remedy
    assert (dump(path), names(path)) == (before, ["before", "orch.db"])
    migrate(path)
    assert names(path) == ["before", "orch.db", "orch.db.layout2"]


def test_disk_that_fills_up_during_the_copy_is_told(path: Path) -> None:
    """Where the file system refuses the copy half-way, nothing of it is left, and the log is as it was."""
    before = dump(unpacked("reference/half", _new(path.parent, "before")))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OperatorError, match=r"its copy orch\.db\.layout2 cannot be written"):
            migrate(path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "orch.db.layout2" not in names(path)
    assert "orch.db.layout2.part" not in names(path)
    assert dump(path) == before


def test_only_the_holder_of_the_lock_migrates(path: Path) -> None:
    """While another process writes, a second writer is refused before any migration; readers are not."""
    with EmbeddedWriter(path, clock=lambda: 0), pytest.raises(OperatorError, match="is being written by"):
        migrate(path)
    with EmbeddedReader(path) as reader:
        assert reader.layout == 3


def test_reader_sees_the_log_through_its_migration(path: Path) -> None:
    """A reader that opened layout 2 goes on reading while a writer migrates and appends."""
    with EmbeddedReader(path) as reader:
        before = [record.value for record in reader.records()]
        with EmbeddedWriter(path, clock=lambda: 0) as log:
            log.append(question("later"))
            log.commit()
        assert [record.value for record in reader.records()] == before
        assert reader.refresh()
        assert reader.end == len(before) + 1


@pytest.mark.parametrize("opens", [writer, EmbeddedReader])
def test_layout_before_the_oldest_is_refused(path: Path, opens: Callable[[Path], Any]) -> None:
    """Layout 1 is migrated by no version: the error says which version can use it."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 1")
    before = path.read_bytes()
    with pytest.raises(OperatorError, match="layout 1, this version of orch migrates layout 2 and newer") as caught:
        opens(path)
    assert "the version of orch that wrote it" in caught.value.remedy
    assert path.read_bytes() == before
    assert names(path) == ["orch.db"]


def test_reader_that_needs_more_says_how_to_get_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a reader cannot use an older layout, the error says that a writer migrates it."""
    monkeypatch.setattr(schema, "READABLE_LAYOUT", 3)
    with pytest.raises(OperatorError, match="lacks what a reader") as caught:
        EmbeddedReader(path)
    assert "any command that writes" in caught.value.remedy
    migrate(path)
    EmbeddedReader(path).close()
