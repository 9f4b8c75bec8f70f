"""Opening an embedded log's file: refusals and needed permissions."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streams.errors import OperatorError
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.schema import LAYOUT

from ...stateful.tiny import COUNT, filled, policy, question, values, writer

NOBODY = 65_534


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may look into; pytest's own are closed to all others."""
    path = Path(os.path.realpath(tempfile.mkdtemp()))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def path(folder: Path) -> Path:
    """Where the log of a test lies."""
    return folder / "orch.db"


@contextmanager
def unprivileged() -> Iterator[None]:
    """Act as a user whom permissions bind, for they do not bind root."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _directory(path: Path) -> None:
    path.mkdir()


def _text(path: Path) -> None:
    path.write_text("questions and answers\n" * 1000)


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE stamps (country TEXT)")


def _newer(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {LAYOUT + 1}")


def _cut(path: Path) -> None:
    filled(path)
    os.truncate(path, path.stat().st_size // 2)


def _overwritten(path: Path) -> None:
    filled(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 60_000)


@pytest.mark.parametrize("opens", [writer, EmbeddedReader])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (_directory, "this is a directory"),
        (_text, "not an ORCH log"),
        (_foreign, "another program"),
        (_newer, f"layout {LAYOUT + 1}"),
        (_cut, "damaged"),
        (_overwritten, "damaged"),
    ],
)
def test_wrong_file_is_refused_and_left_alone(
    path: Path, make: Callable[[Path], None], says: str, opens: Callable[[Path], Any]
) -> None:
    """What is no log that can be used is named, with a remedy, and no byte of it changes."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(OperatorError, match=says) as caught:
        opens(path)
    assert str(path) in caught.value.message
    assert caught.value.remedy
    assert caught.value.exit_code == 3
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_copy_without_its_wal_is_told_from_an_empty_log(path: Path) -> None:
    """The copy of a log in use that lacks the -wal holds nothing: the message says so, and how logs are copied."""
    copy = path.with_name("copy.db")
    with writer(path) as log:
        log.append(policy())
        log.commit()
        shutil.copy(path, copy)
    with pytest.raises(OperatorError, match=r"copy of a log in use, made without its copy\.db-wal") as caught:
        EmbeddedReader(copy)
    assert ".backup" in caught.value.remedy


@pytest.mark.parametrize("opens", [writer, EmbeddedReader])
def test_restored_log_under_a_left_wal_says_what_to_remove(path: Path, opens: Callable[[Path], Any]) -> None:
    """A backup put under the -wal of a later run is refused; the remedy names the two files that must go, and works."""
    filled(path)
    backup = path.read_bytes()
    expected = values(path)
    for run in ("second", "third"):
        log = writer(path)
        for number in range(1_000):
            log.append(question(f"{run}-{number}", "x" * 500))
        log.commit()
        if run == "second":
            log.close()
    with log:
        left = {name: path.with_name(name).read_bytes() for name in ("orch.db-wal", "orch.db-shm")}
    path.write_bytes(backup)
    for name, content in left.items():
        path.with_name(name).write_bytes(content)
    with pytest.raises(OperatorError, match=r"orch\.db-wal beside it") as caught:
        opens(path)
    assert f"remove {path}-wal and {path}-shm, and restore it once more" in caught.value.remedy
    assert path.read_bytes() == backup
    for name in left:
        path.with_name(name).unlink(missing_ok=True)
    path.write_bytes(backup)
    assert values(path) == expected


def test_missing_log_names_one_that_is_there(tmp_path: Path) -> None:
    """Where a log is missing, the remedy names one beside it, as the demo leaves it."""
    with writer(tmp_path / "orch-demo.db"):
        pass
    with pytest.raises(OperatorError) as missing:
        EmbeddedReader(tmp_path / "orch.db")
    assert f"--log {tmp_path / 'orch-demo.db'}" in (missing.value.remedy or "")


def test_missing_log_is_not_made_by_reading(path: Path) -> None:
    """A reader of a log that is not there says so, and leaves nothing behind."""
    with pytest.raises(OperatorError, match="no such log"):
        EmbeddedReader(path)
    assert list(path.parent.iterdir()) == []


def test_empty_database_is_a_log_to_be(path: Path) -> None:
    """A file of no bytes is no log for a reader, and a new one for a writer."""
    path.touch()
    with pytest.raises(OperatorError, match="empty"):
        EmbeddedReader(path)
    with writer(path):
        pass
    assert values(path) == []


@pytest.mark.parametrize("opens", [writer, EmbeddedReader])
def test_missing_directory_is_named(folder: Path, opens: Callable[[Path], Any]) -> None:
    """Where the directory of the log is missing, the message says how to make it."""
    with pytest.raises(OperatorError, match="mkdir -p"):
        opens(folder / "logs" / "orch.db")


def test_other_processors_are_refused(path: Path) -> None:
    """A log that some processors folded is not gone on with by others, but takes inputs without any."""
    filled(path)
    with pytest.raises(OperatorError, match="folded by count,chain, not by count"):
        writer(path, (COUNT,))
    with writer(path, ()) as log:
        assert log.append(question("later"))
        assert not log.ready
        assert log.fold() == []
        log.commit()
    with writer(path) as log:
        assert log.lag == 1
        assert len(log.fold()) == 2


def test_closed_log_is_one_file(path: Path) -> None:
    """After a writer and its readers are gone, the log is one file, whoever closed last."""
    filled(path)
    values(path)
    log, view = writer(path), EmbeddedReader(path)
    log.close()
    view.close()
    assert [file.name for file in path.parent.iterdir()] == ["orch.db"]


def test_read_only_copy_is_read(path: Path) -> None:
    """A log in a place where nothing can be written is read there, and a writer is told why it cannot write."""
    filled(path)
    expected = values(path)
    path.chmod(0o444)
    path.parent.chmod(0o555)
    with unprivileged():
        assert values(path) == expected
        with pytest.raises(OperatorError, match="write permission"):
            writer(path)
    assert [file.name for file in path.parent.iterdir()] == ["orch.db"]
    path.parent.chmod(0o755)


def test_read_only_file_is_not_written(path: Path) -> None:
    """A file without write permission is refused to writers even where its directory is open to them."""
    filled(path)
    path.chmod(0o444)
    path.parent.chmod(0o777)
    with unprivileged(), pytest.raises(OperatorError, match="read-only"):
        writer(path)


def test_unreadable_file_is_refused(path: Path) -> None:
    """A file without read permission is named, not taken for an empty log."""
    filled(path)
    path.chmod(0o000)
    for opens in (writer, EmbeddedReader):
        with unprivileged(), pytest.raises(OperatorError, match=r"cannot be opened|lock cannot be made"):
            opens(path)


def test_commits_in_a_wal_that_cannot_be_read_are_not_passed_over(path: Path) -> None:
    """A read-only copy with commits in its -wal is refused, for without them the log would look shorter than it is."""
    with writer(path) as log:
        log.append(policy())
        log.commit()
        copy = path.parent / "copy"
        copy.mkdir()
        for name in ("orch.db", "orch.db-wal"):
            shutil.copy(path.with_name(name), copy / name)
    copy.chmod(0o555)
    with unprivileged(), pytest.raises(OperatorError, match="-wal"):
        EmbeddedReader(copy / "orch.db")
