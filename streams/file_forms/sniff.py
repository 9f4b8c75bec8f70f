"""Formats of files, told by their first bytes."""

import re

from streams.errors import UsageError

GZIP = b"\x1f\x8b"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
BOM = b"\xef\xbb\xbf"

_DECOMPRESS = "Decompress it; plain text and gzip are read"
_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    # First bytes, name of the format, remedy.
    (b"\x28\xb5\x2f\xfd", "compressed with Zstandard", f"{_DECOMPRESS}: `zstd -d FILE`"),
    (b"PK\x03\x04", "a ZIP archive or an Excel workbook", "Unzip it; save a workbook as CSV (UTF-8)"),
    (b"PK\x05\x06", "an empty ZIP archive", "Check how it was made"),
    (b"BZh", "compressed with bzip2", f"{_DECOMPRESS}: `bunzip2 FILE`"),
    (b"\xfd7zXZ\x00", "compressed with xz", f"{_DECOMPRESS}: `unxz FILE`"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _DECOMPRESS),
    (b"\x04\x22\x4d\x18", "compressed with LZ4", f"{_DECOMPRESS}: `lz4 -d FILE`"),
    (b"PAR1", "a Parquet file", "Write it as JSON Lines: `duckdb -c \"COPY (FROM 'FILE') TO 'FILE.jsonl'\"`"),
    (b"ARROW1", "an Arrow file", "Write it as JSON Lines"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "Write it as JSON Lines"),
    (b"SQLite format 3\x00", "an SQLite database", "A log is named by --log; this argument is a file of lines"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "Save it as CSV (UTF-8)"),
    (b"%PDF", "a PDF document", "Copy the text out of it into a CSV or JSON Lines file"),
    (b"\x80\x04\x95", "a Python pickle", "Write it as JSON Lines; pickles are never read"),
    (b"version https://git-lfs", "a Git LFS pointer, not the file itself", "`git lfs pull` fetches the file"),
)
_LONGEST = max(len(mark) for mark, _, _ in _FORMATS)
_TAR_AT, _TAR = 257, b"ustar"
_HTML = re.compile(rb"\s*(<!doctype html|<html|<head|<body)", re.IGNORECASE)


def may_be_a_mark(head: bytes) -> bool:
    """Whether more bytes are needed to tell a format: these are the beginning of a longer mark."""
    return len(head) < _LONGEST and any(mark.startswith(head) for mark, _, _ in _FORMATS)


def refuse_foreign(head: bytes, name: str) -> None:
    """
    Refuse a format that is not read, by name.

    Args:
        head: First bytes of the content, decompressed if it is gzip.
        name: Name of the file, for the message.

    Raises:
        UsageError: It is such a format; the message says which, and the remedy is a way to a form that is read.
    """
    if head.startswith(UTF_16) or _without_mark_utf_16(head):
        raise UsageError(f"{name} is UTF-16", remedy="Save it as UTF-8", file=name)
    for mark, what, remedy in _FORMATS:
        if head.startswith(mark):
            raise UsageError(f"{name} is {what}", remedy=remedy.replace("FILE", name), file=name)
    if head[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise UsageError(f"{name} is a tar archive", remedy=f"Unpack it: `tar -xf {name}`", file=name)
    text = head.removeprefix(BOM)
    if _HTML.match(text):
        remedy = "A download of a page instead of the file gives this: fetch the raw file"
        raise UsageError(f"{name} is an HTML page", remedy=remedy, file=name)
    if text.lstrip().startswith((b"<?xml", b"<")):
        raise UsageError(f"{name} is XML", remedy="Write it as JSON Lines or CSV", file=name)


def _without_mark_utf_16(head: bytes) -> bool:
    """Whether every other byte is zero, as of ASCII text in UTF-16 (or UTF-32) without a mark."""
    start = head[:8]
    return len(start) >= 4 and b"\0" in (start[:1], start[1:2]) and any(start) and start.count(0) * 2 >= len(start)
