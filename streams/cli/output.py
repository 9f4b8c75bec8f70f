"""Output of commands: data on stdout, remarks on stderr."""

import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import click
import orjson
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from streams.app.reporter import Advance
from streams.cli.render.narrow import GAP, parts_of, widths_of

SILENCE_S = 1.0
"""Seconds before a progress bar appears."""

LINE_S = 10.0
"""Seconds between two lines of progress where stderr is no terminal."""

_UNLIMITED = 10_000
"""Width in columns if stdout is no terminal, so that each row of a table is one line."""

_INDENT, _LEAST = 2, 10
"""In columns: indent of a table, and least width of its last column."""

# Control characters of C0, DEL and C1 except line feed and tab; and those that reorder what a reader sees.
_HIDDEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_json(value: Mapping[str, Any]) -> None:
    """Print one object as a line of JSON, keys sorted."""
    print_bytes(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def print_bytes(line: bytes) -> None:
    """Print one line of data as it is."""
    sys.stdout.buffer.write(line + b"\n")


def flush() -> None:
    """Flush stdout."""
    sys.stdout.flush()


def clean(text: str) -> str:
    """Escape the control characters of untrusted text, which could rewrite a terminal."""
    return _HIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def one_line(text: str, most: int = 200) -> str:
    """Format the beginning of a text on one line, with control characters escaped."""
    line = " ".join(clean(text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def console() -> Console:
    """Make a console for stdout: colours only on a terminal and without NO_COLOR, no markup in text."""
    piped = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return Console(
        markup=False,
        emoji=False,
        highlight=False,
        width=_UNLIMITED if piped else None,
        soft_wrap=piped,
        legacy_windows=False,
    )


def print_text(text: str | Text = "", *, style: str = "") -> None:
    """Print text for people; pass untrusted text through `clean` first."""
    console().print(text, style=style)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    right: Sequence[str] = (),
    title: str = "",
    names: int = 0,
    whole: Sequence[str] = (),
) -> None:
    """
    Print a table for people. Only its last column is folded, unless there is no room for the others either.

    Args:
        columns: Headings.
        rows: Cells, as many as columns; escaped here.
        right: Headings of the columns that are numbers.
        title: Line above the table.
        names: How many columns, from the first, name a row. Without room for all the others, these follow in tables
            below, with the names again. 0: there is one table.
        whole: Headings of columns that are never folded, such as ids that somebody may copy.
    """
    if names:
        parts = parts_of(widths_of(columns, rows), names=names, room=console().width - _INDENT)
        for number, places in enumerate(parts):
            if number:
                print_text()
            cut = [[row[p] for p in places] for row in rows]
            print_table([columns[p] for p in places], cut, right=right, whole=whole)
        return
    cells = [[Text(clean(cell)) for cell in row] for row in rows]
    widths = [
        max(cell_len(heading), *(row[place].cell_len for row in cells), 0) for place, heading in enumerate(columns[:-1])
    ]
    roomy = _INDENT + sum(widths) + GAP * len(widths) + _LEAST <= console().width
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True, header_style="bold")
    for column in columns:
        unfolded = column in right or column in whole or (roomy and column != columns[-1])
        table.add_column(column, justify="right" if column in right else "left", overflow="fold", no_wrap=unfolded)
    for row in cells:
        table.add_row(*row)
    if title:
        print_text(title, style="bold")
    _print_indented(table)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print labels with their values, one pair a line."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in pairs:
        table.add_row(label, Text(clean(value)))
    _print_indented(table)


def _print_indented(table: Table) -> None:
    """Print a table without the spaces that would pad its lines to one length."""
    out = console()
    with out.capture() as captured:
        out.print(Padding(table, (0, 0, 0, _INDENT), expand=False))
    for line in captured.get().splitlines():
        click.echo(line.rstrip())


def print_state(state: str, style: str, name: str, text: str) -> None:
    """Print a finding: its state in colour, the name of what was checked, and a text."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style=style, width=4)
    table.add_column(min_width=13, no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(state, clean(name), Text(clean(text)))
    _print_indented(table)


def print_command(line: str, what: str) -> None:
    """Print a command line to copy, under its purpose; it is never folded."""
    click.echo(f"  # {clean(what)}\n  {clean(line)}")


def say(text: str = "") -> None:
    """Print a remark on stderr."""
    click.echo(clean(text), err=True)


class _TimeLeft(ProgressColumn):
    """Estimated time left, at the speed so far."""

    def render(self, task: Task) -> Text:
        left = task.time_remaining
        return Text("" if left is None else f"{timedelta(seconds=int(left))} left")


@contextmanager
def progress(label: str, total: int | None = None) -> Iterator[Advance]:
    """
    Show a progress bar on stderr after `SILENCE_S`; where that is no terminal, a line every `LINE_S`.

    Args:
        label: Name of the operation.
        total: Number of steps; None if unknown.

    Returns:
        A function that reports how many more steps are done.
    """
    if not sys.stderr.isatty():
        yield _in_lines(label, total)
        return
    of = "{task.completed:,.0f}" if total is None else "{task.completed:,.0f} of {task.total:,.0f}"
    bar = Progress(
        SpinnerColumn(),
        TextColumn(escape(label)),
        BarColumn(bar_width=None),
        TextColumn(of),
        TimeElapsedColumn(),
        _TimeLeft(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
    )
    task = bar.add_task(label, total=total)
    started = time.monotonic()

    def advance(steps: int) -> None:
        bar.update(task, advance=steps)
        if not bar.live.is_started and time.monotonic() - started > SILENCE_S:
            bar.start()

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


def _in_lines(label: str, total: int | None) -> Advance:
    """Make a function that counts steps, and writes a line with their number from time to time."""
    done, told_at = 0, time.monotonic()
    of = "" if total is None else f" of {total:,}"

    def advance(steps: int) -> None:
        nonlocal done, told_at
        done += steps
        if time.monotonic() - told_at >= LINE_S:
            told_at = time.monotonic()
            say(f"{label}: {done:,}{of}")

    return advance
