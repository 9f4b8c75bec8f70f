"""A copy of a log in use."""

import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from streams.errors import OperatorError, UsageError
from streams.runtimes.embedded.kept_copy import sync, write_copy
from streams.runtimes.embedded.open_file import open_to_read
from streams.runtimes.embedded.sqlite_errors import mapped


class Backup(NamedTuple):
    """A copy that was made."""

    records: int
    size_bytes: int


def back_up(log: Path, target: Path) -> Backup:
    """
    Copy a log while it may be written; the copy has its name once it is complete and on disk.

    It holds everything up to one commit, states and checkpoint included, and is a log itself: whoever writes to it goes
    on from there. Writers do not wait for it, and readers of the copy need no other file. No file is overwritten.

    Raises:
        UsageError: There is something at *target*, or its folder does not exist.
        OperatorError: There is no such log, or no room for the copy.
    """
    log = Path(os.path.realpath(log))
    if os.path.lexists(target):
        raise UsageError(f"{target}: there is a file already", remedy="Choose another name, such as one with the date")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: there is no such folder", remedy="Create it first")
    part = target.with_name(f"{target.name}.part")
    with closing(open_to_read(log)) as connection:
        with mapped(log):
            # The view stays where it is, so commits of others do not make the copy begin again.
            connection.execute("BEGIN")
            (records,) = connection.execute("SELECT coalesce(max(seq), 0) FROM records").fetchone()
            (needed,) = connection.execute(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
            ).fetchone()
        free = shutil.disk_usage(target.parent).free
        if needed > free:
            raise OperatorError(
                f"{target}: the copy takes {needed / 10**6:,.1f} MB; {target.parent} has {free / 10**6:,.1f} MB free",
                remedy="Free some space there, or choose another disk",
            )
        try:
            write_copy(connection, part, log.stat().st_mode)
            # Unlike a rename, a link overwrites nothing that came meanwhile.
            os.link(part, target)
            sync(target.parent)
        except FileExistsError as error:
            raise UsageError(f"{target}: there is a file already", remedy="Choose another name") from error
        except (OSError, sqlite3.Error) as error:
            raise OperatorError(
                f"{target}: the copy cannot be written: {error}", remedy="See that its folder can be written to"
            ) from error
        finally:
            part.unlink(missing_ok=True)
    return Backup(records, target.stat().st_size)
