"""Statistics of one agent, in constant memory."""

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from schemas.analyses import AnalysisPublished, Attempt

_DIGITS = 3
"""Digits of a latency that are kept: within half a percent, in at most 900 counters to each power of ten."""


@dataclass(slots=True)
class Latencies:
    """Latencies counted by rounded value, for percentiles; the same calls give the same percentiles."""

    counts: Counter[int] = field(default_factory=Counter)
    """By latency in milliseconds, rounded to three digits."""

    def add(self, latency_ms: int) -> None:
        """Count one call."""
        unit = 10 ** max(len(str(latency_ms)) - _DIGITS, 0)
        self.counts[(latency_ms + unit // 2) // unit * unit] += 1

    def at(self, percent: int) -> int | None:
        """Give the latency in milliseconds that *percent* of the calls did not exceed; None without calls."""
        wanted = -(-self.counts.total() * percent // 100)
        seen = 0
        for latency_ms in sorted(self.counts):
            seen += self.counts[latency_ms]
            if seen >= wanted:
                return latency_ms
        return None


@dataclass(slots=True)
class AgentStats:
    """One agent over the questions it was asked."""

    asked: int = 0
    """Questions it analysed."""
    graded: int = 0
    """Of these, questions whose right answer is known."""
    right: int = 0
    calls: int = 0
    """Attempts in any role, of the analyses that decisions rest on."""
    shadow_calls: int = 0
    """Attempts in shadow seats, beside the panel; in none of the other counts of calls, tokens and costs."""
    failed: Counter[str] = field(default_factory=Counter)
    """Failed calls by class of the error; `timeout` if the time limit ended the call."""
    refused: int = 0
    """Attempts that were not made: a budget, an open circuit breaker or a time limit forbade them."""
    input_tokens: int = 0
    """Known input tokens."""
    output_tokens: int = 0
    cost_nusd: int = 0
    """Known part of the cost."""
    unpriced_calls: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    """Latencies of the calls that gave a reply."""

    @property
    def accuracy(self) -> float | None:
        """Share of the graded questions answered rightly; without an answer a question counts as wrong."""
        return self.right / self.graded if self.graded else None

    def add(self, analysis: AnalysisPublished) -> None:
        """Add the attempts for one seat."""
        for attempt in analysis.attempts:
            self._add(attempt)

    def add_shadow(self, analysis: AnalysisPublished) -> None:
        """Add the attempts for one seat beside the panel."""
        self.shadow_calls += analysis.calls

    def _add(self, attempt: Attempt) -> None:
        if attempt.outcome == "refused":
            self.refused += 1
            return
        self.calls += 1
        if attempt.outcome == "ok":
            self.latencies.add(attempt.latency_ms)
        else:
            self.failed[attempt.error or attempt.outcome] += 1
        self.input_tokens += attempt.input_tokens or 0
        self.output_tokens += attempt.output_tokens or 0
        self.cost_nusd += attempt.cost_nusd or 0
        self.unpriced_calls += attempt.cost_nusd is None

    def as_json(self) -> dict[str, Any]:
        """Give the agent's part of the contract of `orch run --format json`."""
        return {
            "accuracy": self.accuracy,
            "calls": self.calls,
            "shadow_calls": self.shadow_calls,
            "questions": self.asked,
            "failed": dict(self.failed),
            "refused": self.refused,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": float(Decimal(self.cost_nusd) / 10**9),
            "unpriced_calls": self.unpriced_calls,
            "latency_ms": {"p50": self.latencies.at(50), "p95": self.latencies.at(95)},
        }
