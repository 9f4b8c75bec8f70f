"""Sums over a log, read once and then kept up."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import orjson

from schemas.event import Event
from schemas.registry import InvalidRecord, decode
from streams.app.new_records import new_records
from streams.app.workspace import Workspace
from streams.audit.entry_lookup import event_id_of, sequence_of
from streams.errors import OrchError
from streams.log import Record
from streams.serve.pages.figures.call_sums import SpendSums
from streams.serve.pages.figures.courses import Courses
from streams.serve.pages.figures.noted import Noted
from streams.serve.pages.figures.seat_sums import SubjectSums
from streams.topology import ANALYSES, CHECKPOINTS, DEAD_LETTERS, DECISIONS, POLICIES, ROUTER, WEIGHTS

SUMMED = (ANALYSES, CHECKPOINTS, DEAD_LETTERS, DECISIONS, POLICIES, ROUTER, WEIGHTS)

POLL_S = 1.0
"""Seconds between two looks for new records."""

REST_S = 0.003
"""Rest after each portion of the first reading, in which pages are answered."""

UNRESTED = 10_000
"""Records of a small log, which is read without a rest."""

PATIENCE_S = 0.25
"""What the first page of a server waits for the sums of a small log."""

REMEMBERED_IDS = 100_000
"""Ids of events by which a repeat on Kafka is known; it comes soon after the first, or not at all."""


@dataclass(frozen=True, slots=True)
class TallyState:
    """How much of the log the sums hold."""

    complete: bool
    records: int
    unreadable: int
    """Records that are no events, or were changed."""
    failure: OrchError | None
    """Why no more is read."""
    read_at_ms: int
    """When the log was last looked at, in milliseconds since 1970."""


class LogTally:
    """
    Sums over a log for its pages, so that no page reads the log.

    A thread reads the log from its beginning when the first page asks, and then what is new, every second. What it
    keeps has bounds that do not grow with the log.

    Args:
        work: Workspace of the log.
    """

    def __init__(self, work: Workspace) -> None:
        self._work = work
        self._repeats = work.log.scheme == "kafka"
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._begin = threading.Lock()
        self._begun = self._stopped = False
        self._wake = threading.Event()
        self.lock = threading.Lock()
        """Held while records are added; who reads the sums holds it, too."""
        self.complete = threading.Event()
        """Set when the sums are those of the whole log, or reading has failed."""
        self._records = self._unreadable = self._read_at_ms = 0
        self._failure: OrchError | None = None
        self.spend, self.seats, self.courses, self.noted = SpendSums(), SubjectSums(), Courses(), Noted()
        self._taking: dict[str, Callable[[Record], None]] = {
            ANALYSES: lambda record: self.spend.add(orjson.loads(record.value)),
            CHECKPOINTS: lambda record: self.noted.take_checkpoint(self._event(record)),
            DEAD_LETTERS: lambda record: self.noted.take_letter(record.offset, self._event(record)),
            DECISIONS: self._decision,
            POLICIES: lambda record: self.noted.policies.append(self._event(record)),
            ROUTER: self.courses.add,
            WEIGHTS: self._weights,
        }

    def ready(self, patience_s: float = PATIENCE_S) -> None:
        """Begin to read, if nobody has; wait a moment for the whole log."""
        with self._begin:
            if not self._begun:
                self._begun = True
                threading.Thread(target=self._follow, name="orch-tally", daemon=True).start()
        self.complete.wait(patience_s)

    def state(self) -> TallyState:
        """Say how much of the log the sums hold."""
        return TallyState(self.complete.is_set(), self._records, self._unreadable, self._failure, self._read_at_ms)

    def poke(self) -> None:
        """Look for new records at once."""
        self._wake.set()

    def stop(self) -> None:
        """Stop reading soon."""
        self._stopped = True
        self._wake.set()

    def _follow(self) -> None:
        try:
            with new_records(self._work, SUMMED) as look:
                while not self._stopped:
                    for portion in look():
                        self.take(portion)
                        if not self.complete.is_set() and self._records > UNRESTED:
                            time.sleep(REST_S)
                    self._read_at_ms = time.time_ns() // 1_000_000
                    self.complete.set()
                    if self._work.log.scheme == "parquet":
                        return
                    self._wake.wait(POLL_S)
                    self._wake.clear()
        except OrchError as error:
            self._failure = error
        finally:
            self.complete.set()

    def take(self, records: Sequence[Record]) -> None:
        """Add records to the sums."""
        with self.lock:
            for record in records:
                self._records += 1
                if self._repeats and self._known(record):
                    continue
                try:
                    self._taking[record.topic](record)
                except (InvalidRecord, KeyError, TypeError, ValueError):
                    # A replay says where; sums go on without it.
                    self._unreadable += 1

    def _known(self, record: Record) -> bool:
        event_id = event_id_of(record.value)
        if event_id in self._seen:
            return True
        self._seen[event_id] = None
        if len(self._seen) > REMEMBERED_IDS:
            self._seen.popitem(last=False)
        return False

    def _event(self, record: Record) -> Event:
        return decode(record.topic, record.value, record.timestamp_ms)

    def _decision(self, record: Record) -> None:
        decision = orjson.loads(record.value)
        self.seats.add(decision)
        self.noted.take_decision(decision)

    def _weights(self, record: Record) -> None:
        before = self.noted.weights.get(record.key)
        if before is None or sequence_of(record.value) >= sequence_of(before.value):
            self.noted.weights[record.key] = record
