"""Counts of one process, and places to read others from."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import get_args

from schemas.analyses import Attempt
from schemas.decisions import DecisionReasonV2
from schemas.event import Event
from schemas.letters import RejectionReason
from streams.instruments import names
from streams.instruments.call_totals import CALL_METRICS, CallTotals, readings
from streams.instruments.names import DECISION_BUCKETS_S, Metric

Labels = tuple[str, ...]
Reading = Callable[[], Iterable[tuple[Labels, float]]]
"""Gives labels and values of a metric when it is asked, from another thread."""

BUDGETS = ("question", "run")
LOSSES = ("no_room", "refused")
"""Reasons for which a span is lost."""


class Histogram:
    """
    Observations in buckets.

    Args:
        bounds: Upper bounds, ascending; a value above the last one counts in a bucket of its own.
    """

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        """Observations in each bucket alone."""
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value


class Meters:
    """
    Counts events as they are written, in plain integers; other numbers are read where they are kept.

    One thread counts. Another may read at any time: what it reads may be one event old, and is never torn.
    """

    def __init__(self) -> None:
        self.decision_seconds = Histogram(DECISION_BUCKETS_S)
        self._counts: dict[Metric, Counter[Labels]] = {}
        self._readings: dict[Metric, list[Reading]] = {}
        self._written: Counter[type[Event]] = Counter()
        self._calls: dict[str, CallTotals] = {}
        """Attempts, by agent."""
        self.read(names.EVENTS, self._events)
        for metric in CALL_METRICS:
            self.read(metric, partial(readings, metric, self._calls))
        # A counter that appears with its first count has no increase before it, so an alert on it would not fire.
        for limit in BUDGETS:
            self.add(names.BUDGET_REFUSALS, (limit,), 0)
        for reason in LOSSES:
            self.add(names.SPANS_LOST, (reason,), 0)
        self.add(names.SPANS_SENT, (), 0)
        self.add(names.STANDSTILLS, (), 0)

    def add(self, metric: Metric, labels: Labels, amount: int = 1) -> None:
        """Add to a counter."""
        counts = self._counts.get(metric)
        if counts is None:
            counts = self._counts[metric] = Counter()
        counts[labels] += amount

    def read(self, metric: Metric, reading: Reading) -> None:
        """Read a metric from elsewhere, whenever it is asked for."""
        self._readings.setdefault(metric, []).append(reading)

    def expect_decisions(self) -> None:
        """Show the counters of a process that decides, from zero on."""
        for reason in (reason for some in get_args(DecisionReasonV2) for reason in get_args(some)):
            for status in ("decided", "undecided"):
                self.add(names.DECISIONS, (status, reason), 0)

    def expect_letters(self) -> None:
        """Show the counters of a process that may reject records, from zero on."""
        for reason in get_args(RejectionReason):
            self.add(names.DEAD_LETTERS, (reason,), 0)

    def expect_agent(self, agent: str) -> None:
        """Show the counters of an agent, from zero on."""
        self._calls.setdefault(agent, CallTotals())

    def note_record(self, topic: str, kind: str) -> None:
        """Count the record of an event that was written."""
        self.add(names.EVENTS, (topic, kind))

    def note_event(self, event: Event) -> None:
        """Count an event that was written."""
        self._written[type(event)] += 1

    def note_events(self, events: Iterable[Event]) -> None:
        """Count many events, by class alone, because a fold writes thousands a second."""
        self._written.update(map(type, events))

    def _events(self) -> Iterator[tuple[Labels, float]]:
        for written, count in self._written.copy().items():
            yield (written.topic, written.model_fields["kind"].default), count

    def note_decision(self, status: str, reason: str) -> None:
        """Count a decision."""
        self.add(names.DECISIONS, (status, reason))

    def note_letter(self, reason: str) -> None:
        """Count a dead letter."""
        self.add(names.DEAD_LETTERS, (reason,))

    def note_waited(self, ms: int) -> None:
        """Count the time that a question waited for its decision."""
        self.decision_seconds.observe(max(0, ms) / 1000)

    def note_attempts(self, agent: str, attempts: Iterable[Attempt]) -> None:
        """Count the attempts behind an analysis."""
        totals = self._calls.get(agent)
        if totals is None:
            totals = self._calls[agent] = CallTotals()
        for attempt in attempts:
            totals.note(attempt)
            if attempt.outcome == "refused":
                limit, _, rest = (attempt.error or "").partition("_")
                if rest == "budget":
                    self.add(names.BUDGET_REFUSALS, (limit,))

    def values(self, metric: Metric) -> dict[Labels, float]:
        """Give the values of a counter or gauge now; of two with the same labels the larger one counts."""
        found: dict[Labels, float] = dict(self._counts.get(metric, {}))
        for reading in tuple(self._readings.get(metric, ())):
            for labels, value in reading():
                found[labels] = max(value, found.get(labels, value))
        return found
