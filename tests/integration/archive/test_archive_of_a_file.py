"""Archives of log files beside the files."""

import os
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streams.audit.replay.replay import Replay, replay
from streams.errors import DifferenceError, InvariantError, OperatorError, UsageError
from streams.log import LogReader
from streams.processors import PROCESSORS
from streams.runtimes.archive import writer
from streams.runtimes.archive.draft import UNFINISHED
from streams.runtimes.archive.export import Exported, export_log
from streams.runtimes.archive.manifest import MANIFEST
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.archive.writer import ArchiveWriter
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import DECISIONS, POLICIES, QUESTIONS, ROUTER, TOPICS

from ...worlds import newest, policy, question
from ..audit.honest_logs import Story


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a log of many kinds of events, with headers, crashes and changes of the policy."""
    told = Story(tmp_path_factory.mktemp("story") / "orch.db", 7)
    with capture_logs():
        told.tell()
    return told.path


@pytest.fixture(scope="module")
def archive(story: Path) -> Path:
    """Give its archive."""
    folder = story.parent / "archive"
    exported(story, folder)
    return folder


def exported(log: Path, folder: Path, **options: Any) -> Exported:
    """Export a log."""
    with EmbeddedReader(log) as reader:
        return export_log(reader, folder, written_by="a test", **options)


def shown(reader: LogReader) -> dict[str, Any]:
    """Show all that a reader gives."""
    records = list(reader.records())
    keys = {(record.topic, record.key) for record in records}
    return {
        "records": records,
        "of some topics, from the middle": list(reader.records((ROUTER, QUESTIONS), after=len(records) // 2)),
        "the first two": list(reader.records(limit=2)),
        "groups": list(reader.by_correlation()),
        "about": [reader.about(key) for _, key in sorted(keys)[::7]],
        "last": {key: reader.last(*key) for key in sorted(keys)[::5]},
        "last before": [reader.last(one.topic, one.key, upto=one.seq - 1) for one in records[::9]],
        "nothing": (reader.about("nobody"), reader.last(DECISIONS, "nobody")),
        "ends": reader.ends(),
        "counts": (reader.end, reader.folded),
        "originals": list(reader.originals()),
    }


def verdict(found: Replay) -> Replay:
    """Give what a replay found, without its time and its claims."""
    return replace(found, seconds=0, proved=(), not_proved=())


def test_an_archive_reads_as_its_log(story: Path, archive: Path) -> None:
    """Every method of the contract gives of the archive what it gives of the file."""
    with EmbeddedReader(story) as log, open_archive(archive) as reader:
        assert shown(reader) == shown(log)
        assert any(record.headers for record in log.records())
        assert not reader.refresh()


def test_an_archive_has_its_log_s_verdict(story: Path, archive: Path) -> None:
    """A replay of the archive finds what a replay of the file finds, and says what only the file can prove."""
    with EmbeddedReader(story) as log, open_archive(archive) as reader:
        of_log, of_archive = replay(log), replay(reader)
    assert verdict(of_archive) == verdict(of_log)
    assert of_archive.different == 0
    assert set(of_log.not_proved) < set(of_archive.not_proved)


def test_an_export_adds_what_is_new(story: Path, tmp_path: Path) -> None:
    """A second export writes new segments alone, and the archive reads as the log that grew."""
    log = tmp_path / "orch.db"
    with EmbeddedWriter(log, PROCESSORS, clock=lambda: 0) as grown:
        grown.append(newest(policy("a")))
        grown.append(question("q1"))
        grown.commit()
        first = exported(log, tmp_path / "archive")
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "archive" / "records").rglob("*.parquet")}
        grown.append(question("q2"))
        while grown.ready:
            grown.fold()
        grown.commit()
    second, third = exported(log, tmp_path / "archive"), exported(log, tmp_path / "archive")
    assert (first.added, second.added, third.added) == (2, second.manifest.records - 2, 0)
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with EmbeddedReader(log) as reader, open_archive(tmp_path / "archive") as archive:
        assert shown(archive) == shown(reader)


class DiedError(Exception):
    """The process of the export dies here."""


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
def test_an_export_goes_on_where_it_died(
    story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: bool
) -> None:
    """Dying before or after any file's rename leaves the archive of before, and the next export completes it."""
    folder = tmp_path / "archive"
    real, left = Path.replace, 0

    def dying(path: Path, target: Path) -> Path:
        nonlocal left
        left -= 1
        if left > 0:
            return real(path, target)
        if done:
            real(path, target)
        raise DiedError

    pages = {"README.md": b"page", "schemas/a.json": b"{}"}
    lives = 0
    # From life to life the export gets a little further, so death comes between any two files.
    while not (folder / MANIFEST).exists():
        lives += 1
        left = 2 + lives * 7 % 19
        with monkeypatch.context() as patched, suppress(DiedError):
            patched.setattr(Path, "replace", dying)
            exported(story, folder, pages=lambda manifest: pages, most_bytes=60_000)
    found = exported(story, folder, pages=lambda manifest: pages)
    assert lives > 3
    assert found.added == 0
    assert not (folder / UNFINISHED).exists()
    assert not list(folder.rglob("*.tmp"))
    with EmbeddedReader(story) as log, open_archive(folder) as reader:
        assert len(reader.manifest.segments) > 2
        assert shown(reader) == shown(log)


