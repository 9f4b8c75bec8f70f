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
"""In columns. Where there is no room for the shortest, there is none; the numbers say as much."""


@contextmanager
def watched(label: str, total: int | None, activity: CallProgress, *, live: bool) -> Iterator[Advance]:
    """
    Show how far something is on stderr: only on a terminal, and only for what takes longer than a moment.

    Args:
        label: What is being done.
        total: Number of questions; None where nobody knows, or where it is one that somebody waits for.
        activity: What there is to tell of the calls; others count in it.
        live: Whether calls take wall time. If not, they are done at once and only the questions are told.

    Returns:
        A function to tell how many more questions are done.
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
    # The first call may take long to come back: nothing but the time that passes can start the bar.
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
    """The numbers, as many as there is room for."""

    def __init__(self, activity: CallProgress, room: int) -> None:
        super().__init__(Column(no_wrap=True))
        self.before = 0
        """Questions that were done before any call ended: decided earlier, they say nothing of the pace."""
        self.room = room
        self._activity = activity
        self._started = time.monotonic()

    def line(self, task: Task) -> str:
        """Write them."""
        done, total = int(task.completed), None if task.total is None else int(task.total)
        passed_s = time.monotonic() - self._started
        left_s = None if total is None else time_left(done - self.before, total - self.before, passed_s)
        so_far = "" if total is None else f"{done:,} of {total:,}"
        spell = f"{timedelta(seconds=int(passed_s))}" if left_s is None else f"{timedelta(seconds=int(left_s))} left"
        return numbers(self._activity, so_far, spell, self.room)

    def render(self, task: Task) -> Text:
        return Text(self.line(task))


class _Bar(ProgressColumn):
    """A bar in the room that the numbers leave."""

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
    Write in one line how it stands; what matters least is left out first where there is no room.

    Args:
        activity: Of the calls.
        so_far: How many questions are done.
        spell: How long it took, or will take.
        room: Columns there are.
    """
    parts = [
        # Rank, the lowest stays longest; and the text.
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
    """Write what the calls have cost so far, as far as that is known; nothing before there is anything to say."""
    if not activity.cost_nusd and not activity.unpriced:
        return ""
    known = f"${activity.cost_nusd / 10**9:,.4f}" if activity.cost_nusd >= 50_000 else "<$0.0001"
    if not activity.unpriced:
        return known
    return f"{known} + unknown" if activity.cost_nusd else "unknown cost"


def time_left(done: int, total: int, passed_s: float) -> float | None:
    """Estimate the seconds left, at the pace so far; None where that says nothing."""
    return passed_s * (total - done) / done if 0 < done < total else None
