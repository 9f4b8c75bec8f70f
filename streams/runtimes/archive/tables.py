"""Files of an archive as tables of DuckDB."""

import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

import duckdb

from streams.errors import OperatorError
from streams.runtimes.archive.columns import described, literal, quoted
from streams.runtimes.archive.database import open_database
from streams.runtimes.archive.manifest import REPEATS, Manifest, RecordFile, check_file, damaged


class ArchiveTables:
    """
    Queries over the files of one manifest.

    Each file is compared with its digest before it is first read, so no query gives what was not exported.

    Args:
        folder: The archive.
        manifest: Its manifest.
        checked: Whether the files need no check, because this process wrote them.
    """

    def __init__(self, folder: Path, manifest: Manifest, *, checked: bool = False) -> None:
        self.folder = folder
        self.manifest = manifest
        self._checked = {file.path for segment in manifest.segments for file in segment.files} if checked else set()
        self._database = open_database()
        self._guard = threading.Lock()

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Give a connection of its own for one query, so that queries may be read side by side."""
        return self._database.cursor()

    def of_topics(self, topics: Sequence[str], columns: str) -> str:
        """
        Write a query over all records of some topics.

        Raises:
            DifferenceError: A file of these topics is missing or was changed.
        """
        return self._union([(topic, self.manifest.files_of(topic)) for topic in topics], columns)

    def of_files(self, files: Iterable[RecordFile], columns: str) -> str:
        """Write a query over the records of some files."""
        by_topic: dict[str, list[RecordFile]] = {}
        for file in files:
            by_topic.setdefault(file.topic, []).append(file)
        return self._union(list(by_topic.items()), columns)

    def _union(self, wanted: Sequence[tuple[str, Sequence[RecordFile]]], columns: str) -> str:
        self.check([file for _, files in wanted for file in files])
        parts = [
            f"SELECT topic, {columns} FROM"
            f" (SELECT {literal(topic)} AS topic, * FROM {parquet(self.folder, topic, files)})"
            for topic, files in wanted
        ]
        return " UNION ALL ".join(parts)

    def check(self, files: Iterable[RecordFile]) -> None:
        """
        Compare files with their digests, each once.

        Raises:
            DifferenceError: A file is missing or was changed.
        """
        for file in files:
            if file.path not in self._checked:
                check_file(self.folder, file)
                self._checked.add(file.path)

    def check_others(self, paths: Sequence[str]) -> None:
        """Compare files beside the records with their digests, as `check` does, where the manifest lists them."""
        for file in self.manifest.others:
            if file.path in paths and file.path not in self._checked:
                check_file(self.folder, file)
                self._checked.add(file.path)

    def close(self) -> None:
        """Close the database."""
        self._database.close()


def parquet(folder: Path, topic: str, files: Sequence[RecordFile]) -> str:
    """
    Write the table expression of a topic's files; a topic without files is a table without rows.

    It has every column of this version: files that an older program wrote may lack some, which are NULL then.
    """
    nothing = ", ".join(f"NULL::{type_} AS {quoted(name)}" for name, type_ in described(topic))
    if not files:
        return f"(SELECT {nothing} WHERE false)"
    paths = ", ".join(literal(os.fspath(folder / file.path)) for file in files)
    held = f"SELECT * FROM read_parquet([{paths}], union_by_name = true)"
    return f"({held} UNION ALL BY NAME SELECT {nothing} WHERE false)"


def repeats_of(tables: ArchiveTables) -> str:
    """Write the table expression of the records that repeat an earlier one, `seq` and `repeats_seq`."""
    return repeats_in(tables.folder, tables.manifest)


def repeats_in(folder: Path, manifest: Manifest) -> str:
    """Write that expression for an archive of which no tables are open."""
    if not any(file.path == REPEATS for file in manifest.others):
        return "(SELECT NULL::BIGINT AS seq, NULL::BIGINT AS repeats_seq WHERE false)"
    return f"read_parquet({literal(os.fspath(folder / REPEATS))})"


def mapped(folder: Path, error: duckdb.Error) -> Exception:
    """Give the error to raise for one of DuckDB's over files whose digests are right."""
    if isinstance(error, duckdb.OutOfMemoryException):
        return OperatorError(
            f"{folder}: there is no room for a temporary file ({error})",
            remedy="Free some space, or set TMPDIR to a directory that has more",
            file=str(folder),
        )
    return damaged(folder, str(error).splitlines()[0])
