"""Logs of release 0.1: read as they are, migrated, replayed."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest

from schemas.canonical import canonical_json
from streams.audit.replay.replay import replay
from streams.processors import PROCESSORS
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.schema import LAYOUT
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import LESSONS, WEIGHTS

from ..layout2 import LOGS, unpacked

TABLES = ("streams", "records", "latest", "states", "checkpoint")

every_log = pytest.mark.parametrize("log", LOGS)


def contents(path: Path) -> dict[str, list[Any]]:
    """Read the tables that layout 2 has."""
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall() for table in TABLES}


def shape(path: Path) -> set[tuple[str, str, str | None]]:
    """Read the definitions of all tables, indexes and views."""
    with closing(sqlite3.connect(path)) as connection:
        return set(connection.execute("SELECT type, name, sql FROM sqlite_master"))


def differences(path: Path) -> int:
    """Replay a log, and count the differences."""
    with EmbeddedReader(path) as reader:
        return replay(reader).different


@every_log
def test_old_log_is_read_as_it_is(tmp_path: Path, log: str) -> None:
    """A reader needs no migration: it reads every record, finds no difference, and leaves the layout alone."""
    path = unpacked(log, tmp_path)
    with closing(sqlite3.connect(path)) as connection:
        before = connection.execute("SELECT count(*), max(seq) FROM records").fetchone()
    with EmbeddedReader(path) as reader:
        assert reader.layout == 2
        assert (sum(1 for _ in reader.records()), reader.end) == before
    assert differences(path) == 0
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (2,)
    assert [file.name for file in tmp_path.iterdir()] == ["orch.db"]


@every_log
def test_old_states_are_understood(tmp_path: Path, log: str) -> None:
    """Each state that release 0.1 stored is loaded, and dumped again to the same bytes and openness."""
    processors = {processor.name: processor for processor in PROCESSORS}
    with closing(sqlite3.connect(unpacked(log, tmp_path))) as connection:
        rows = connection.execute("SELECT processor, open, value FROM states").fetchall()
    for name, is_open, value in rows:
        state = processors[name].load(orjson.loads(value))
        assert canonical_json(processors[name].dump(state)) == value
        assert processors[name].open(state) == is_open
    assert rows or log == "asked"


@every_log
def test_old_log_migrates(tmp_path: Path, log: str) -> None:
    """A writer migrates it: same contents but for newer topics in the tables of a new log, and a copy as it was."""
    path, before = unpacked(log, tmp_path), contents(unpacked(log, tmp_path))
    EmbeddedWriter(path, PROCESSORS, clock=lambda: 0).close()
    migrated = contents(path)
    assert [row[1] for row in migrated["streams"][len(before["streams"]) :]] == [LESSONS, WEIGHTS]
    del migrated["streams"][len(before["streams"]) :]
    if log != "asked":
        # Nothing was ever taught, so the fold of lessons has no states.
        migrated["checkpoint"] = [(*row[:-1], row[-1].removesuffix(",tune")) for row in migrated["checkpoint"]]
    assert migrated == before
    EmbeddedWriter(tmp_path / "new.db", clock=lambda: 0).close()
    assert shape(path) == shape(tmp_path / "new.db")
    with EmbeddedReader(path) as reader:
        assert reader.layout == LAYOUT
    assert differences(path) == 0
    copy = tmp_path / "orch.db.layout2"
    assert contents(copy) == before
    with EmbeddedReader(copy) as reader:
        assert reader.layout == 2
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new.db", "orch.db", "orch.db.layout2"]
