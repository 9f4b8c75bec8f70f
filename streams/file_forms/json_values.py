"""JSON values of an array, or one after another."""

import codecs
import json
import re
from collections.abc import Iterator

from streams.file_forms.lines import JsonLine, too_long

# Files that begin with a byte order mark are joined by `cat`.
_SPACE = re.compile(r"[ \t\r\n,\ufeff]*")
_KEPT = 1 << 18
"""Characters of values already given that are kept at most; dropping them after each value would copy the rest."""

# Integers as text: a value is parsed again by whoever takes it, and an integer of any length is only measured here.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class _NotUtf8(Exception):
    """The bytes after the text read so far are no UTF-8."""


class _Text:
    """The part of a text that is still to be read, with the number of its first line."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self.held = ""
        self.at = 0
        self.line = 1

    def more(self) -> bool:
        """Read at least as much as there is left; say whether there was anything."""
        wanted = max(2 * (len(self.held) - self.at), 1)
        self.held, self.at = self.held[self.at :], 0
        read: list[str] = []
        got = len(self.held)
        for chunk in self._chunks:
            try:
                text = self._decoder.decode(chunk)
            except UnicodeDecodeError as error:
                self.held += "".join(read) + chunk[: error.start].decode("utf-8", "replace")
                raise _NotUtf8 from error
            read.append(text)
            got += len(text)
            if got >= wanted:
                break
        self.held += "".join(read)
        return bool(read)

    def move(self, to: int) -> None:
        """Go on to a place in the text held."""
        self.line += self.held.count("\n", self.at, to)
        self.at = to
        if to > _KEPT:
            self.held, self.at = self.held[to:], 0

    def line_of(self, place: int) -> int:
        """Number the line of a place in the text held."""
        return self.line + self.held.count("\n", self.at, place)


def json_values(chunks: Iterator[bytes], limit: int) -> Iterator[JsonLine]:
    """
    Give the values of a JSON array, or of JSON values one after another, each with the line where it starts.

    Memory holds one value at a time. Where the text is no JSON any more, it ends with a problem: the values before it
    were given.

    Args:
        chunks: Content in UTF-8.
        limit: Bytes of the largest value.
    """
    text = _Text(chunks)
    try:
        yield from _values(text, limit)
    except _NotUtf8:
        yield JsonLine(text.line_of(len(text.held)), b"", "not UTF-8; the values from here on were not read")


def _values(text: _Text, limit: int) -> Iterator[JsonLine]:
    inside = False
    while True:
        found = _SPACE.match(text.held, text.at)
        assert found is not None
        text.move(found.end())
        if text.at == len(text.held):
            if text.more():
                continue
            if inside:
                yield JsonLine(text.line, b"", "the array is cut off before its end")
            return
        mark = text.held[text.at]
        if mark == ("]" if inside else "["):
            inside = not inside
            text.move(text.at + 1)
            continue
        value = _value(text, limit)
        yield value
        if value.problem is not None and not value.problem.endswith(_SHORTEN):
            return


_SHORTEN = "shorten the text"


def _value(text: _Text, limit: int) -> JsonLine:
    """Read the value that starts here, however many pieces of the stream it takes."""
    while True:
        try:
            _, end = _DECODER.raw_decode(text.held, text.at)
        except json.JSONDecodeError as error:
            line, is_long = text.line_of(error.pos), len(text.held) - text.at > limit
            if not is_long and text.more():
                continue
            what = f"not JSON within the limit of {limit:,} bytes" if is_long else "not JSON"
            return JsonLine(line, b"", f"{what}: {error.msg}; the values from here on were not read")
        except RecursionError:
            return JsonLine(text.line, b"", "not JSON that can be read: nested too deeply")
        # A number at the end of a piece may go on in the next one.
        if end < len(text.held) or not text.more():
            break
    line, raw = text.line, text.held[text.at : end].encode("utf-8", "surrogatepass")
    text.move(end)
    return JsonLine(line, raw) if len(raw) <= limit else JsonLine(line, b"", too_long(len(raw), limit))
