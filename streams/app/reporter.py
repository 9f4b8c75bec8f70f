"""Progress and remarks of a job, for any listener."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property

from streams.agents.calls.progress import CallProgress
from streams.app.line_problems import told_once
from streams.jsonlines import LineProblem

Advance = Callable[[int], None]
"""Reports how many more steps are done."""


class Reporter:
    """Receives the progress and the remarks of a job; this base class discards them."""

    @cached_property
    def _told(self) -> dict[tuple[str, str], int]:
        """First line of each reason that was told, by file and reason."""
        return {}

    def progress(self, label: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """
        Show the progress of a long operation.

        Args:
            label: Name of the operation.
            total: Number of steps; None if unknown.
        """
        return nullcontext(_nothing)

    def watched(
        self, label: str, total: int | None, activity: CallProgress, *, live: bool
    ) -> AbstractContextManager[Advance]:
        """
        Show the progress of an operation that waits for calls of agents.

        Args:
            label: Name of the operation.
            total: Number of questions; None if unknown, or for a single interactive question.
            activity: Counters of the calls; the callers update them.
            live: Whether calls take wall time.
        """
        return nullcontext(_nothing)

    def say(self, text: str) -> None:
        """Make a remark for people."""

    def refused(self, problems: Sequence[LineProblem]) -> None:
        """Report which lines of a file could not be used, and why; a reason that many lines share is given once."""
        for line in told_once(problems, self._told):
            self.say(line)


def _nothing(steps: int) -> None:
    """Discard the progress."""


SILENT = Reporter()
