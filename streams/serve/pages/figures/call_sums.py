"""Spend and latency of calls, by agent and day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from streams.audit.agent_stats import Latencies

MOST_DAYS = 92
"""Days that are kept apart; older ones count in the sums of agents alone."""

MOST_AGENTS = 500
"""Agents that are kept apart; calls of others are counted together."""

OTHERS = "(other agents)"

SHADOW_STAGE = 1_000
"""Stage of seats beside the panel."""


@dataclass(slots=True)
class CallSums:
    """Calls of one agent: those of the panel, of dispatcher and merge agent, and of shadow seats."""

    calls: int = 0
    shadow_calls: int = 0
    """Of the calls, those beside the panel."""
    failed: int = 0
    refused: int = 0
    """Attempts that were not made: a budget, an open circuit breaker or a time limit forbade them."""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_nusd: int = 0
    """Known part of the cost."""
    unpriced_calls: int = 0
    latencies: Latencies = field(default_factory=Latencies)
    """Of the calls that gave a reply."""

    def add(self, attempt: Mapping[str, Any], *, shadow: bool) -> None:
        """Count one attempt of an analysis."""
        outcome = attempt["outcome"]
        if outcome == "refused":
            self.refused += 1
            return
        self.calls += 1
        self.shadow_calls += shadow
        if outcome == "ok":
            self.latencies.add(attempt["latency_ms"])
        else:
            self.failed += 1
        cost_nusd = attempt.get("cost_nusd")
        self.cost_nusd += cost_nusd or 0
        self.unpriced_calls += cost_nusd is None
        self.input_tokens += attempt.get("input_tokens") or 0
        self.output_tokens += attempt.get("output_tokens") or 0


class SpendSums:
    """Sums of calls by agent, and of the newest days by day and agent."""

    def __init__(self) -> None:
        self.agents: dict[str, CallSums] = {}
        self.days: dict[str, dict[str, CallSums]] = {}
        """By day (UTC, `2026-11-29`) and agent."""
        self.before: str | None = None
        """The newest day that is not kept apart any more; None while all are."""

    def add(self, analysis: Mapping[str, Any]) -> None:
        """Count the attempts of one analysis."""
        agent, day = analysis["agent"], analysis["occurred_at"][:10]
        if agent not in self.agents and len(self.agents) >= MOST_AGENTS:
            agent = OTHERS
        shadow = analysis["stage"] == SHADOW_STAGE
        sums = [self.agents.setdefault(agent, CallSums())]
        if self.before is None or day > self.before:
            sums.append(self.days.setdefault(day, {}).setdefault(agent, CallSums()))
        for attempt in analysis["attempts"]:
            for each in sums:
                each.add(attempt, shadow=shadow)
        if len(self.days) > MOST_DAYS:
            self.before = min(self.days)
            del self.days[self.before]
