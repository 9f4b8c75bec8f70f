"""Tables with a header line: CSV, TSV and their relatives."""

import csv
import re
from collections.abc import Collection, Iterator
from typing import Any

from streams.errors import UsageError
from streams.file_forms.lines import physical_lines
from streams.file_forms.sniff import BOM

DELIMITERS = (",", "\t", ";", "|")
SUFFIXES = (".csv", ".tsv", ".tab", ".psv")

USUAL = frozenset(
    (
        *"abcd",
        "question_id",
        "id",
        "qid",
        "question",
        "text",
        "prompt",
        "query",
        "answer",
        "gold",
        "options",
        "choices",
        "model",
        "output",
        "response",
        "subject",
        "option_a",
        "option_b",
        "source",
        "verdict",
    )
)
"""Names of columns by which a table is told from other text, if the name of the file does not say it."""

_EXCEL_HINT = re.compile(r"sep=(.)", re.IGNORECASE)
_NO_NAME = re.compile(r"[-+.,0-9]+|.*[?!]|.{80,}", re.DOTALL)
"""Cells that are no name of a column: numbers, questions, whole sentences."""
_COMPLAINTS = (
    # Words of the standard library's error, and what they mean.
    ("unexpected end", "a quote that opens in this row is never closed"),
    ("field larger", "a quote that opens in this row is never closed, or a cell is too long"),
    ("expected after", 'a cell goes on after its closing quote; write a quote inside a cell twice, ""'),
)


def delimiter_of(first_line: bytes, name: str) -> str | None:
    """
    Find the delimiter of a table by its header.

    Args:
        first_line: The first line that is not blank.
        name: Name of the file.

    Returns:
        None if the line is no header.
    """
    try:
        header = first_line.removeprefix(BOM).decode("utf-8").strip("\r\n")
    except UnicodeDecodeError:
        return None
    hint = _EXCEL_HINT.fullmatch(header.strip())
    if hint:
        return hint[1]
    cells = {delimiter: next(csv.reader([header], delimiter=delimiter), []) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: len(cells[delimiter]))
    names = {cell.strip().lower() for cell in cells[best]}
    named_so = name.lower().removesuffix(".gz").endswith(SUFFIXES)
    return best if len(cells[best]) > 1 and (named_so or len(names & USUAL) > 1) else None


def table_rows(
    chunks: Iterator[bytes], delimiter: str, name: str, *, limit: int, integers: Collection[str] = ()
) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """
    Give the rows of a table by the names in its header, each with the line where it starts.

    Cells are texts, and None if they are empty; columns without a name are left out.

    Args:
        chunks: Content in UTF-8.
        delimiter: Character between cells.
        name: Name of the file, for messages.
        limit: Bytes of the longest line.
        integers: Columns whose cells are integers.

    Returns:
        Line and fields; or line and what is wrong with the row.

    Raises:
        UsageError: The text is not UTF-8, there is no header, it names a column twice, or a line is too long.
    """
    csv.field_size_limit(limit)
    reader = csv.reader(_texts(chunks, name, limit), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        start = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield start, next((told for words, told in _COMPLAINTS if words in str(error)), f"not CSV: {error}")
            continue
        cells = [cell.strip() if header is None else cell for cell in row]
        if not any(cells) or (header is None and _EXCEL_HINT.fullmatch(delimiter.join(cells).strip())):
            continue
        if header is None:
            header = _checked(cells, name)
        elif len(cells) != len(header):
            yield start, f"{len(cells)} cells, and the header names {len(header)}; quote cells that hold {delimiter!r}"
        elif [cell.strip() for cell in cells] != header:
            # A header in the middle comes from tables that were joined by `cat`.
            yield start, {n: _value(n, c, integers) for n, c in zip(header, cells, strict=True) if n}


def _checked(header: list[str], name: str) -> list[str]:
    if any(_NO_NAME.fullmatch(cell) for cell in header):
        remedy = "Put a line with the names of the columns above it, such as question_id,text,A,B,C,D,gold"
        raise UsageError(f"{name}: its first line is no header, but a row", remedy=remedy, file=name)
    twice = sorted({cell for cell in header if cell and header.count(cell) > 1})
    if twice:
        remedy = "Give each column a name of its own; the first line of a table holds the names"
        raise UsageError(f"{name}: two columns are called {twice[0]!r}", remedy=remedy, file=name)
    return header


def _value(name: str, cell: str, integers: Collection[str]) -> str | int | None:
    if not cell.strip():
        return None
    return int(cell) if name in integers and re.fullmatch(r"[0-9]{1,15}", cell.strip()) else cell


def _texts(chunks: Iterator[bytes], name: str, limit: int) -> Iterator[str]:
    for number, raw, length in physical_lines(chunks, limit):
        if length > limit:
            raise UsageError(f"{name}, line {number}: {length:,} bytes; the limit of a line is {limit:,}", file=name)
        try:
            yield raw.removeprefix(BOM).decode("utf-8") + "\n"
        except UnicodeDecodeError as error:
            remedy = "Save it as UTF-8 (in Excel: CSV UTF-8)"
            raise UsageError(f"{name} is not UTF-8 (line {number})", remedy=remedy, file=name) from error
