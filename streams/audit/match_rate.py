"""Match rate: how often agents give the recorded answer again."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

Again = Literal["equal", "different", "unreadable", "failed", "refused", "other request"]
"""
What became of a recorded request.

`unreadable`: a reply from which no answer is read, where one was recorded. `refused`: a budget, a circuit breaker or a
time limit did not allow the call. `other request`: this program would not send the recorded request, so none was sent.
"""


@dataclass(slots=True)
class MatchRate:
    """Requests asked again, of one agent or of all."""

    fates: Counter[Again] = field(default_factory=Counter)
    same_text: int = 0
    """Equal answers whose whole text is the recorded one."""
    errors: Counter[str] = field(default_factory=Counter)
    """Failed and refused requests by class of error."""
    calls: int = 0
    cost_nusd: int = 0
    unpriced_calls: int = 0

    @property
    def answered(self) -> int:
        """Requests that were answered, readable or not."""
        return self.fates["equal"] + self.fates["different"] + self.fates["unreadable"]

    @property
    def rate(self) -> float | None:
        """
        Share of the answered requests with the recorded answer; None if none was answered.

        It says how often a model agrees with itself, not that anything can be reproduced: a provider may have changed
        the model, and models answer by chance.
        """
        return self.fates["equal"] / self.answered if self.answered else None

    def as_json(self) -> dict[str, Any]:
        """Give the counts, and the match rate."""
        return {
            "asked": self.fates.total(),
            "answered": self.answered,
            "equal": self.fates["equal"],
            "same_text": self.same_text,
            "different": self.fates["different"],
            "unreadable": self.fates["unreadable"],
            "failed": self.fates["failed"],
            "refused": self.fates["refused"],
            "other_request": self.fates["other request"],
            "match_rate": self.rate,
            "errors": dict(sorted(self.errors.items())),
            "calls": self.calls,
            "cost_nusd": self.cost_nusd,
            "unpriced_calls": self.unpriced_calls,
        }


@dataclass(slots=True)
class Requery:
    """
    Recorded requests asked again.

    Attributes:
        eligible: Requests of the log that can be asked again: of live agents, with an answer that was read.
        chosen: Those that were chosen, spread evenly over the log.
        recorded_nusd: What the chosen ones cost when they were recorded, as far as that is known.
        most_nusd: The most that one call for each of them can cost now; None if an agent has no price.
        limit_nusd: Limit on the cost of all calls; None: there is none.
    """

    eligible: int
    chosen: int
    recorded_nusd: int
    most_nusd: int | None
    limit_nusd: int | None
    total: MatchRate = field(default_factory=MatchRate)
    agents: dict[str, MatchRate] = field(default_factory=dict)
    changed: list[tuple[str, str, str, str | None]] = field(default_factory=list)
    """Question, agent, recorded answer and new answer of those that differ; None for an unreadable one."""

    def as_json(self) -> dict[str, Any]:
        """Give the contract of `orch replay --requery --format json`."""
        return {
            "eligible": self.eligible,
            "chosen": self.chosen,
            "recorded_cost_nusd": self.recorded_nusd,
            "most_cost_nusd": self.most_nusd,
            "limit_nusd": self.limit_nusd,
            **self.total.as_json(),
            "agents": {name: rate.as_json() for name, rate in sorted(self.agents.items())},
            "changed": [
                {"question_id": question_id, "agent": agent, "recorded": recorded, "again": again}
                for question_id, agent, recorded, again in self.changed
            ],
        }


def spread(eligible: int, wanted: int) -> frozenset[int]:
    """
    Choose which of the eligible requests are asked, by their numbers from 0.

    They are the middles of *wanted* equal parts, so the same log gives the same choice; all of them if there are fewer.
    """
    parts = min(eligible, wanted)
    return frozenset((2 * part + 1) * eligible // (2 * parts) for part in range(parts))
