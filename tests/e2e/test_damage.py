"""
Log files damaged below their events.

Every command that reads such a file ends with exit code 4 and the place, and none calls it a bug.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from streams.topology import ANALYSES, POLICIES, QUESTIONS, ROUTER

from ..integration.command_in_process import Inside
from .forging import Forger

COMMANDS = (
    ("replay",),
    ("consume", QUESTIONS),
    ("consume", ROUTER),
    ("explain", "capital"),
    ("router",),
    ("router", "--at", "capital"),
    ("router", "--history", "ada"),
    ("policy", "show"),
    ("dead-letters",),
)
"""Commands that read a log."""


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Iterator[Forger]:
    """A copy of that log, to damage."""
    forger = Forger(original, tmp_path)
    yield forger
    forger.close()


class Damage(NamedTuple):
    """One kind of damage to a record, or to a table."""

    column: str
    make: Callable[[Forger, int], object]


def column(name: str, value: str) -> Damage:
    """Put an SQL value into one column of a record."""

    def make(log: Forger, seq: int) -> None:
        log.connection.execute(f'UPDATE records SET "{name}" = {value} WHERE seq = ?', (seq,))

    return Damage(name, make)


OF_A_RECORD = {
    "bytes as key": column("key", "CAST(key AS BLOB)"),
    "bytes as correlation": column("correlation", "CAST(correlation AS BLOB)"),
    "a key that is no UTF-8": column("key", "CAST(x'ff' AS TEXT)"),
    "a correlation that is no UTF-8": column("correlation", "CAST(x'63ff' AS TEXT)"),
    "headers that are no UTF-8": column("headers", "CAST(x'ff' AS TEXT)"),
    "headers that are no JSON": column("headers", "'[['"),
    "headers of another form": column("headers", "'{\"ab\": 1}'"),
    "headers that are no pairs": column("headers", "'[\"ab\"]'"),
    "headers in bytes": column("headers", "x'5b5d'"),
    "empty headers": column("headers", "''"),
    "text as offset": column("offset", "'first'"),
    "a fraction as offset": column("offset", "0.5"),
    "text as time": column("timestamp_ms", "'noon'"),
    "text as partition": column("stream", "'none'"),
    "an unknown partition": column("stream", "999"),
}
OF_A_TABLE: dict[str, Callable[[Forger], object]] = {
    "no checkpoint": lambda log: log.connection.execute("DELETE FROM checkpoint"),
    "text as checkpoint": lambda log: log.connection.execute("UPDATE checkpoint SET seq = 'end'"),
    "text as partition number": lambda log: log.connection.execute(
        "UPDATE streams SET partition = 'x' WHERE topic = ? AND partition = 0", (QUESTIONS,)
    ),
    "bytes as topic": lambda log: log.connection.execute("UPDATE streams SET topic = CAST(topic AS BLOB)"),
    "no partitions": lambda log: log.connection.execute("DELETE FROM streams"),
    "a topic renamed": lambda log: log.connection.execute(
        "UPDATE streams SET topic = 'orch.other' WHERE topic = ?", (ROUTER,)
    ),
    "no index of questions": lambda log: log.connection.execute("DROP INDEX records_by_correlation"),
    "no index of places": lambda log: log.connection.execute("DROP INDEX records_by_place"),
    "an index of some questions": lambda log: log.connection.executescript(
        "DROP INDEX records_by_correlation; CREATE INDEX records_by_correlation ON records (correlation) WHERE seq > 9"
    ),
    "no records": lambda log: log.connection.execute("DROP TABLE records"),
    "no newest records": lambda log: log.connection.execute("DROP TABLE latest"),
}


@pytest.mark.parametrize("topic", [QUESTIONS, ANALYSES, ROUTER, POLICIES])
@pytest.mark.parametrize("name", OF_A_RECORD)
def test_damaged_record_is_named(log: Forger, name: str, topic: str) -> None:
    """Replay names the record and the column, and a command that comes to the record ends with exit code 4."""
    row = log.rows(topic)[0]
    damage = OF_A_RECORD[name]
    damage.make(log, row.seq)
    log.connection.commit()
    inside = Inside(log.path.parent)
    done = inside.orch("--format", "json", "replay")
    assert done.code == 4, done.err
    first = done.object["first_difference"]
    assert first["field"] == damage.column
    if damage.column not in ("stream", "offset"):
        assert (first["topic"], first["partition"], first["offset"]) == (row.topic, row.partition, row.offset)
    for command in COMMANDS:
        done = inside.orch(*command)
        assert done.code in (0, 4), (command, done.err)
        assert "bug" not in done.err
        assert done.code == 0 or f"{damage.column}" in done.err


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_damaged_table_is_named(log: Forger, name: str) -> None:
    """Replay ends with exit code 4, other commands with that or with what they could read."""
    OF_A_TABLE[name](log)
    log.connection.commit()
    inside = Inside(log.path.parent)
    for command in COMMANDS:
        done = inside.orch(*command)
        assert done.code in ((4,) if command == ("replay",) else (0, 2, 4)), (command, done.err)
        assert "bug" not in done.err


def test_text_in_place_of_bytes_is_found_though_it_can_be_read(log: Forger) -> None:
    """A value stored as text is not as the writer left it."""
    row = log.rows(ROUTER)[3]
    log.connection.execute("UPDATE records SET value = CAST(value AS TEXT) WHERE seq = ?", (row.seq,))
    first = log.judge().first_difference
    assert first is not None
    assert (first.seq, first.field, first.actual) == (row.seq, "value", "text")
