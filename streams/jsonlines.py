"""
Reader of objects in untrusted files and streams.

It reads JSON Lines, JSON arrays and tables, plain or gzip, counts lines, and limits their length.
"""

import io
import shutil
import sys
import tempfile
import weakref
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, cast

from schemas.canonical import strict_json
from schemas.event import MAX_EVENT_BYTES
from streams.errors import OperatorError, UsageError
from streams.file_forms.json_values import json_values
from streams.file_forms.lines import JsonLine, plain_lines
from streams.file_forms.sniff import BOM, GZIP, may_be_a_mark, refuse_foreign
from streams.file_forms.table import delimiter_of, table_rows


class Rows:
    """
    Objects of a program, kept as JSON Lines in a temporary file, so that they are read as a file is: again, and with
    the same checks. The file goes with the object.

    Args:
        lines: Each object as JSON in UTF-8, without an end of line.
        name: Stands for the file in messages.
    """

    def __init__(self, lines: Iterable[bytes], name: str) -> None:
        self.name = name
        folder = tempfile.mkdtemp(prefix="orch-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.path = Path(folder) / "rows.jsonl"
        with self.path.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)


Source = str | Path | io.BufferedIOBase | Rows
"""A path, `-` for standard input, an open binary stream (which stays open), or objects of a program."""

MAX_LINE_BYTES = 6 * MAX_EVENT_BYTES
"""Default limit of one line: every byte of the largest event may come as a six-byte \\u escape."""

_CHUNK_BYTES = 1 << 18
_GZIP_WBITS = 31
_WHOLE_LINE = "a line is one JSON object in UTF-8"
_WRAPPERS = frozenset(
    ("data", "rows", "questions", "items", "examples", "instances", "records", "results", "train", "test", "validation")
)
"""Usual names of the field in which one object holds all the others."""


class LineProblem(NamedTuple):
    """A line that cannot be used, and why."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason}"


def source_name(source: Source) -> str:
    """Name a source in messages."""
    if isinstance(source, str | Path):
        return "standard input" if str(source) == "-" else str(source)
    if isinstance(source, Rows):
        return source.name
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "stream"


def read_lines(source: Source, *, limit: int = MAX_LINE_BYTES) -> Iterator[JsonLine]:
    """
    Read the lines of a file or stream as they arrive, without blank lines and byte order marks.

    Args:
        source: A path, `-`, an open stream, or rows; gzip is recognised by its first bytes.
        limit: Bytes of the longest line kept; of a longer one only the number and the length are reported.

    Raises:
        UsageError: The source cannot be opened, has a format that is not read, or is damaged or truncated gzip (after
            the whole lines before the cut).
        OperatorError: The system failed to read it.
    """
    with _content(source) as chunks:
        yield from plain_lines(chunks, limit)


def read_objects(
    source: Source,
    problems: list[LineProblem],
    *,
    limit: int = MAX_LINE_BYTES,
    integers: Collection[str] = (),
    numbers_as_text: bool = False,
) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Read the objects of a file or stream as they arrive, each with the number of the line where it starts.

    The form is told by the content: JSON Lines; a JSON array of objects, or objects over several lines; a table (CSV,
    TSV, or with `;` or `|`) whose first line names the fields. What is no object is added to *problems* and skipped.
    Problems come in the order of the lines, so a caller may add its own to the same list.

    Args:
        source: A path, `-`, an open stream, or rows; gzip is recognised by its first bytes.
        problems: List that problems are added to.
        limit: Bytes of the longest line or value.
        integers: Fields that hold integers; other cells of a table are texts.
        numbers_as_text: As for `strict_json`.

    Raises:
        UsageError: As for `read_lines`; or one object holds all the others; or a table is not UTF-8.
        OperatorError: The system failed to read it.
    """
    name = source_name(source)
    with _content(source) as chunks:
        head, second, chunks = _opening(chunks, limit)
        delimiter = None if head[:1] in (b"{", b"[") else delimiter_of(head, name)
        if delimiter is not None:
            for number, row in table_rows(chunks, delimiter, name, limit=limit, integers=integers):
                if isinstance(row, str):
                    problems.append(LineProblem(name, number, row))
                else:
                    yield number, row
            return
        over_lines = head.startswith(b"[") or (head.startswith(b"{") and second[:1] in (b'"', b"}"))
        lines = json_values(chunks, limit) if over_lines else plain_lines(chunks, limit)
        first = True
        for number, raw, problem in lines:
            if problem is None:
                try:
                    fields = strict_json(raw, numbers_as_text=numbers_as_text)
                except ValueError as error:
                    problem = f"{error}; {_WHOLE_LINE}" if str(error).startswith("not ") else str(error)
                else:
                    if first:
                        _refuse_wrapper(fields, name)
                    first = False
                    yield number, fields
                    continue
            problems.append(LineProblem(name, number, problem))