def test_rows_that_get_lost_are_noticed(story: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file with other rows than were given to it never becomes part of an archive."""
    monkeypatch.setattr(writer, "_query", lambda topic, real=writer._query: f"{real(topic)} LIMIT 0")
    with pytest.raises(InvariantError, match="were written, not"):
        exported(story, tmp_path / "archive")
    assert not list((tmp_path / "archive").rglob("*.parquet"))


def test_one_export_at_a_time(story: Path, tmp_path: Path) -> None:
    """Two exports never write to one archive."""
    with ArchiveWriter(tmp_path, "sqlite"), pytest.raises(OperatorError, match="another export writes to it"):
        exported(story, tmp_path)


def test_another_log_is_not_added(story: Path, archive: Path, tmp_path: Path) -> None:
    """An archive is not continued from a log that has other records."""
    other = tmp_path / "other.db"
    with EmbeddedWriter(other, PROCESSORS, clock=lambda: 0) as log:
        for number in range(2_000):
            log.append(question(f"q{number}"))
        log.commit()
    before = (archive / MANIFEST).read_bytes()
    with pytest.raises(DifferenceError, match="the archive of another log, or the log was changed"):
        exported(other, archive)
    assert (archive / MANIFEST).read_bytes() == before
    with pytest.raises(UsageError, match="archive of another log"):
        ArchiveWriter(archive, "kafka")
    with open_archive(archive) as reader, pytest.raises(UsageError, match="Copy its folder"):
        export_log(reader, tmp_path / "copy", written_by="a test")


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """An export never writes beside other people's files."""
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"other files \(notes.txt\) and no archive"):
        ArchiveWriter(tmp_path, "sqlite")
    with pytest.raises(UsageError, match="this is no folder"):
        ArchiveWriter(tmp_path / "notes.txt", "sqlite")
    assert sorted(os.listdir(tmp_path)) == ["notes.txt"]


def test_an_empty_log_has_an_archive(tmp_path: Path) -> None:
    """A log without records is exported, read, replayed and continued."""
    log = tmp_path / "orch.db"
    with EmbeddedWriter(log, PROCESSORS, clock=lambda: 0) as grown:
        exported(log, tmp_path / "archive")
        with open_archive(tmp_path / "archive") as reader:
            assert (list(reader.records()), reader.end, replay(reader).different) == ([], 0, 0)
        grown.append(newest(policy("a")))
        grown.commit()
    assert exported(log, tmp_path / "archive").added == 1
    with open_archive(tmp_path / "archive") as reader:
        assert [record.topic for record in reader.records()] == [POLICIES]
        assert set(reader.ends()) == {(topic.name, n) for topic in TOPICS.values() for n in range(topic.partitions)}


def test_many_segments_read_by_question(story: Path, tmp_path: Path) -> None:
    """An archive of several segments is grouped by question as its log is, whatever the rows hold."""
    done = exported(story, tmp_path / "archive", most_bytes=40_000)
    assert len(done.manifest.segments) > 3
    with EmbeddedReader(story) as log, open_archive(tmp_path / "archive") as reader:
        assert list(reader.by_correlation()) == list(log.by_correlation())
        assert list(reader.by_correlation((ROUTER,))) == list(log.by_correlation((ROUTER,)))
        assert verdict(replay(reader)) == verdict(replay(log))


CHANGES = {
    "a time": "UPDATE records SET timestamp_ms = 0 WHERE seq = 9",
    "a value": 'UPDATE records SET value = CAST(replace(CAST(value AS TEXT), \'"text":"\', \'"text":"x\') AS BLOB)'
    " WHERE stream IN (SELECT stream FROM streams WHERE topic = 'orch.questions')",
    "a record": "DELETE FROM records WHERE seq = 12",
    "the end": "DELETE FROM records WHERE seq > (SELECT max(seq) - 3 FROM records)",
    "a correlation": "UPDATE records SET correlation = 'other' WHERE stream IN"
    " (SELECT stream FROM streams WHERE topic = 'orch.policies')",
    "a partition": "UPDATE streams SET partition = 99 WHERE topic = 'orch.questions' AND partition = 1;"
    "UPDATE streams SET partition = 1 WHERE topic = 'orch.questions' AND partition = 0;"
    "UPDATE streams SET partition = 0 WHERE topic = 'orch.questions' AND partition = 99",
    "a header": 'UPDATE records SET headers = \'[["a", "b"]]\' WHERE seq = 20',
    "the newest entries": "UPDATE latest SET seq = 1",
    "an index": "DROP INDEX records_by_correlation; CREATE INDEX records_by_correlation ON records (correlation, key)",
    "a trigger": "CREATE TRIGGER t AFTER INSERT ON records BEGIN SELECT 1; END",
    "the checkpoint": "UPDATE checkpoint SET seq = 1",
}
"""Changes of a log's file that a replay of the file finds."""


@pytest.mark.parametrize("name", CHANGES)
def test_an_archive_of_a_changed_log_differs_as_the_log(story: Path, tmp_path: Path, name: str) -> None:
    """Whatever was changed in a file, a replay of its archive finds as many differences, and the same first one."""
    log = tmp_path / "orch.db"
    with closing(sqlite3.connect(story)) as source, closing(sqlite3.connect(log)) as copy:
        source.backup(copy)
        copy.executescript(CHANGES[name])
        copy.commit()
    with EmbeddedReader(log) as reader:
        of_log = replay(reader)
    exported(log, tmp_path / "archive")
    with open_archive(tmp_path / "archive") as archive:
        of_archive = replay(archive)
    assert of_log.different > 0
    assert verdict(of_archive) == verdict(of_log)
