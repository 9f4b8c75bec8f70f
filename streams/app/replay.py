"""Replay of a log with a progress report."""

from contextlib import suppress

from streams.app.merge_rules import merge_for
from streams.app.reporter import SILENT, Reporter
from streams.audit.carried_tables import end_of, with_origin
from streams.audit.replay.ordered_questions import TOPICS
from streams.audit.replay.origin_check import origin_of
from streams.audit.replay.replay import Replay
from streams.audit.replay.replay import replay as replay_log
from streams.errors import DifferenceError, UsageError
from streams.log import LogReader


def replay(reader: LogReader, reporter: Reporter = SILENT) -> Replay:
    """
    Derive every derived event again and compare it with the log; the progress is that of the longer pass.

    Raises:
        OperatorError: A policy names a merge rule of another distribution that is not installed, or not as it was.
    """
    merge = merge_for(reader)
    total: int | None = None
    # A damaged log has no ends; the replay says where.
    with suppress(DifferenceError):
        total = sum(end for (topic, _), end in reader.ends().items() if topic in TOPICS)
    with reporter.progress("replaying", total) as advance:
        return replay_log(reader, advance, merge=merge)


def replay_with_origin(reader: LogReader, earlier: LogReader, reporter: Reporter = SILENT) -> Replay:
    """
    Replay a log, and prove what it began with by the log that it goes on from.

    Raises:
        UsageError: The log began by itself.
    """
    started = origin_of(reader)
    if started is None:
        raise UsageError("the log began by itself, not from an earlier one", remedy="Leave --origin out")
    found = replay(reader, reporter)
    return with_origin(found, started, end_of(earlier), replay(earlier, reporter))
