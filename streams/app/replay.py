"""Replay of a log with a progress report."""

from contextlib import suppress

from streams.app.reporter import SILENT, Reporter
from streams.audit.replay.ordered_questions import TOPICS
from streams.audit.replay.replay import Replay
from streams.audit.replay.replay import replay as replay_log
from streams.errors import DifferenceError
from streams.log import LogReader


def replay(reader: LogReader, reporter: Reporter = SILENT) -> Replay:
    """Derive every derived event again and compare it with the log; the progress is that of the longer pass."""
    total: int | None = None
    # A damaged log has no ends; the replay says where.
    with suppress(DifferenceError):
        total = sum(end for (topic, _), end in reader.ends().items() if topic in TOPICS)
    with reporter.progress("replaying", total) as advance:
        return replay_log(reader, advance)
