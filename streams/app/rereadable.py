"""Inputs that are read twice, or that are waited for."""

import io
import select
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

from streams.jsonlines import Rows, Source, source_name


def _is_pipe(source: str) -> bool:
    return source == "-" or Path(source).is_fifo()


def _opened(pipe: str) -> AbstractContextManager[io.BufferedIOBase]:
    return nullcontext(cast(io.BufferedIOBase, sys.stdin.buffer)) if pipe == "-" else open(pipe, "rb")


@contextmanager
def rereadable(source: str | Rows) -> Iterator[Callable[[], Source]]:
    """Yield a function that opens a source from its start; standard input or a pipe is copied to a temporary file."""
    if isinstance(source, Rows) or not _is_pipe(source):
        yield lambda: source
        return
    with tempfile.TemporaryFile() as copy:
        with _opened(source) as stream:
            shutil.copyfileobj(stream, copy)
        copy.flush()
        raw = io.FileIO(copy.fileno(), closefd=False)
        # Name of the source in messages about its lines.
        raw.name = source_name(source)
        stream = io.BufferedReader(raw)

        def again() -> Source:
            stream.seek(0)
            return stream

        yield again


@contextmanager
def attended(source: str, before_waiting: Callable[[], None]) -> Iterator[Source]:
    """
    Yield a source that calls *before_waiting* before each read that would block.

    So the lines of a slow pipe can be committed before the next line arrives. A file never blocks.
    """
    if not _is_pipe(source):
        yield source
        return
    with _opened(source) as stream:
        yield _Attended(stream, source_name(source), before_waiting)


class _Attended(io.BufferedIOBase):
    """A stream that checks before each read whether it would block."""

    def __init__(self, stream: io.BufferedIOBase, name: str, before_waiting: Callable[[], None]) -> None:
        super().__init__()
        self.name = name
        self._stream = stream
        self._before_waiting = before_waiting

    def read1(self, size: int | None = -1, /) -> bytes:
        if not _is_ready(self._stream):
            self._before_waiting()
        return self._stream.read1(-1 if size is None else size)


def _is_ready(stream: io.BufferedIOBase) -> bool:
    """Whether a read returns data or the end at once; data in Python's own buffer is not seen here."""
    try:
        return bool(select.select([stream], [], [], 0)[0])
    except io.UnsupportedOperation:
        # The stream has no file descriptor, so a read cannot block.
        return True
