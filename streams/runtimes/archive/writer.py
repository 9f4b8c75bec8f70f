"""
The writer of an archive: segments of Parquet files.

Each file is written under a temporary name, counted, flushed to disk, and renamed. The manifest comes last, so an
archive is at any moment that of the last export that ended.
"""

import fcntl
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, Self

import duckdb

from streams.errors import InvariantError, OperatorError, UsageError
from streams.log import Original
from streams.runtimes.archive.columns import RECORD_COLUMNS, extracted, literal, parsed, quoted
from streams.runtimes.archive.database import open_database
from streams.runtimes.archive.draft import UNFINISHED, Draft
from streams.runtimes.archive.manifest import (
    MANIFEST,
    RECORDS,
    ArchiveFile,
    Manifest,
    RecordFile,
    Segment,
    damaged,
    digest_of,
    encoded,
    load_manifest,
    store,
)
from streams.runtimes.archive.segment import MOST_BYTES, TopicRows, size_of

Progress = Callable[[int], None]

ROW_GROUP = 16_384
"""Rows that Parquet keeps together: the least that a reader fetches of a column."""
_STRIDE = 1_000
_TYPED = "CASE WHEN form <> 'invalid' THEN coalesce(canonical, value) END"


class ArchiveWriter:
    """
    Adds records to the archive in a folder, which is made if it does not exist.

    Args:
        folder: The archive.
        runtime: Kind of the log that is exported.
        most_bytes: Size of a segment.

    Raises:
        UsageError: The folder is another log's archive, or holds other files.
        OperatorError: It cannot be written to, or another export writes to it.
    """

    def __init__(self, folder: Path, runtime: Literal["sqlite", "kafka"], *, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self.runtime = runtime
        self._most_bytes = most_bytes
        self._lock = _lock(folder)
        try:
            self.manifest = self._present()
            self.draft = Draft(folder, self.manifest, runtime)
            self._remove_strays()
            self._database = open_database()
        except BaseException:
            os.close(self._lock)
            raise
        self._rows: dict[str, TopicRows] = {}
        self._bytes = 0

    def _present(self) -> Manifest | None:
        """Read the manifest that is there."""
        if (self.folder / MANIFEST).exists():
            manifest = load_manifest(self.folder)
            if manifest.runtime != self.runtime:
                raise UsageError(
                    f"{self.folder}: this is the archive of another log (on {manifest.runtime})",
                    remedy="Name another folder",
                )
            return manifest
        others = [path.name for path in self.folder.iterdir() if path.name != f"{UNFINISHED}.tmp"]
        if others and UNFINISHED not in others:
            raise UsageError(
                f"{self.folder}: the folder holds other files ({', '.join(sorted(others)[:3])}) and no archive",
                remedy="Name an empty folder, or one that does not exist",
            )
        return None

    def _remove_strays(self) -> None:
        """Remove files that a killed export left and no segment names."""
        named = {file.path for segment in self.draft.segments for file in segment.files}
        for path in (*self.folder.rglob("*.tmp"), *(self.folder / RECORDS).glob("*/*.parquet")):
            if path.relative_to(self.folder).as_posix() not in named:
                path.unlink()

    def add(self, originals: Iterable[Original], progress: Progress = lambda records: None) -> int:
        """
        Write records, whose seq goes on from the draft's; what is left of a segment too.

        Returns:
            Number of records written.
        """
        taken = 0
        for original in originals:
            self.draft.note(original)
            self._rows.setdefault(original.topic, TopicRows()).add(original)
            self._bytes += size_of(original)
            taken += 1
            if taken % _STRIDE == 0:
                progress(_STRIDE)
            if self._bytes >= self._most_bytes:
                self._write_segment()
        if self._rows:
            self._write_segment()
        progress(taken % _STRIDE)
        return taken

    def _write_segment(self) -> None:
        number = len(self.draft.segments) + 1
        files = tuple(self._write(topic, rows, number) for topic, rows in sorted(self._rows.items()))
        first, last = min(file.first_seq for file in files), max(file.last_seq for file in files)
        self.draft.add(Segment(first_seq=first, last_seq=last, files=files))
        self._rows = {}
        self._bytes = 0

    def _write(self, topic: str, rows: TopicRows, number: int) -> RecordFile:
        """Write the records of one topic, check their number, and rename the file."""
        place = Path(RECORDS, topic, f"{number:06}.parquet")
        path = self.folder / place
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f"{path.name}.tmp")
        self._database.register("incoming", rows.reader())
        try:
            copy_to(self._database, _query(topic), draft)
        finally:
            self._database.unregister("incoming")
        (found,) = self._database.execute(_COUNT, [os.fspath(draft)]).fetchall()
        if found != (rows.rows, rows.first_seq, rows.last_seq):
            # A stream that was consumed before gives an empty file and no error.
            raise InvariantError(f"{draft}: {found} were written, not {(rows.rows, rows.first_seq, rows.last_seq)}")
        size = flush_to_disk(draft)
        digest = digest_of(draft)
        draft.replace(path)
        return RecordFile(
            path=place.as_posix(),
            bytes=size,
            sha256=digest,
            topic=topic,
            rows=rows.rows,
            first_seq=rows.first_seq,
            last_seq=rows.last_seq,
        )

    def original_at(self, file: RecordFile, seq: int) -> Original:
        """Read one record of a file that this archive has."""
        columns = ", ".join(quoted(column.name) for column in RECORD_COLUMNS)
        query = f"SELECT {columns} FROM read_parquet(?) WHERE seq = ?"
        found = self._database.execute(query, [os.fspath(self.folder / file.path), seq]).fetchall()
        if len(found) != 1:
            raise damaged(self.folder / file.path, f"it does not hold the record with seq {seq}, or cannot be read")
        _, partition, offset, at, clock, key, value, headers, correlation, form = found[0]
        pairs = tuple((header["name"], header["value"]) for header in headers or ())
        return Original(file.topic, partition, offset, at, clock, key, value, pairs, correlation, form, seq)

    def finish(self, manifest: Manifest) -> None:
        """Store the manifest, which makes all that was added part of the archive."""
        store(self.folder / MANIFEST, encoded(manifest))
        self.draft.done()

    def close(self) -> None:
        """Let the folder go."""
        self._database.close()
        os.close(self._lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def put_pages(folder: Path, pages: Mapping[str, bytes]) -> list[ArchiveFile]:
    """Write the files beside the records, by their path in the archive."""
    return [store(folder / path, content).model_copy(update={"path": path}) for path, content in pages.items()]


def copy_to(database: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """
    Write the result of a query to a Parquet file.

    Raises:
        OperatorError: The file cannot be written.
    """
    target = literal(os.fspath(path))
    try:
        database.execute(f"COPY ({query}) TO {target} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})")
    except duckdb.IOException as error:
        raise OperatorError(
            f"{path}: cannot be written ({error})", remedy="Free some space, or name another folder", file=str(path)
        ) from error


def flush_to_disk(path: Path) -> int:
    """Flush a file that was written, and give its size in bytes."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size


_COUNT = "SELECT count(*), min(seq), max(seq) FROM read_parquet(?)"


def _query(topic: str) -> str:
    columns = ", ".join([*(quoted(column.name) for column in RECORD_COLUMNS), *extracted(topic, "parsed")])
    return f"SELECT {columns} FROM (SELECT *, {parsed(topic, _TYPED)} AS parsed FROM incoming)"


def _lock(folder: Path) -> int:
    """Lock a folder against another export into it; the kernel lets it go however the process ends."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileExistsError, NotADirectoryError):
        raise UsageError(f"{folder}: this is no folder", remedy="Name a folder that is empty or new") from None
    except OSError as error:
        raise OperatorError(
            f"{folder}: cannot be made or opened: {error.strerror}", remedy="Check the path and your permissions"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        raise OperatorError(f"{folder}: another export writes to it", remedy="Wait until it has ended") from None
    return lock
