"""
Anchors: copies of checkpoints outside the log.

An anchor is a file of JSON Lines, a folder (a file for each checkpoint), a git repository (a commit for each), or
another log, whose topic of checkpoints gets them.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from schemas.checkpoints import CheckpointSignedV2
from streams.errors import OperatorError, UsageError
from streams.log import read_event
from streams.runtimes.urls import open_reader, open_writer
from streams.topology import CHECKPOINTS

IN_REPOSITORY = "orch-checkpoints.jsonl"
_SCHEMES = ("kafka:", "sqlite:", "parquet:")
_MOST_BYTES = 256 << 20


def write_anchor(where: str, event: CheckpointSignedV2) -> None:
    """
    Copy a checkpoint to an anchor.

    Raises:
        OperatorError: It cannot be written there.
    """
    if where.startswith(_SCHEMES):
        with open_writer(where, topics=(event.topic,)) as log:
            log.append(event)
            log.commit()
        return
    path = Path(where).expanduser()
    line = event.encode() + b"\n"
    try:
        if (path / ".git").exists():
            _append(path / IN_REPOSITORY, line)
            _commit(path, event)
        elif path.is_dir():
            name = f"{event.occurred_at.replace(':', '')}-{event.event_id[:12]}.json"
            _append(path / name, line)
        else:
            _append(path, line)
    except OSError as error:
        raise OperatorError(
            f"{error.filename or where}: the checkpoint cannot be copied there: {error.strerror}",
            remedy="Name another --anchor, or make its folder",
        ) from error


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _commit(folder: Path, event: CheckpointSignedV2) -> None:
    message = f"Checkpoint {event.event_id[:12]} of {event.key}"
    for step in (["add", IN_REPOSITORY], ["commit", "--quiet", "--message", message, "--", IN_REPOSITORY]):
        try:
            done = subprocess.run(["git", "-C", str(folder), *step], capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise OperatorError(f"{folder}: git is not installed", remedy="Install git, or anchor in a file") from None
        if done.returncode:
            raise OperatorError(
                f"{folder}: git {step[0]} failed: {(done.stderr or done.stdout).strip()}",
                remedy="The checkpoint is in the file; commit it by hand, or correct the repository",
            )


def read_anchor(where: str) -> tuple[Sequence[CheckpointSignedV2], Sequence[str]]:
    """
    Read the checkpoints of an anchor.

    Returns:
        Checkpoints of all partitions, oldest first; and bare notes, of a file that holds one note.

    Raises:
        UsageError: There is none, or a line is no checkpoint.
    """
    if where.startswith(_SCHEMES):
        with open_reader(where, topics=(CHECKPOINTS,)) as log:
            events = [read_event(record) for record in log.records((CHECKPOINTS,))]
        return [event for event in events if isinstance(event, CheckpointSignedV2)], ()
    path = Path(where).expanduser()
    files = sorted((*path.glob("*.json"), *path.glob("*.jsonl"))) if path.is_dir() else [path]
    found: list[CheckpointSignedV2] = []
    notes: list[str] = []
    for file in files:
        text = _read(file)
        if text.lstrip().startswith("{"):
            found += [_event(line, file, number) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
        else:
            notes.append(text)
    if not found and not notes:
        raise UsageError(f"{where} holds no checkpoint", remedy="Name a file or folder that --anchor wrote")
    return sorted(found, key=lambda event: event.occurred_at), notes


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{file} is too large for checkpoints", remedy="Name a file that --anchor wrote")
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", remedy="Name a file or folder that --anchor wrote") from None
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text", remedy="Name a file that --anchor wrote") from None


def _event(line: str, file: Path, number: int) -> CheckpointSignedV2:
    try:
        return CheckpointSignedV2.decode(line.encode())
    except ValidationError as problem:
        raise UsageError(
            f"{file}, line {number}: no checkpoint ({problem.errors()[0]['msg']})",
            remedy="Name a file that --anchor wrote",
        ) from None
