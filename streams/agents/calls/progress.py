"""Counters of a process's calls: in flight, ended and cost."""

from dataclasses import dataclass

from schemas.analyses import Attempt


@dataclass(slots=True)
class CallProgress:
    """Counts for whoever waits; of calls that take wall time alone. The log has the full account."""

    in_flight: int = 0
    ended: int = 0
    """Calls that came to an end, well or not."""
    failed: int = 0
    """Those of them that gave nothing."""
    refused: int = 0
    """Calls that were not made: no room in the budget, or an agent that failed too often."""
    cost_nusd: int = 0
    """What is known of their cost."""
    unpriced: int = 0
    """Calls whose cost is not known."""

    def begin(self) -> None:
        """Count a call that begins."""
        self.in_flight += 1

    def end(self) -> None:
        """Count a call as no longer under way, however it went."""
        self.in_flight -= 1

    def note(self, attempt: Attempt) -> None:
        """Count what became of an attempt."""
        if attempt.outcome == "refused":
            self.refused += 1
            return
        self.ended += 1
        self.failed += attempt.outcome != "ok"
        self.cost_nusd += attempt.cost_nusd or 0
        self.unpriced += attempt.cost_nusd is None
