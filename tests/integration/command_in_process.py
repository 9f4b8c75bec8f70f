"""
The command inside the test process.

It is quick, for tests that look at output and files and not at how a process ends.
"""

import contextlib
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from unittest import mock

from streams.cli.main import run

from ..e2e.command import Ended, Place


class Inside(Place):
    """A directory in which commands run without a process of their own."""

    def orch(self, *arguments: str | Path, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ended:
        """Run `orch` to its end."""
        out, err = _stream(), _stream()
        with (
            contextlib.chdir(self.path),
            mock.patch.dict(os.environ, self.environment(env), clear=True),
            mock.patch.multiple(sys, stdin=_stream(stdin), stdout=out, stderr=err),
        ):
            code = run([*map(str, arguments)])
            for stream in (out, err):
                stream.flush()
        return Ended(code, _text(out), _text(err))


def _stream(content: bytes = b"") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="backslashreplace")


def _text(stream: io.TextIOWrapper) -> str:
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()
