"""The server as a process that ends with its parent."""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.errors import OperatorError

_EXIT_S = 10
"""Longest wait for the server's counts, and for its end after SIGTERM; both take milliseconds."""


class ModelProcess:
    """
    The server as a process of its own, for the duration of a `with` block.

    Benchmarks use it, so that the server has a core to itself. It ends with this process, also if that is killed.

    Args:
        questions: A file.
        outputs: A file.
        options: As on the command line.
    """

    def __init__(self, questions: Path, outputs: Path, *options: str) -> None:
        files = ["--questions", str(questions), "--outputs", str(outputs)]
        # -P: the folder it is started in may have an infra of its own.
        self._command = [sys.executable, "-P", "-m", "infra.models", *files, "--leashed", *options]
        self.url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int | None:
        """Id of its process; None before it starts."""
        return self._process.pid if self._process else None

    def stats(self) -> dict[str, Any]:
        """Give the counts, as `GET /stats` does."""
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/stats", timeout=_EXIT_S) as answer:
            counts = json.load(answer)
        assert isinstance(counts, dict)
        return counts

    def __enter__(self) -> Self:
        """
        Start it and wait for its URL.

        Raises:
            OperatorError: The server ended instead; its output is on stderr.
        """
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__(None, None, None)
            raise OperatorError("The model server ended at its start", remedy="See what it said above")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_EXIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
        # Waits, and closes the pipes.
        self._process.communicate()