def _opening(chunks: Iterator[bytes], limit: int) -> tuple[bytes, bytes, Iterator[bytes]]:
    """
    Look at the beginning of a content.

    Returns:
        Its first line that is not blank; the one after it, only if the first is the beginning of an object and not a
        whole one, else empty; and the whole content. Of a pipe no more is awaited than that takes.
    """
    read = b""
    for chunk in chunks:
        read += chunk
        lines = [line for line in read.removeprefix(BOM).split(b"\n")[:-1] if line.strip()]
        if (lines and not _is_cut(lines[0])) or len(lines) > 1 or len(read) > limit:
            break
    lines = [line.strip() for line in read.removeprefix(BOM).split(b"\n", 1_000) if line.strip()]
    second = lines[1] if len(lines) > 1 and _is_cut(lines[0]) else b""
    return (lines[0] if lines else b""), second, chain((read,), chunks)


def _is_cut(line: bytes) -> bool:
    """Whether a line is the beginning of an object that goes on in the next line."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        strict_json(line.strip(), numbers_as_text=True)
    except ValueError as error:
        return str(error).startswith("not JSON")
    return False


def _refuse_wrapper(fields: dict[str, Any], name: str) -> None:
    """Refuse a file whose first object holds a list of the objects that are meant."""
    for field, value in fields.items():
        is_list = isinstance(value, list) and value and all(isinstance(item, dict) for item in value)
        if is_list and (field in _WRAPPERS or len(fields) == 1):
            raise UsageError(
                f"{name} is one JSON object that holds a list of {len(value):,} in {field!r}",
                remedy=f"Take the list out: `jq '.{field}' {name} > {field}.json`; a JSON array is read",
                file=name,
            )


@contextmanager
def _content(source: Source) -> Iterator[Iterator[bytes]]:
    """Open a source and give its content in pieces; errors of the system become errors of this program."""
    name = source_name(source)
    try:
        with _opened(source) as stream:
            yield _chunks(stream, name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{name}: there is no such file", remedy="Check the path", file=name) from error
    except IsADirectoryError as error:
        raise UsageError(f"{name} is a directory", remedy="Name a file in it", file=name) from error
    except PermissionError as error:
        raise UsageError(f"{name}: no permission to read it", remedy="Change its owner or mode", file=name) from error
    except OSError as error:
        raise OperatorError(f"{name}: {error.strerror}", remedy="Check the disk or the sender", file=name) from error


def _opened(source: Source) -> AbstractContextManager[io.BufferedIOBase]:
    if isinstance(source, io.BufferedIOBase):
        return nullcontext(source)
    if str(source) == "-":
        return nullcontext(cast(io.BufferedIOBase, sys.stdin.buffer))
    return open(source.path if isinstance(source, Rows) else source, "rb")


def _chunks(stream: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Give the content in pieces, decompressed if it is gzip; pieces of a pipe as they arrive."""
    # The first bytes say how to read it, whatever its name says.
    head = b""
    while (len(head) < len(GZIP) or may_be_a_mark(head)) and (more := stream.read1(_CHUNK_BYTES)):
        head += more
    if head.startswith(GZIP):
        pieces = _decompressed(head, stream, name)
        first = next(pieces, b"")
        refuse_foreign(first, f"{name}, decompressed,")
        yield from chain((first,), pieces)
        return
    refuse_foreign(head, name)
    while head:
        yield head
        head = stream.read1(_CHUNK_BYTES)


def _decompressed(compressed: bytes, stream: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Decompress a gzip stream of one or more members, in pieces of bounded size whatever its compression ratio."""
    member = zlib.decompressobj(_GZIP_WBITS)
    try:
        while compressed:
            if member.eof:
                member = zlib.decompressobj(_GZIP_WBITS)
            yield member.decompress(compressed, _CHUNK_BYTES)
            compressed = member.unused_data if member.eof else member.unconsumed_tail
            compressed = compressed or stream.read1(_CHUNK_BYTES)
            if member.eof:
                # Zero bytes between and after members are padding of the medium; the gzip program skips them too.
                while compressed and not (compressed := compressed.lstrip(b"\0")):
                    compressed = stream.read1(_CHUNK_BYTES)
    except zlib.error as error:
        raise UsageError(
            f"{name} is gzip, but damaged ({error})", remedy="Fetch it or compress it again", file=name
        ) from error
    if not member.eof:
        yield member.flush()
        raise UsageError(f"{name} is gzip, but cut off before its end", remedy="Fetch it again", file=name)
