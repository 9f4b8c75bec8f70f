"""Counters of a process's calls: in flight, ended and cost."""

from dataclasses import dataclass

from schemas.analyses import Attempt


@dataclass(slots=True)
class CallProgress:
    """Counters for progress displays, of calls that take wall time only; the log has the full account."""

    in_flight: int = 0
    ended: int = 0
    """Finished calls, successful or not."""
    failed: int = 0
    """Finished calls without a usable reply."""
    refused: int = 0
    """Calls that were not made, because of the budget, the circuit breaker or the question's deadline."""
    cost_nusd: int = 0
    """Sum of the known costs."""
    unpriced: int = 0
    """Finished calls of unknown cost."""

    def begin(self) -> None:
        """Count a call that begins."""
        self.in_flight += 1

    def end(self) -> None:
        """Count a call as no longer in flight, whatever its outcome."""
        self.in_flight -= 1

    def note(self, attempt: Attempt) -> None:
        """Count an attempt by its outcome."""
        if attempt.outcome == "refused":
            self.refused += 1
            return
        self.ended += 1
        self.failed += attempt.outcome != "ok"
        self.cost_nusd += attempt.cost_nusd or 0
        self.unpriced += attempt.cost_nusd is None
