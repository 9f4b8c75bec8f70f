"""Progress and remarks of a job, on a terminal."""

from contextlib import AbstractContextManager

from streams.agents.calls.progress import CallProgress
from streams.app.reporter import Advance, Reporter
from streams.cli import output
from streams.cli.render.live_progress import watched


class Terminal(Reporter):
    """Shows progress bars and remarks on stderr."""

    def progress(self, label: str, total: int | None = None) -> AbstractContextManager[Advance]:
        """Show a bar."""
        return output.progress(label, total)

    def watched(
        self, label: str, total: int | None, activity: CallProgress, *, live: bool
    ) -> AbstractContextManager[Advance]:
        """Show a bar with the counters of the calls."""
        return watched(label, total, activity, live=live)

    def say(self, text: str) -> None:
        """Write it to stderr."""
        output.say(text)
