"""Wide tables on narrow terminals."""

from collections.abc import Collection, Sequence
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

GAP = 2
"""Columns of the terminal between two of a table."""
_LEAST = 14
"""Least width of a column that may fold; a name keeps its line while there is room for that beside it."""


class NarrowTable:
    """
    A table without lines that fits wherever it is drawn.

    Without room for all columns it becomes several tables, one below the other, and each repeats the columns that name
    its rows.

    Args:
        columns: Headings.
        left: Headings of the columns that are words; the others are numbers.
        names: How many columns, from the first, name a row.
        folds: Headings of the columns that may fold.
    """

    def __init__(self, columns: Sequence[str], left: Sequence[str], *, names: int, folds: Sequence[str] = ()) -> None:
        self._columns = columns
        self._left = left
        self._folds = folds
        self._names = names
        self._rows: list[tuple[tuple[str, ...], str]] = []

    def add_row(self, *cells: str, style: str = "") -> None:
        """Add a row of cells, which must be free of control characters other than line feeds."""
        self._rows.append((cells, style))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width
        widths = widths_of(self._columns, [cells for cells, _ in self._rows])
        folding = {self._columns.index(column) for column in self._folds}
        if sum(widths[: self._names]) + self._names * GAP + _LEAST > room:
            folding |= set(range(self._names))
        least = [min(width, _LEAST) if place in folding else width for place, width in enumerate(widths)]
        for number, places in enumerate(parts_of(least, names=self._names, room=room)):
            if number:
                yield Text()
            yield self._table(places, folding)

    def _table(self, places: Sequence[int], folding: Collection[int]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim")
        for place in places:
            column = self._columns[place]
            justify: Literal["left", "right"] = "left" if column in self._left else "right"
            table.add_column(column, justify=justify, overflow="fold", no_wrap=place not in folding)
        for cells, style in self._rows:
            table.add_row(*(Text(cells[place]) for place in places), style=style)
        return table


def widths_of(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    """Measure a table's columns: the widest line of heading and cells."""
    return [
        max(cell_len(line) for cell in column for line in cell.splitlines() or [""])
        for column in zip(columns, *rows, strict=True)
    ]


def parts_of(widths: Sequence[int], *, names: int, room: int) -> list[list[int]]:
    """
    Share columns out to as many tables as there have to be.

    Args:
        widths: Width of each column.
        names: How many columns, from the first, are in each table.
        room: Columns of the terminal.

    Returns:
        The places of the columns of each table. A column that is too wide by itself has a table of its own, and folds.
    """
    naming = sum(width + GAP for width in widths[:names])
    parts: list[list[int]] = []
    left = 0
    for place in range(names, len(widths)):
        if not parts or left < widths[place]:
            parts.append(list(range(names)))
            left = room - naming
        parts[-1].append(place)
        left -= widths[place] + GAP
    return parts or [list(range(names))]
