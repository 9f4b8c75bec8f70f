"""
JSON Lines reader for untrusted files and streams.

It reads plain text or gzip, counts lines, and limits their length.
"""

import io
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NamedTuple, cast

from schemas.canonical import strict_json
from schemas.event import MAX_EVENT_BYTES
from streams.errors import OperatorError, UsageError

Source = str | Path | io.BufferedIOBase
"""A path, `-` for standard input, or an open binary stream (which stays open)."""

MAX_LINE_BYTES = 6 * MAX_EVENT_BYTES
"""Default limit of one line: every byte of the largest event may come as a six-byte \\u escape."""

_CHUNK_BYTES = 1 << 18
# The first bytes of a file say how to read it, whatever its name says.
_GZIP = b"\x1f\x8b"
_GZIP_WBITS = 31
_WHOLE_LINE = "a line is one JSON object in UTF-8"
_BOM = b"\xef\xbb\xbf"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class JsonLine(NamedTuple):
    """One line of a file."""

    number: int
    """From 1; blank lines count, though they are skipped."""
    raw: bytes
    """The line without surrounding white space; empty if there is a problem."""
    problem: str | None = None
    """Why the line was not kept; None if it was."""


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
    name = getattr(source, "name", None)
    return name if isinstance(name, str) else "stream"


def read_lines(source: Source, *, limit: int = MAX_LINE_BYTES) -> Iterator[JsonLine]:
    """
    Read the lines of a file or stream as they arrive, without blank lines and a byte order mark.

    Args:
        source: A path, `-`, or an open stream; gzip is recognised by its first bytes.
        limit: Bytes of the longest line kept; of a longer one only the number and the length are reported.

    Raises:
        UsageError: The source cannot be opened, is UTF-16, or is damaged or truncated gzip (after the whole lines
            before the cut).
        OperatorError: The system failed to read it.
    """
    name = source_name(source)
    try:
        with _opened(source) as stream:
            yield from _split(_chunks(stream, name), limit)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UsageError(f"{name}: there is no such file", remedy="Check the path", file=name) from error
    except IsADirectoryError as error:
        raise UsageError(f"{name} is a directory", remedy="Name a file in it", file=name) from error
    except PermissionError as error:
        raise UsageError(f"{name}: no permission to read it", remedy="Change its owner or mode", file=name) from error
    except OSError as error:
        raise OperatorError(f"{name}: {error.strerror}", remedy="Check the disk or the sender", file=name) from error


def read_objects(
    source: Source, problems: list[LineProblem], *, limit: int = MAX_LINE_BYTES
) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Read the JSON object of each line with its number; a line without one is added to *problems* and skipped.

    Problems come in the order of the lines, so a caller may add its own to the same list. Raises what `read_lines`
    raises.
    """
    name = source_name(source)
    for number, raw, problem in read_lines(source, limit=limit):
        if problem is None:
            try:
                fields = strict_json(raw)
            except ValueError as error:
                problem = f"{error}; {_WHOLE_LINE}" if str(error).startswith("not ") else str(error)
            else:
                yield number, fields
                continue
        problems.append(LineProblem(name, number, problem))


def _opened(source: Source) -> AbstractContextManager[io.BufferedIOBase]:
    if isinstance(source, io.BufferedIOBase):
        return nullcontext(source)
    if str(source) == "-":
        return nullcontext(cast(io.BufferedIOBase, sys.stdin.buffer))
    return open(source, "rb")


def _chunks(stream: io.BufferedIOBase, name: str) -> Iterator[bytes]:
    """Give the content in pieces, decompressed if it is gzip; pieces of a pipe as they arrive."""
    head = b""
    while len(head) < len(_GZIP) and (more := stream.read1(_CHUNK_BYTES)):
        head += more
    if head.startswith(_UTF_16):
        raise UsageError(f"{name} is UTF-16", remedy="Save it as UTF-8", file=name)
    if head.startswith(_GZIP):
        yield from _decompressed(head, stream, name)
        return
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


def _split(chunks: Iterator[bytes], limit: int) -> Iterator[JsonLine]:
    """Split a stream into lines; of an overlong line hold at most the limit and one piece."""
    number, held, length = 0, [b""], 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        length += len(first)
        if length <= limit:
            held.append(first)
        else:
            held.clear()
        for following in rest:
            number += 1
            yield from _line(number, b"".join(held), length, limit)
            held, length = [following], len(following)
    yield from _line(number + 1, b"".join(held), length, limit)


def _line(number: int, raw: bytes, length: int, limit: int) -> Iterator[JsonLine]:
    if length > limit:
        yield JsonLine(number, b"", f"{length:,} bytes; the limit of a line is {limit:,}: shorten the text")
        return
    raw = (raw.removeprefix(_BOM) if number == 1 else raw).strip()
    if raw:
        yield JsonLine(number, raw)
