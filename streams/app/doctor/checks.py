"""Checks of `orch doctor` on machine, configuration and log."""

import errno
import fcntl
import os
import platform
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from schemas.quantities import instant_of_ms
from streams.app.doctor.agents import check_agents
from streams.app.doctor.behaviour import check_behaviour
from streams.app.doctor.check import Check
from streams.app.doctor.installation import check_extras, check_variables
from streams.app.doctor.kafka import check_cluster
from streams.app.workspace import Workspace
from streams.errors import OrchError
from streams.log import wall_clock_ms
from streams.processors import PROCESSORS
from streams.runtimes.embedded.lock import NO_LOCKS, WriterLock
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.schema import LAYOUT
from streams.runtimes.embedded.sqlite_errors import mapped
from streams.settings import build_policy

_FOLDED = tuple(dict.fromkeys(topic for processor in PROCESSORS for topic in processor.reads))
"""Topics whose records are folded."""

OLDEST_PYTHON, NEWEST_PYTHON = (3, 11, 5), (3, 13)
OLDEST_SQLITE = (3, 37, 0)
"""Oldest version that CPython 3.11 is commonly built with, and that the tests run on."""

SLOW_COMMIT_MS = 50
"""Above this, the disk and not this program limits the questions decided per second."""
_COMMITS = 5

_FREE_SOME = "Free some space on that disk, or in your quota"
_NO_LOCKS = f"This file system gives no locks. {NO_LOCKS}"
_REMEDIES = {
    errno.ENOSPC: _FREE_SOME,
    errno.EDQUOT: _FREE_SOME,
    errno.EACCES: "Give yourself permission, or name another --log",
    errno.EROFS: "Reading works; to write, name another --log",
    errno.ENOLCK: _NO_LOCKS,
    errno.EOPNOTSUPP: _NO_LOCKS,
    errno.ENOSYS: _NO_LOCKS,
}
"""Remedies by what the operating system said; anything else is the disk's."""


def run_checks(work: Workspace, *, call: bool = False, most_lag: int | None = None) -> Iterator[Check]:
    """
    Run every check, without changing anything; a check that raises has failed, and the next one runs all the same.

    Args:
        work: Workspace to check.
        call: Whether to make a test call to each live agent, which costs money.
        most_lag: Records that a stage may be behind; more is a failure. None: any number may.
    """
    checks: dict[str, Callable[[Workspace], Iterator[Check]]] = {
        "python": _python,
        "sqlite": _sqlite,
        "disk": _disk,
        "configuration": lambda work: _configuration(work, call=call),
        "log": lambda work: _log(work, most_lag),
        "terminal": _terminal,
        "environment": check_variables,
        "extras": check_extras,
    }
    for name, check in checks.items():
        try:
            yield from check(work)
        except OrchError as error:
            yield Check(name, "fail", error.message, error.remedy)
        except OSError as error:
            yield _refused(name, error, error.filename)


def _refused(name: str, error: OSError, file: str | Path | None) -> Check:
    """Report what the operating system refused about which file."""
    remedy = _REMEDIES.get(error.errno or 0, "Look at the disk and the system log")
    return Check(name, "fail", f"{file or 'a file'}: {error.strerror or error}", remedy)


def _python(work: Workspace) -> Iterator[Check]:
    running = sys.version_info[:3]
    found = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    if running < OLDEST_PYTHON:
        yield Check("python", "fail", found, "Use CPython 3.11.5 to 3.13")
    elif running[:2] > NEWEST_PYTHON or platform.python_implementation() != "CPython":
        yield Check("python", "warn", f"{found} is not tested", "CPython 3.11.5 to 3.13 is")
    else:
        yield Check("python", "ok", found)


def _sqlite(work: Workspace) -> Iterator[Check]:
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE))
        yield Check("sqlite", "warn", f"{sqlite3.sqlite_version} is not tested", f"{oldest} and later are")
    else:
        yield Check("sqlite", "ok", sqlite3.sqlite_version)


