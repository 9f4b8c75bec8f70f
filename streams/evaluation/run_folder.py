"""Folder of an evaluation, which it resumes from."""

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from streams.errors import OperatorError, UsageError

QUESTIONS, OUTPUTS, EVERYBODY, PLAN = "questions.jsonl", "outputs.jsonl", "everybody.db", "plan.json"
SAMPLE, REPORT, PAGE, ROWS = "sampled-ids.txt", "report.json", "report.html", "rows.csv"


def json_lines(lines: Iterable[Mapping[str, Any]]) -> bytes:
    """Write objects as JSON Lines."""
    return b"".join(orjson.dumps(line) + b"\n" for line in lines)


class RunFolder:
    """
    One evaluation on disk, which one process at a time works on.

    Each file appears whole or not at all, so whatever is there after a crash counts.

    Args:
        path: The folder; created if it does not exist.

    Raises:
        OperatorError: It cannot be created.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            (path / "arms").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OperatorError(
                f"{path} cannot be created: {error.strerror}", remedy="Name another folder", file=str(path)
            ) from error

    def file(self, name: str) -> Path:
        """Give the path of a file in it."""
        return self.path / name

    def arm_file(self, arm: str, order: int) -> Path:
        """Give the path of the outcomes of an arm in one order."""
        return self.path / "arms" / f"{arm}.order-{order:03}.json"

    @property
    def scratch_name(self) -> str:
        """Name of the folder of its unfinished logs, which tells them from those of other evaluations."""
        return f"orch-eval-{hashlib.sha256(os.fsencode(self.path.absolute())).hexdigest()[:16]}"

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """
        Keep other processes out; the system lets go of it when this process ends, however it ends.

        Raises:
            OperatorError: Another process works on it.
        """
        with open(self.path / ".lock", "w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise OperatorError(
                    f"another process works on {self.path}", remedy="Wait for it, or name another folder with --run"
                ) from error
            yield

    def write(self, file: Path, content: bytes) -> None:
        """
        Write a file, so that it appears whole or not at all even if the machine stops.

        Raises:
            OperatorError: It cannot be written.
        """
        beside = file.with_name(f".{file.name}.{os.getpid()}.part")
        try:
            with open(beside, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(beside, file)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise OperatorError(
                f"{file} cannot be written: {error.strerror}", remedy="Check disk and permissions", file=str(file)
            ) from error

    def write_json(self, file: Path, value: Mapping[str, Any]) -> None:
        """Write a JSON object."""
        self.write(file, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")

    def write_lines(self, name: str, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write JSON Lines."""
        self.write(self.file(name), json_lines(lines))

    def keep_plan(self, plan: Mapping[str, Any]) -> None:
        """
        Write what is to be done, or check that it is what was begun here.

        Raises:
            UsageError: The folder holds another evaluation.
        """
        file = self.file(PLAN)
        if file.exists():
            begun = orjson.loads(file.read_bytes())
            unlike = sorted(
                name for name in begun.keys() | plan.keys() if name != "report" and begun.get(name) != plan.get(name)
            )
            if unlike:
                raise UsageError(
                    f"{self.path} holds another evaluation; it differs in {', '.join(unlike)}",
                    remedy="Name another folder with --run, or give what it was begun with",
                    file=str(file),
                )
            return
        self.write_json(file, plan)
