"""Totals of the calls of each agent."""

from collections import Counter
from collections.abc import Iterator, Mapping

from schemas.analyses import Attempt
from streams.instruments import names
from streams.instruments.names import Metric


class CallTotals:
    """
    Sums over the attempts to call one agent.

    An analysis changes six numbers; as attributes of one object they cost less than as counters with labels, which are
    put on when somebody reads (decision 145).
    """

    __slots__ = ("input_tokens", "ms", "ok", "others", "output_tokens", "spent_nusd", "unpriced")

    def __init__(self) -> None:
        self.ok = 0
        self.others: Counter[str] = Counter()
        """Other attempts, by class of error; refused ones are among them."""
        self.ms = 0
        self.spent_nusd = 0
        self.unpriced = 0
        self.input_tokens: int | None = None
        """None until a provider reports some."""
        self.output_tokens: int | None = None

    def note(self, attempt: Attempt) -> None:
        """Count an attempt; a refused one took no time and cost nothing."""
        if attempt.outcome == "ok":
            self.ok += 1
        else:
            self.others[attempt.error or attempt.outcome] += 1
            if attempt.outcome == "refused":
                return
        self.ms += attempt.latency_ms
        if attempt.cost_nusd is None:
            self.unpriced += 1
        else:
            self.spent_nusd += attempt.cost_nusd
        if attempt.input_tokens is not None:
            self.input_tokens = (self.input_tokens or 0) + attempt.input_tokens
        if attempt.output_tokens is not None:
            self.output_tokens = (self.output_tokens or 0) + attempt.output_tokens

    def of(self, metric: Metric) -> Iterator[tuple[tuple[str, ...], float]]:
        """Give the values of a metric, with its labels behind that of the agent."""
        if metric is names.ATTEMPTS:
            yield ("ok",), self.ok
            for outcome, count in self.others.copy().items():
                yield (outcome,), count
        elif metric is names.CALL_SECONDS:
            yield (), self.ms / 1000
        elif metric is names.SPEND:
            yield (), self.spent_nusd
        elif metric is names.UNPRICED:
            yield (), self.unpriced
        else:
            for direction, tokens in (("input", self.input_tokens), ("output", self.output_tokens)):
                if tokens is not None:
                    yield (direction,), tokens


CALL_METRICS = (names.ATTEMPTS, names.CALL_SECONDS, names.SPEND, names.UNPRICED, names.TOKENS)
"""Metrics that the totals give."""


def readings(metric: Metric, calls: Mapping[str, CallTotals]) -> Iterator[tuple[tuple[str, ...], float]]:
    """Give the values of a metric for every agent; another thread may count meanwhile."""
    for agent, totals in tuple(calls.items()):
        for labels, value in totals.of(metric):
            yield (agent, *labels), value
