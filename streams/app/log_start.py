"""Start of a log from an archive."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from schemas.origins import LogStarted
from schemas.policies import PolicyAdopted
from schemas.quantities import instant_of_ms
from streams.app.policies import check_workers
from streams.app.reporter import SILENT, Reporter
from streams.app.workspace import Workspace
from streams.audit.carried_tables import Beginning, beginning, end_of, open_questions
from streams.errors import UsageError
from streams.log import LogReader, read_event, wall_clock_ms
from streams.runtimes.urls import open_reader
from streams.topology import LESSONS, OBSERVATIONS, POLICIES, ROUTER, WEIGHTS

TOPICS = (POLICIES, OBSERVATIONS, LESSONS)
"""Topics that the start of a log writes to."""
_FOLLOWING = (ROUTER, WEIGHTS)
"""Topics to which workers may have written meanwhile."""


@dataclass(frozen=True, slots=True)
class StartedLog:
    """
    A log that goes on from an earlier one.

    Attributes:
        open_questions: Ids of the questions that have no decision in the earlier log; nothing carries them.
        resumed: Whether an earlier start of the same archive was ended, and went on now.
        warning: What may go wrong on this log; empty if nothing is known.
    """

    origin: LogStarted
    open_questions: Sequence[str]
    resumed: bool
    warning: str = ""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch log start --format json`."""
        return {
            "event_id": self.origin.event_id,
            "log": self.origin.log,
            "root": self.origin.root,
            "records": self.origin.records,
            "policy_id": self.origin.policy_id,
            "router_entries": self.origin.router.entries,
            "weights_tables": self.origin.weights.entries,
            "open_questions": list(self.open_questions),
            "resumed": self.resumed,
        }


def archive_url(given: str) -> str:
    """Give the URL of an archive that is named by its folder, or by that URL."""
    return given if given.startswith("parquet:") else f"parquet:{given}"


def start_log(work: Workspace, archive: str, *, force: bool = False, reporter: Reporter = SILENT) -> StartedLog:
    """
    Begin an empty log with the policy, the router's table and the weights that an archive ends with.

    In a file all of it is one transaction. On Kafka the policy comes last, so nothing is decided before everything is
    carried; a start that was ended goes on at the next call.

    Args:
        work: The new log.
        archive: Folder or URL of the archive.
        force: Whether to begin although workers of the log do not know these kinds.

    Raises:
        UsageError: The log holds records, or the archive no policy.
        OperatorError: Workers are too old; the log cannot be written to.
        DifferenceError: The archive is not as its export left it.
    """
    with open_reader(archive_url(archive)) as old, reporter.progress("reading the archive", None) as advance:
        end = end_of(old)
        waiting = tuple(open_questions(old))
        advance(end.records)
    if end.policy is None:
        raise UsageError(f"{archive} holds no policy, so there is nothing to go on from", remedy="Start without it")
    warning = check_workers(work, "what a log carries from an earlier one", end.policy, force=force)
    with work.open_writer(TOPICS) as log, work.open_reader(topics=()) as there:
        begun, known = _begun(there, work, beginning(end, end.policy, instant_of_ms(wall_clock_ms()), len(waiting)))
        for events in ([begun.origin], begun.carried, [begun.policy]):
            for event in events:
                if event.event_id not in known:
                    log.append(event)
            if log.folding() is None:
                # A file takes all parts in one transaction, with what follows from them.
                log.commit()
        writer = log.folding()
        while writer is not None and writer.ready:
            writer.fold()
        log.commit()
    return StartedLog(begun.origin, waiting, bool(known), warning)


def _begun(there: LogReader, work: Workspace, begun: Beginning) -> tuple[Beginning, dict[str, None]]:
    """Give the records to begin with, and the ids of those that an earlier start has written already."""
    held = dict.fromkeys(topic for (topic, _), end in there.ends().items() if end)
    if not held:
        return begun, {}
    first: LogStarted | None = None
    known: dict[str, None] = {}
    is_complete = POLICIES not in held or any(topic not in (*TOPICS, *_FOLLOWING) for topic in held)
    for record in there.records(TOPICS) if not is_complete else ():
        event = read_event(record)
        first = event if isinstance(event, LogStarted) else first
        is_complete = is_complete or isinstance(event, PolicyAdopted)
        known[event.event_id] = None
    if is_complete or first is None or _named(first) != _named(begun.origin):
        raise UsageError(
            f"{work.log_url} holds records already ({', '.join(held)}), and a log is started from an archive once",
            remedy="Name an empty or new log with --log; on Kafka another prefix, kafka://HOST:PORT/NAME",
        )
    return begun.at(first.occurred_at), known


def _named(origin: LogStarted) -> dict[str, Any]:
    """Give what an origin names, whenever the log was started."""
    return origin.model_dump(exclude={"occurred_at", "event_id"})
