"""Strict reading of JSON Lines files."""

import gzip
import io
import sys
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streams.errors import OperatorError, UsageError
from streams.jsonlines import JsonLine, LineProblem, read_lines, read_objects


class Named(io.BytesIO):
    """A stream with a name, as an open file has one, that gives its bytes in small pieces."""

    def __init__(self, content: bytes, *, pieces: int = 1 << 18) -> None:
        super().__init__(content)
        self.name = "given.jsonl"
        self._pieces = pieces

    def read1(self, size: int | None = -1, /) -> bytes:
        return super().read1(self._pieces)


class Broken(io.BytesIO):
    """A stream that the system fails to read."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self._error = error

    def read1(self, size: int | None = -1, /) -> bytes:
        raise self._error


def lines_before_error(content: bytes) -> tuple[list[JsonLine], UsageError]:
    """Read until the error that must come."""
    found: list[JsonLine] = []
    with pytest.raises(UsageError) as caught:
        found.extend(read_lines(Named(content)))
    return found, caught.value


def test_lines_come_with_their_numbers() -> None:
    """Blank lines are skipped but counted, and white space around a line goes."""
    content = b'{"a":1}\n\n  \t\r\n{"b":2}\r\nlast'
    assert list(read_lines(Named(content))) == [JsonLine(1, b'{"a":1}'), JsonLine(4, b'{"b":2}'), JsonLine(5, b"last")]


def test_an_empty_source_has_no_lines() -> None:
    """A source without content, plain or gzip, gives nothing and no error."""
    assert list(read_lines(Named(b""))) == []
    assert list(read_lines(Named(gzip.compress(b"")))) == []


def test_a_byte_order_mark_is_passed_over() -> None:
    """The mark that some editors put first is no part of the first line."""
    assert list(read_lines(Named(b"\xef\xbb\xbf{}\n{}"))) == [JsonLine(1, b"{}"), JsonLine(2, b"{}")]


def test_utf_16_is_named() -> None:
    """A file in UTF-16 is refused as a whole, with the remedy."""
    with pytest.raises(UsageError, match=r"given\.jsonl is UTF-16\. Save it as UTF-8"):
        list(read_lines(Named("{}\n".encode("utf-16"))))


@given(
    lines=st.lists(st.binary(max_size=30).map(lambda raw: raw.replace(b"\n", b"")), max_size=20),
    pieces=st.integers(1, 64),
    members=st.integers(0, 3),
    padding=st.integers(0, 3),
)
@example(lines=[b"a", b"b"], pieces=1, members=2, padding=3)
@example(lines=[b"\xef\xbb\xbf"], pieces=1, members=0, padding=0)
def test_pieces_and_compression_change_nothing(lines: list[bytes], pieces: int, members: int, padding: int) -> None:
    """However a source is cut into pieces, members and padding, its lines are the same."""
    plain = b"x\n" + b"\n".join(lines)
    whole = list(read_lines(Named(plain)))
    content = plain
    if members:
        step = len(plain) // members + 1
        content = b"".join(gzip.compress(plain[at : at + step]) for at in range(0, len(plain), step)) + bytes(padding)
    assert list(read_lines(Named(content, pieces=pieces))) == whole
    bare = [raw.strip().removeprefix(b"\xef\xbb\xbf").strip() for raw in (b"x", *lines)]
    assert [line.raw for line in whole] == [raw for raw in bare if raw]


@given(lengths=st.lists(st.integers(0, 40), max_size=12), limit=st.integers(1, 20), pieces=st.integers(1, 50))
def test_a_line_above_the_limit_is_reported(lengths: list[int], limit: int, pieces: int) -> None:
    """A line longer than the limit is given without its bytes, with its number and length; the others are whole."""
    content = b"\n".join(b"x" * length for length in lengths)
    for line in read_lines(Named(content, pieces=pieces), limit=limit):
        length = lengths[line.number - 1]
        if length > limit:
            assert line == JsonLine(
                line.number, b"", f"{length} bytes; the limit of a line is {limit}: shorten the text"
            )
        else:
            assert line == JsonLine(line.number, b"x" * length)


def test_a_squeezed_line_is_not_held_in_memory() -> None:
    """A hundred megabytes in one line of gzip pass through without being held."""
    member = gzip.compress(b"x" * 10_000_000)
    content = member * 10 + gzip.compress(b"\n{}\n")
    tracemalloc.start()
    try:
        found = list(read_lines(Named(content), limit=1000))
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == [
        JsonLine(1, b"", "100,000,000 bytes; the limit of a line is 1,000: shorten the text"),
        JsonLine(2, b"{}"),
    ]
    assert peak_bytes < 5_000_000


def test_a_cut_gzip_gives_the_lines_before_the_cut() -> None:
    """Of a gzip file that ends too soon the whole lines are given, then an error names the file."""
    content = gzip.compress(b"".join(b'{"n":%d}\n' % number for number in range(5000)))
    found, error = lines_before_error(content[: len(content) // 2])
    assert len(found) > 1000
    assert all(line == JsonLine(line.number, b'{"n":%d}' % (line.number - 1)) for line in found)
    assert str(error) == "given.jsonl is gzip, but cut off before its end. Fetch it again"


def test_a_damaged_gzip_is_named() -> None:
    """Bytes changed inside a gzip file are an error that names the file."""
    content = bytearray(gzip.compress(b"{}\n" * 100))
    content[-6] ^= 255
    _, error = lines_before_error(bytes(content))
    assert "given.jsonl is gzip, but damaged" in str(error)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    """A path that leads nowhere is a usage error with a remedy."""
    with pytest.raises(UsageError, match="there is no such file"):
        list(read_lines(tmp_path / "none.jsonl"))


def test_a_directory_says_so(tmp_path: Path) -> None:
    """A directory is not a file of lines."""
    with pytest.raises(UsageError, match="is a directory"):
        list(read_lines(str(tmp_path)))


@pytest.mark.parametrize(
    ("error", "family", "message"),
    [
        (PermissionError(13, "Permission denied"), UsageError, "no permission"),
        (OSError(5, "Input/output error"), OperatorError, "Input/output error"),
    ],
)
def test_a_failing_system_is_mapped(error: OSError, family: type[Exception], message: str) -> None:
    """What the system refuses becomes an error that says who has to act."""
    with pytest.raises(family, match=message):
        list(read_lines(Broken(error)))


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """The path `-` reads what is piped in, and is named so."""
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"{}\nnope")))
    problems: list[LineProblem] = []
    assert list(read_objects("-", problems)) == [(1, {})]
    assert str(problems[0]).startswith("standard input, line 2: not JSON")


def test_objects_and_problems_keep_their_numbers() -> None:
    """Good lines pass with their numbers; each bad one is reported with its own."""
    content = b'{"a":1}\n[]\n\n{"a":1.5}\n{"b":2}\n{"c":1,"c":2}\n\xff\n'
    problems: list[LineProblem] = []
    good: list[tuple[int, dict[str, Any]]] = list(read_objects(Named(content), problems))
    assert good == [(1, {"a": 1}), (5, {"b": 2})]
    assert [problem.line for problem in problems] == [2, 4, 6, 7]
    assert {problem.file for problem in problems} == {"given.jsonl"}
