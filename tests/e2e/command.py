"""The real command in a process of its own."""

import hashlib
import json
import os
import shlex
import sqlite3
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..conftest import ROOT
from ..limits import LIMIT_S

SCRIPT = Path(sysconfig.get_path("scripts"), "orch")
ORCH = (str(SCRIPT),) if SCRIPT.exists() else (sys.executable, "-c", "from streams.cli.main import main; main()")
"""The console script of the installed package."""


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        """The lines of stdout, each a JSON value."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def object(self) -> dict[str, Any]:
        """The only line of stdout, a JSON object."""
        (only,) = self.lines
        return only


class Place:
    """A directory to run commands in, with nothing of the environment's ORCH_ settings."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def environment(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Give the environment of a command: no ORCH_ settings, no colours, no terminal width."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("ORCH_", "COLUMNS", "PYTHONUNBUFFERED"))
        }
        if kept.pop("PYTHONDONTWRITEBYTECODE", None):
            # An installed command has its bytecode; without any, each process would compile all it imports.
            kept["PYTHONPYCACHEPREFIX"] = str(ROOT / ".pytest_cache" / "bytecode")
        return {**kept, "NO_COLOR": "1", **(more or {})}

    def orch(self, *arguments: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ended:
        """Run `orch` to its end."""
        done = subprocess.run(
            [*ORCH, *map(str, arguments)],
            cwd=self.path,
            env=self.environment(env),
            input=stdin,
            capture_output=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def shell(self, line: str) -> Ended:
        """Run a line of shell in which `orch` is the command under test."""
        programs = self.path / ".programs"
        if not programs.exists():
            programs.mkdir()
            script = programs / "orch"
            script.write_text(f'#!/bin/sh\nexec {shlex.join(ORCH)} "$@"\n')
            script.chmod(0o755)
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=self.path,
            env=self.environment({"PATH": f"{programs}:{os.environ['PATH']}"}),
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    def start(
        self, *arguments: str | Path, stdin: int = subprocess.DEVNULL, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start `orch` and let it run."""
        return subprocess.Popen(
            [*ORCH, *map(str, arguments)],
            cwd=self.path,
            env=self.environment(env),
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )

    def events(self, topic: str, log: str = "orch.db") -> list[dict[str, Any]]:
        """Read the events of a topic straight from the file, in log order."""
        query = "SELECT value FROM log WHERE topic = ? ORDER BY seq"
        with closing(sqlite3.connect(self.path / log)) as connection:
            return [json.loads(value) for (value,) in connection.execute(query, (f"orch.{topic}",))]

    def write(self, name: str, lines: Iterable[object]) -> Path:
        """Write a JSON Lines file; a line that is bytes is written as it is."""
        path = self.path / name
        path.write_bytes(b"".join((x if isinstance(x, bytes) else json.dumps(x).encode()) + b"\n" for x in lines))
        return path


def question(number: int, **fields: Any) -> dict[str, Any]:
    """Write a question line with its time and its right answer."""
    return {
        "question_id": f"q{number}",
        "text": f"Which option of question {number}?",
        "options": ["first", "second", "third"],
        "subject": ("logic", "law")[number % 2],
        "gold": "ABC"[number % 3],
        "occurred_at": f"2026-03-01T10:{number // 60:02d}:{number % 60:02d}Z",
        **fields,
    }


def output(number: int, model: str, answer: str) -> dict[str, Any]:
    """Write an output line of a model, with its latency."""
    return {
        "question_id": f"q{number}",
        "model": model,
        "text": f"After some thought: the answer is ({answer}).",
        "latency_ms": 300 + number,
        "cost_nusd": 12_345,
    }


def outputs(count: int) -> list[dict[str, Any]]:
    """Write outputs of three models: `ace` is always right, `gpt-4o-mini` in every second question, `cat` never."""
    lines = []
    for number in range(count):
        right, wrong = "ABC"[number % 3], "BCA"[number % 3]
        lines += [
            output(number, "gpt-4o-mini", right if number % 2 else wrong),
            output(number, "ace", right),
            output(number, "cat", wrong),
        ]
    return lines


def run(place: Place, *arguments: str | Path, **more: Any) -> Ended:
    """Run the recorded questions and give the JSON."""
    return place.orch("--format", "json", "run", "questions.jsonl", "--outputs", "outputs.jsonl", *arguments, **more)


def prepare(place: Place, count: int, **fields: Any) -> None:
    """Write questions and outputs."""
    place.write("questions.jsonl", [question(number, **fields) for number in range(count)])
    place.write("outputs.jsonl", outputs(count))


def ids(place: Place, log: str = "orch.db") -> list[tuple[str, int, int, str]]:
    """List position and digest of every record of a log."""
    connection = sqlite3.connect(place.path / log)
    rows = connection.execute('SELECT topic, partition, "offset", value FROM log ORDER BY seq').fetchall()
    connection.close()
    return [
        (topic, partition, offset, hashlib.sha256(value.encode()).hexdigest())
        for topic, partition, offset, value in rows
    ]
