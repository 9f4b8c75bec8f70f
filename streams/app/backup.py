"""Backup of a log in use."""

from pathlib import Path

from streams.app.workspace import Workspace
from streams.errors import UsageError
from streams.runtimes.embedded.backup import Backup, back_up


def backup(work: Workspace, target: Path) -> Backup:
    """
    Copy a log file as of its last commit.

    Raises:
        UsageError: The log is no file, or something is at *target*.
        OperatorError: There is no such log, or the copy cannot be written.
    """
    if work.log.scheme == "kafka":
        raise UsageError(
            f"{work.log_url}: a log on Kafka is kept by the replicas of its brokers, and is no file to copy",
            remedy="`orch export DIR` writes everything that it holds as an archive, and the next time what is new",
        )
    if work.log.scheme != "sqlite":
        raise UsageError(f"{work.log_url}: nobody writes to an archive", remedy="Copy its folder")
    return back_up(work.log.path, target)
