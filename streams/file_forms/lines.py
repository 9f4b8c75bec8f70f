"""Physical lines of a byte stream, of bounded length."""

from collections.abc import Iterator
from typing import NamedTuple

from streams.file_forms.sniff import BOM


class PhysicalLine(NamedTuple):
    """One line, without the line feed at its end."""

    number: int
    """From 1; blank lines count."""
    raw: bytes
    """Empty if the line is longer than the limit."""
    length: int
    """In bytes."""


class JsonLine(NamedTuple):
    """One line of a file, or one JSON value that starts on a line."""

    number: int
    """From 1; blank lines count, though they are skipped."""
    raw: bytes
    """The line without surrounding white space; empty if there is a problem."""
    problem: str | None = None
    """Why the line was not kept; None if it was."""


def physical_lines(chunks: Iterator[bytes], limit: int) -> Iterator[PhysicalLine]:
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
            yield PhysicalLine(number, b"".join(held), length)
            held, length = [following], len(following)
    if length:
        yield PhysicalLine(number + 1, b"".join(held) if length <= limit else b"", length)


def plain_lines(chunks: Iterator[bytes], limit: int) -> Iterator[JsonLine]:
    """Give the lines that are not blank, without white space around them and without byte order marks."""
    for number, raw, length in physical_lines(chunks, limit):
        if length > limit:
            yield JsonLine(number, b"", too_long(length, limit))
        # Not only of the first line: files that begin with a mark are joined by `cat`.
        elif raw := raw.strip().removeprefix(BOM).strip():
            yield JsonLine(number, raw)


def too_long(length: int, limit: int) -> str:
    """Describe what is wrong with a line above the limit."""
    return f"{length:,} bytes; the limit of a line is {limit:,}: shorten the text"
