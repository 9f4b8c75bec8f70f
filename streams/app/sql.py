"""Queries in SQL over any log, with the views ready."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, NamedTuple, get_args

import duckdb

from streams.app.export import views_script
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.audit.views import catalog
from streams.errors import DifferenceError, OperatorError, UsageError
from streams.runtimes.archive.columns import literal
from streams.runtimes.archive.database import lock_database, open_database, rows_of
from streams.runtimes.archive.export import export_log
from streams.runtimes.archive.manifest import REPEATS, Manifest, load_manifest
from streams.runtimes.archive.tables import ArchiveTables
from streams.topology import TOPICS

Form = Literal["table", "csv", "jsonl", "parquet"]
FORMS: tuple[Form, ...] = get_args(Form)
SUFFIXES: dict[str, Form] = {
    ".csv": "csv",
    ".json": "jsonl",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""Form of a file by the end of its name."""

_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DOUBLE", "FLOAT", "DECIMAL", "UBIGINT", "UINTEGER")


class Column(NamedTuple):
    """A column of a result."""

    name: str
    type: str

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type.partition("(")[0] in _NUMBERS


class Result(NamedTuple):
    """The result of a query, which is read once, while its `LogViews` are open."""

    columns: tuple[Column, ...]
    rows: Iterator[tuple[str | None, ...]]
    """Values as DuckDB writes them as text; None for NULL."""


class LogViews:
    """
    The views of one log in a database that reads that log alone.

    Each query is one SELECT. No query changes anything, reads another file, or reaches a network: no other statement is
    run, the database has no table to write to, and it is locked to the files of the archive.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    def run(self, query: str) -> Result:
        """
        Run a query.

        Raises:
            UsageError: It is not one SELECT, or has a mistake, or reads something else than the log.
        """
        query = self._checked(query)
        columns = tuple(Column(name, type_) for name, type_, *_ in self._fetch(f"DESCRIBE {query}"))
        return Result(columns, self._rows(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (\n{query}\n)"))

    def objects(self, query: str) -> Iterator[str]:
        """Run a query, and iterate its rows as JSON objects, names in the order of the columns."""
        query = self._checked(query)
        for (line,) in self._rows(f"SELECT CAST(to_json(row) AS VARCHAR) FROM (\n{query}\n) AS row"):
            yield line or "null"

    def to_parquet(self, query: str, path: Path) -> int:
        """Run a query, write its rows to a Parquet file, which `views_of` was told of, and count them."""
        query = self._checked(query)
        ((rows,),) = self._fetch(f"COPY (\n{query}\n) TO {literal(os.fspath(path))} (FORMAT parquet, COMPRESSION zstd)")
        return int(rows)

    def _checked(self, query: str) -> str:
        """Give a query without its semicolon."""
        with _mapped():
            statements = self._connection.extract_statements(query)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            raise UsageError(
                "a query is one SELECT statement",
                remedy="`orch sql` without a query lists the views; nothing in a log can be changed",
            )
        return statements[0].query.strip().rstrip(";")

    def _rows(self, query: str) -> Iterator[tuple[str | None, ...]]:
        return rows_of(self._connection.cursor, query, mapped=_mapped)

    def _fetch(self, query: str) -> list[tuple[str, ...]]:
        cursor = self._connection.cursor()
        try:
            with _mapped():
                return cursor.execute(query).fetchall()
        finally:
            cursor.close()


@contextmanager
def views_of(
    work: Workspace, query: str | None = None, *, writes: Sequence[Path] = (), reporter: Reporter = SILENT
) -> Iterator[LogViews]:
    """
    Open the views of a log.

    A log that is no archive is exported to a temporary one first.

    Args:
        query: The only query that will be run; then the topics that it does not read are left out.
        writes: Files that results are written to.

    Raises:
        DifferenceError: A file of an archive is missing or was changed, or a record cannot be read.
        OperatorError: The log cannot be read, or there is no room for the temporary archive.
    """
    topics = tuple(TOPICS) if query is None else topics_of(query)
    with _archive(work, topics, reporter) as (folder, manifest, own):
        tables = ArchiveTables(folder, manifest, checked=own)
        files = [file for topic in topics for file in manifest.files_of(topic)]
        tables.check(files)
        tables.check_others((REPEATS,))
        tables.close()
        connection = open_database()
        try:
            connection.execute(views_script(folder, manifest))
            every = [file.path for topic in TOPICS for file in manifest.files_of(topic)]
            lock_database(connection, [*(folder / path for path in (*every, REPEATS)), *writes])
            yield LogViews(connection)
        finally:
            connection.close()


def topics_of(query: str) -> tuple[str, ...]:
    """
    Give the topics that a query reads, as far as its text tells; all of them otherwise.

    Raises:
        UsageError: The query cannot be parsed.
    """
    with duckdb.connect(":memory:") as connection, _mapped():
        names = connection.get_table_names(query, qualified=True)
    return catalog.topics_behind([name.replace('"', "") for name in names]) or tuple(TOPICS)


@contextmanager
def _archive(work: Workspace, topics: Sequence[str], reporter: Reporter) -> Iterator[tuple[Path, Manifest, bool]]:
    """Give the folder and manifest of the log's archive, and whether it is a temporary one of this process."""
    if work.log.scheme == "parquet":
        folder = Path(os.path.realpath(work.log.path))
        yield folder, load_manifest(folder), False
        return
    with TemporaryDirectory(prefix="orch-sql-", ignore_cleanup_errors=True) as name:
        folder = Path(os.path.realpath(name))
        with work.open_reader(topics=topics) as reader, reporter.progress("reading the log") as advance:
            done = export_log(reader, folder, written_by="orch sql", topics=topics, progress=advance)
        yield folder, done.manifest, True


@contextmanager
def _mapped() -> Iterator[None]:
    """Map DuckDB's errors to ours: nearly all of them are mistakes in the query."""
    try:
        yield
    except duckdb.PermissionException as error:
        raise UsageError(
            "the query reads or writes something else than the log",
            remedy="`orch sql` lists the views; -o FILE writes a result to a file",
        ) from error
    except duckdb.OutOfMemoryException as error:
        raise OperatorError(
            f"the query needs more memory or temporary space than there is ({_first(error)})",
            remedy="Free some space, or set TMPDIR to a directory that has more",
        ) from error
    except (duckdb.IOException, duckdb.FatalException, duckdb.InternalException) as error:
        raise DifferenceError(
            f"a file of the archive cannot be read ({_first(error)})", remedy="`orch replay` says which"
        ) from error
    except duckdb.Error as error:
        raise UsageError(str(error).strip(), remedy="`orch sql` lists the views and their columns") from error


def _first(error: duckdb.Error) -> str:
    return str(error).splitlines()[0]
