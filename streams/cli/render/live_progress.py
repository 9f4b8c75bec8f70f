"""Live progress of calls: done, in flight, failed, spent."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task, TextColumn
from rich.progress_bar import ProgressBar
from rich.table import Column
from rich.text import Text

from streams.agents.calls.progress import CallProgress
from streams.app.reporter import Advance
from streams.cli.output import SILENCE_S, progress

_LONGEST_BAR, _SHORTEST_BAR = 24, 5
"""Widths in columns. Without room for the shortest bar there is none."""


@contextmanager
def watched(label: str, total: int | None, activity: CallProgress, *, live: bool) -> Iterator[Advance]:
    """
    Show the progress of calls on stderr: only on a terminal, and only after `SILENCE_S`.

    Args:
        label: Name of the operation.
        total: Number of questions; None if unknown, or for a single interactive question.
        activity: Counters of the calls; the callers update them.
        live: Whether calls take wall time. If not, only the number of questions is shown.

    Returns:
        A function that reports how many more questions are done.
    """
    if not live or not sys.stderr.isatty():
        with progress(label, total) as plain:
            yield plain
        return
    console = Console(stderr=True)
    told = _Told(activity, console.width - len("\N{BRAILLE PATTERN DOTS-1} ") - cell_len(label) - len(" "))
    bar = Progress(
        SpinnerColumn(),
        TextColumn(escape(label), table_column=Column(no_wrap=True)),
        *(() if total is None else (_Bar(told),)),
        told,
        console=console,
        transient=True,
        redirect_stdout=False,
        expand=False,
    )
    task = bar.add_task(label, total=total)
    # The first call may take long, so a timer starts the bar, and not the first result.
    timer = threading.Timer(SILENCE_S, bar.start)
    timer.daemon = True
    timer.start()

    def advance(steps: int) -> None:
        told.before += steps if not activity.ended else 0
        bar.update(task, advance=steps)

    try:
        yield advance
    finally:
        timer.cancel()
        timer.join()
        bar.stop()


class _Told(ProgressColumn):
    """Column of the numbers, as many as there is room for."""

    def __init__(self, activity: CallProgress, room: int) -> None:
        super().__init__(Column(no_wrap=True))
        self.before = 0
        """Questions that were done before any call ended; decided earlier, they do not count for the pace."""
        self.room = room
        self._activity = activity
        self._started = time.monotonic()

    def line(self, task: Task) -> str:
        """Write the numbers."""
        done, total = int(task.completed), None if task.total is None else int(task.total)
        passed_s = time.monotonic() - self._started
        left_s = None if total is None else time_left(done - self.before, total - self.before, passed_s)
        so_far = "" if total is None else f"{done:,} of {total:,}"
        spell = f"{timedelta(seconds=int(passed_s))}" if left_s is None else f"{timedelta(seconds=int(left_s))} left"
        return numbers(self._activity, so_far, spell, self.room)

    def render(self, task: Task) -> Text:
        return Text(self.line(task))


class _Bar(ProgressColumn):
    """Bar in the room that the numbers leave."""

    def __init__(self, told: _Told) -> None:
        super().__init__(Column(no_wrap=True))
        self._told = told

    def render(self, task: Task) -> ProgressBar | Text:
        room = self._told.room - cell_len(self._told.line(task)) - len(" ")
        if room < _SHORTEST_BAR:
            return Text()
        return ProgressBar(total=task.total, completed=task.completed, width=min(room, _LONGEST_BAR))


def numbers(activity: CallProgress, so_far: str, spell: str, room: int) -> str:
    """
    Write the progress on one line; if there is no room, the least important parts are left out first.

    Args:
        activity: Counters of the calls.
        so_far: Number of questions done.
        spell: Time passed, or time left.
        room: Available columns.
    """
    parts = [
        # Rank and text; the lowest rank stays longest.
        (0, so_far),
        (5, f"{activity.in_flight:,} in flight" if activity.in_flight else ""),
        (2, f"{activity.failed:,} failed" if activity.failed else ""),
        (3, f"{activity.refused:,} refused" if activity.refused else ""),
        (1, spent(activity)),
        (4, spell),
    ]
    said = [(rank, text) for rank, text in parts if text]
    while len(said) > 1 and cell_len(_line(said)) > room:
        said.remove(max(said))
    return _line(said)


def _line(said: list[tuple[int, str]]) -> str:
    return "  ".join(text for _, text in said)


def spent(activity: CallProgress) -> str:
    """Write the known cost of the calls so far; empty while no call has a known or unknown cost."""
    if not activity.cost_nusd and not activity.unpriced:
        return ""
    known = f"${activity.cost_nusd / 10**9:,.4f}" if activity.cost_nusd >= 50_000 else "<$0.0001"
    if not activity.unpriced:
        return known
    return f"{known} + unknown" if activity.cost_nusd else "unknown cost"


def time_left(done: int, total: int, passed_s: float) -> float | None:
    """Estimate the seconds left, at the pace so far; None before the first and after the last question."""
    return passed_s * (total - done) / done if 0 < done < total else None
