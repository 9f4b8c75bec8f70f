"""The writer's lock: one writer, named to others, readers unhindered."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.errors import OperatorError
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import POLICIES, QUESTIONS

from ...stateful.tiny import TINY, policy, question

HOLDER = """
import sys, time
from pathlib import Path
from streams.runtimes.embedded.writer import EmbeddedWriter
log = EmbeddedWriter(Path(sys.argv[1]), clock=lambda: 0)
print("holding", flush=True)
time.sleep(60)
"""


def writer(path: Path) -> EmbeddedWriter:
    """Open a writer whose clock stands still."""
    return EmbeddedWriter(path, TINY, clock=lambda: 0)


@pytest.mark.process
def test_second_writer_is_told_who_writes(tmp_path: Path) -> None:
    """A second writer is refused, and told process, program, host and since when."""
    path = tmp_path / "orch.db"
    with subprocess.Popen([sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "holding\n"
            with pytest.raises(OperatorError, match=rf"process {holder.pid} \(.+\) on .+, since 1970-01-01T") as caught:
                writer(path)
            assert caught.value.exit_code == 3
            assert caught.value.remedy
        finally:
            holder.send_signal(signal.SIGKILL)
    assert holder.returncode == -signal.SIGKILL
    with writer(path) as log:
        assert log.append(question())


def test_second_writer_in_one_process_is_refused(tmp_path: Path) -> None:
    """The lock binds two writers of one process too, also where they name the file differently."""
    path = tmp_path / "orch.db"
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with writer(path):
        for name in (path, link, tmp_path / ".." / tmp_path.name / "orch.db"):
            with pytest.raises(OperatorError, match=f"process {os.getpid()} "):
                writer(name)
    with writer(link):
        pass


def test_readers_see_the_last_commit_while_a_writer_works(tmp_path: Path) -> None:
    """A reader opens and reads beside a writer with an open transaction, and sees its last commit only."""
    path = tmp_path / "orch.db"
    with writer(path) as log:
        log.append(policy())
        log.commit()
        for number in range(5_000):
            log.append(question(f"q{number}"))
        with EmbeddedReader(path) as view:
            assert len(list(view.records())) == 1
            log.commit()
            assert [record.topic for record in view.records()] == [POLICIES]
            assert list(view.records([QUESTIONS])) == view.about("q1") == []
            assert [correlation for correlation, _ in view.by_correlation()] == ["p"]
            assert view.last(QUESTIONS, "q1") is None
            assert sum(view.ends().values()) == 1
            assert view.refresh()
            assert len(list(view.records())) == 5_001
            assert not view.refresh()


def test_pausing_reader_does_not_hold_up_the_write_ahead_log(tmp_path: Path) -> None:
    """A reader that stops in the middle of an iteration lets -wal be moved into the file behind its back."""
    path = tmp_path / "orch.db"
    with writer(path) as log, EmbeddedReader(path) as view:
        for number in range(3_000):
            log.append(question(f"q{number}"))
        log.commit()
        assert list(log.open_states("count")) == []
        assert len(log.about("q1")) == 1
        view.refresh()
        paused = view.records()
        next(paused)
        (busy, pages, moved) = log._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert (busy, pages, moved) == (0, 0, 0)
        log.append(question("later"))
        log.commit()
        assert len(list(paused)) == 2_999


def test_unfinished_note_of_a_holder_is_no_error_of_its_own(tmp_path: Path) -> None:
    """Where the lock is held but its note cannot be read yet, the refusal says another process."""
    path = tmp_path / "orch.db"
    with writer(path):
        (tmp_path / "orch.db.lock").write_text('{"pid": 1')
        with pytest.raises(OperatorError, match="written by another process"):
            writer(path)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_file_system_without_locks_is_no_other_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Where flock itself fails, nobody is said to be writing: the file system is named as the reason."""

    def refuse(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    path = tmp_path / "orch.db"
    with pytest.raises(OperatorError, match="gives no locks") as caught:
        writer(path)
    assert f"{path}.lock" in caught.value.message
    assert "being written" not in caught.value.message
    assert "local disk" in caught.value.remedy
    assert caught.value.exit_code == 3


def test_full_disk_is_told_from_missing_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock file that cannot be written for want of space is named, and space is what is asked for."""

    def refuse(handle: int, content: bytes, offset: int) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "orch.db"
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", refuse)
        with pytest.raises(OperatorError, match=r"orch\.db\.lock: .+ No space left") as caught:
            writer(path)
    assert caught.value.remedy.startswith("Free some space")
    with writer(path) as log:
        assert log.append(question())