def _disk(work: Workspace) -> Iterator[Check]:
    """Time a few commits in the log's directory, as durable as the log's own."""
    if work.log.scheme != "sqlite":
        return
    folder = work.log.path.absolute().parent
    if not folder.is_dir():
        yield Check("disk", "fail", f"there is no directory {folder}", f"mkdir -p {folder}")
        return
    if not os.access(folder, os.W_OK):
        yield Check("disk", "warn", f"{folder} is read-only to you", "Reading works; to write, name another --log")
        return
    with tempfile.TemporaryDirectory(prefix="orch-doctor-", dir=folder) as scratch:
        refused = _locks(Path(scratch, "probe.lock"))
        if refused is not None:
            yield _refused("disk", refused, folder)
            return
        probe = Path(scratch, "probe.db")
        with mapped(work.log.path.absolute()), closing(sqlite3.connect(probe, isolation_level=None)) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("CREATE TABLE probe (value)")
            started = time.perf_counter()
            for number in range(_COMMITS):
                connection.execute("INSERT INTO probe VALUES (?)", (number,))
            commit_ms = (time.perf_counter() - started) * 1000 / _COMMITS
    free_mb = shutil.disk_usage(folder).free // 2**20
    found = f"journal {mode}, synchronous FULL, {commit_ms:.1f} ms a commit, {free_mb:,} MB free in {folder}"
    if mode != "wal":
        yield Check("disk", "fail", found, "This file system allows no write-ahead log; put the log on a local disk")
    elif commit_ms > SLOW_COMMIT_MS or free_mb < 100:
        yield Check("disk", "warn", found, "Put the log on a faster disk, or free some space")
    else:
        yield Check("disk", "ok", found)


def _locks(path: Path) -> OSError | None:
    """Try both kinds of locks that a log needs: flock for its writer, and those of POSIX for SQLite."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return error
    return None


def _configuration(work: Workspace, *, call: bool) -> Iterator[Check]:
    config = work.config
    if config.path is None:
        yield Check("configuration", "warn", f"no {work.config_path}; the defaults hold", "`orch init` writes one")
        return
    if "agents" not in config.fields:
        yield Check("configuration", "warn", f"{config.path} names no agents", "Add [[agents]] tables")
        return
    policy = build_policy(config, instant_of_ms(wall_clock_ms()))
    yield Check("configuration", "ok", f"{config.path}, policy {policy.policy_id!r}")
    yield from check_agents(policy, config.run, call=call)


def _log(work: Workspace, most_lag: int | None) -> Iterator[Check]:
    if work.log.scheme == "kafka":
        yield from check_cluster(work, most_lag)
        return
    if not work.log_exists:
        yield Check("log", "ok", f"{work.log_url} is not there yet; the first command that writes makes it")
        return
    with work.open_reader() as reader:
        policy = next(iter(reader.records(("orch.policies",), limit=1)), None)
        # What no stage reads, such as a signed checkpoint, waits for nobody.
        lag = sum(1 for _ in reader.records(_FOLDED, after=reader.folded))
        yield Check("log", "ok", f"{work.log_url}, {reader.end:,} events, {lag:,} of them not folded yet")
        if policy is None:
            yield Check("log", "warn", "it holds no policy, so nothing is decided", "`orch run` adopts one")
        if most_lag is not None and lag > most_lag:
            yield Check(
                "lag", "fail", f"{lag:,} events are not folded, more than {most_lag:,}", "`orch run` folds them"
            )
        elif policy is not None and lag and work.log.scheme == "sqlite":
            yield Check("log", "warn", "some questions may wait for their decision", "`orch run` goes on with them")
        yield from check_behaviour(reader)
    if work.log.scheme == "sqlite":
        yield from _file(work.log.path)


def _file(path: Path) -> Iterator[Check]:
    """Check the layout of a log's file, and whether it can be written to; it is not migrated."""
    with EmbeddedReader(path) as reader:
        layout = reader.layout
    if layout < LAYOUT:
        found = f"{layout}; the first command that writes migrates it to {LAYOUT} and keeps a copy beside it"
        yield Check("layout", "ok", found)
    if not os.access(path, os.W_OK):
        yield Check("writer", "warn", f"{path} is read-only to you", "Reading works")
        return
    try:
        WriterLock(Path(os.path.realpath(path)), wall_clock_ms).release()
    except OrchError as error:
        yield Check("writer", "warn" if "holder" in error.place else "fail", error.message, error.remedy)
    else:
        yield Check("writer", "ok", "no other process is writing to it")


def _terminal(work: Workspace) -> Iterator[Check]:
    encoding = (sys.stdout.encoding or "none").lower()
    size = shutil.get_terminal_size()
    place = f"{size.columns} columns" if sys.stdout.isatty() else "not a terminal"
    found = f"{place}, {encoding}{', NO_COLOR' if 'NO_COLOR' in os.environ else ''}"
    if not encoding.startswith("utf"):
        yield Check("terminal", "warn", found, "Text output replaces what it cannot show; JSON is UTF-8 always")
    else:
        yield Check("terminal", "ok", found)
