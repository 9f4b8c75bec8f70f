"""Progress and remarks of a job, for any listener."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

from streams.agents.calls.progress import CallProgress
from streams.jsonlines import LineProblem

Advance = Callable[[int], None]
"""Tells that so many more are done."""


class Reporter:
    """Hears how far a job is; this one keeps it to itself."""

    def progress(self, label: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """
        Begin something that takes a while.

        Args:
            label: What is being done.
            total: How many there are to do; None where nobody knows.
        """
        return nullcontext(_nothing)

    def watched(
        self, label: str, total: int | None, activity: CallProgress, *, live: bool
    ) -> AbstractContextManager[Advance]:
        """
        Begin something that waits for calls of agents.

        Args:
            label: What is being done.
            total: Number of questions; None where nobody knows, or where it is one that somebody waits for.
            activity: What there is to tell of the calls; others count in it.
            live: Whether calls take wall time.
        """
        return nullcontext(_nothing)

    def say(self, text: str) -> None:
        """Make a remark for people."""

    def refused(self, problems: Sequence[LineProblem]) -> None:
        """Tell which lines of a file could not be used, and why."""
        for problem in problems:
            self.say(f"{problem.file}:{problem.line}: {problem.reason}")


def _nothing(steps: int) -> None:
    """Tell nobody."""


SILENT = Reporter()
