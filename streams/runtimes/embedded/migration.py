"""Migration of older layouts of the SQLite file."""

import sqlite3
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import structlog

from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.kept_copy import keep_copy
from streams.runtimes.embedded.schema import LAYOUT

LayoutStep = Callable[[sqlite3.Connection], None]
"""
Changes tables and states of one layout to those of the next, never a record. It runs in one transaction, which SQLite
keeps in -wal; so it holds no more than some rows in memory.
"""

log = structlog.get_logger("orch.embedded")


def _add_derivation(connection: sqlite3.Connection) -> None:
    """Add the table of the progress of `derivation`. Programs that know layout 2 alone cannot decode events of v2."""
    connection.execute(
        """CREATE TABLE derivation (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seq INTEGER NOT NULL,
    processors TEXT NOT NULL
)"""
    )


STEPS: Mapping[int, LayoutStep] = {2: _add_derivation}
"""The step from each layout to the next; a published step never changes."""


def migrate(connection: sqlite3.Connection, path: Path, layout: int, faults: CrashPoints) -> None:
    """
    Take a log of an older layout to the newest one, with a copy of it kept beside it.

    Each step is committed with its layout, so a migration that was interrupted goes on where it stopped. Readers may
    read meanwhile.

    Args:
        connection: In autocommit mode, of the process that holds the writer's lock.
        layout: Layout of the log.

    Raises:
        OperatorError: There is no room for the copy, or it cannot be written; the log is as it was.
    """
    started = time.perf_counter()
    copy = keep_copy(connection, path, layout, faults)
    for number in range(layout, LAYOUT):
        connection.execute("BEGIN IMMEDIATE")
        STEPS[number](connection)
        connection.execute(f"PRAGMA user_version = {number + 1}")
        faults.reach("migrate")
        connection.execute("COMMIT")
        faults.reach("migrated")
    duration_ms = round((time.perf_counter() - started) * 1000, 3)
    log.warning(
        "log_migrated", file=str(path), from_layout=layout, to_layout=LAYOUT, copy=str(copy), duration_ms=duration_ms
    )
