"""
Router of the published experiment, in floats.

It is written from the formulas of the paper and the design page alone, and shares no code with the program. Each
question: rank all agents by their averages, seat the first three, observe every agent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

ALPHA = 0.2
SEATS = 3
CLOSE = 1e-6
"""Scores nearer to each other than this, and not equal, are told apart by floats and not by the integers of a log."""


class Seen(NamedTuple):
    """One observation of an agent, or what is believed of it; None: not observed, as the quality of a failed call."""

    quality: float | None
    latency_ms: float | None
    cost_usd: float | None
    stability: float | None


NOTHING = Seen(None, None, None, None)
COLD = {"weighted": Seen(0.5, 2_000.0, 0.0, 0.9), "lexicographic": Seen(0.5, 2_000.0, 1.0, 0.5)}
"""Averages before any observation."""


@dataclass
class Scripts:
    """
    The router of one of the two scripts.

    Args:
        rule: `weighted` or `lexicographic`.
        priority: All agents; the earlier one wins a tie.
    """

    rule: str
    priority: Sequence[str]
    known: dict[str, Seen] = field(default_factory=dict)

    def key(self, agent: str) -> tuple[float, ...]:
        """Give what the agents are sorted by, least first."""
        believed = zip(self.known.get(agent, NOTHING), COLD[self.rule], strict=True)
        q, latency, cost, s = (float(cold or 0) if value is None else value for value, cold in believed)
        if self.rule == "lexicographic":
            return -q, latency, cost, -s
        return (-(q + 0.1 * s - 0.3 * min(latency / 5_000, 3) - 0.1 * min(cost / 0.002, 3)),)

    def panel(self) -> tuple[str, ...]:
        """Seat the first three."""
        return tuple(sorted(self.priority, key=lambda a: (self.key(a), self.priority.index(a)))[:SEATS])

    def is_sharp(self) -> bool:
        """Whether no two agents are so close that rounding may tell them apart otherwise."""
        keys = [self.key(agent) for agent in self.priority]
        return not any(
            0 < abs(one - other) < CLOSE
            for number, mine in enumerate(keys)
            for theirs in keys[:number]
            for one, other in zip(mine[:1], theirs[:1], strict=True)
        )

    def observe(self, observed: Mapping[str, Seen]) -> None:
        """Move the averages of all agents; the first observation sets them."""
        for agent, seen in observed.items():
            self.known[agent] = Seen(*map(_moved, self.known.get(agent, NOTHING), seen))


def _moved(old: float | None, new: float | None) -> float | None:
    """Move one average."""
    if old is None or new is None:
        return old if new is None else new
    return old + ALPHA * (new - old)
