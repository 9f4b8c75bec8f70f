"""Origin of a log, checked against what was carried."""

from collections.abc import Iterator

from schemas.event import Event
from schemas.origins import CarriedTable, LogStarted, RouterCarried, WeightsCarried
from schemas.policies import PolicyAdopted
from schemas.registry import KINDS_OF_TOPIC, decode_canonical
from streams.audit.replay.difference import Difference, Findings, at, unreadable
from streams.log import LogReader, Record
from streams.processors.origin import table_of
from streams.topology import LESSONS, OBSERVATIONS, POLICIES

_MARKS = tuple(
    model.mark
    for topic in (OBSERVATIONS, LESSONS)
    for model in KINDS_OF_TOPIC[topic]
    if issubclass(model, RouterCarried | WeightsCarried)
)


def is_carried(record: Record) -> bool:
    """Say whether a record says that it carries an entry of an earlier log; quotes inside of strings are escaped."""
    return record.topic in (OBSERVATIONS, LESSONS) and any(mark in record.value for mark in _MARKS)


def check_carried(record: Record, findings: Findings) -> None:
    """Report a carried entry that cannot be read, or has another key than its own."""
    try:
        event = decode_canonical(record.topic, record.value)
    except ValueError as problem:
        findings.note(unreadable(record, problem))
        return
    if record.key != event.key:
        findings.note(at(record, "key", event.key, record.key))


class OriginCheck:
    """
    Checks that a log has at most one origin, before all else, and carries exactly what the origin names.

    What the earlier log held is checked elsewhere, with that log at hand.

    Args:
        findings: Where differences go.
        ordered: Whether the log has one order over all topics.
    """

    def __init__(self, findings: Findings, *, ordered: bool) -> None:
        self._findings = findings
        self._ordered = ordered
        self._started: tuple[Record, LogStarted] | None = None
        self._first_policy: tuple[Record, PolicyAdopted] | None = None
        self._seen = 0
        """Records of the policies' topic."""
        self._carried: list[tuple[Record, RouterCarried | WeightsCarried]] = []

    def take(self, record: Record) -> None:
        """Hear a record of policies, observations or lessons; other checks report one that cannot be read."""
        if record.topic != POLICIES and not is_carried(record):
            return
        self._seen += record.topic == POLICIES
        try:
            event = decode_canonical(record.topic, record.value)
        except ValueError:
            return
        if isinstance(event, LogStarted):
            self._start(record, event)
        elif isinstance(event, PolicyAdopted):
            self._first_policy = self._first_policy or (record, event)
        elif isinstance(event, RouterCarried | WeightsCarried):
            self._carried.append((record, event))

    def _start(self, record: Record, event: LogStarted) -> None:
        if record.key != event.key:
            self._findings.note(at(record, "key", event.key, record.key))
        if self._started is not None:
            self._findings.note(at(record, "record", None, "a second origin of the log"))
            return
        self._started = record, event
        if self._seen > 1 or (self._ordered and record.seq != 1):
            self._findings.note(at(record, "record", None, "an origin behind other records of the log"))

    def finish(self) -> None:
        """Compare what was carried with what the origin names, once its policy has followed."""
        for difference in self._differences():
            self._findings.note(difference)

    def _differences(self) -> Iterator[Difference]:
        if self._started is None:
            for record, _ in self._carried:
                yield at(record, "record", None, "an entry carried into a log without an origin")
            return
        started = self._started[1]
        for record, event in self._carried:
            if event.causes != (started.event_id,):
                yield at(record, "causes.0", started.event_id, event.causes[0])
        if self._first_policy is None:
            # `orch log start` writes it last, and may still be at work.
            return
        place, policy = self._first_policy
        if policy.event_id != started.adopted:
            yield at(place, "event_id", started.adopted, policy.event_id)
            return
        lines = self._table(RouterCarried)
        if lines != started.router:
            yield at(self._started[0], "router", started.router.model_dump(), lines.model_dump())
        tables = self._table(WeightsCarried)
        if tables != started.weights:
            yield at(self._started[0], "weights", started.weights.model_dump(), tables.model_dump())

    def _table(self, kind: type[RouterCarried] | type[WeightsCarried]) -> CarriedTable:
        return table_of(event.carried.event_id for _, event in self._carried if isinstance(event, kind))


def origin_of(reader: LogReader) -> LogStarted | None:
    """Find the origin of a log; None if it began by itself. An origin that cannot be read is a replay's to report."""
    for record in reader.records((POLICIES,)):
        event: Event | None = None
        try:
            event = decode_canonical(POLICIES, record.value)
        except ValueError:
            continue
        if isinstance(event, LogStarted):
            return event
    return None
