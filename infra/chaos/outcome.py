"""The outcome of a trial under faults."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from infra.chaos.checker import Report
from infra.chaos.faults import Fault
from infra.chaos.removal import Removal
from infra.chaos.supervisor import Exit
from infra.chaos.trial_spec import TrialSpec

EXIT_ENVIRONMENT = 3
"""Exit code of a worker that finds no broker when it starts."""


EXIT_WRONG = 4
"""Exit code of a trial that found something wrong."""


@dataclass(frozen=True, slots=True)
class TrialOutcome:
    """The outcome of a trial."""

    plan: TrialSpec
    faults: list[Fault]
    unsettled: str
    """Reason the log did not come to rest; empty if it did."""
    exits: list[Exit]
    """Workers that ended by themselves."""
    ended: dict[str, int | None]
    """Exit codes at the end."""
    told: dict[str, int]
    """Counts of the workers' log events."""
    delays: dict[str, float]
    report: Report
    replay: dict[str, Any]
    seconds: float
    starts: dict[str, int]
    """Starts of workers by the disk they found."""
    removal: Removal | None
    """Records that compaction removed; None without compaction."""

    @property
    def right(self) -> bool:
        """
        Whether check, replay, exit codes and log lines of the workers show nothing wrong.

        With compaction it must also be proved that every stage had its changelogs compacted and took them over.
        """
        ends = set(self.ended.values()) <= {0} and all(one.code == EXIT_ENVIRONMENT for one in self.exits)
        proved = self.removal is None or not self.removal.lacking()
        return proved and self.report.right and not self.unsettled and ends and not self.replay.get("different")

    def as_json(self) -> dict[str, Any]:
        """Give all figures, but not the faults and exits one by one."""
        hit = [fault for fault in self.faults if fault.counts]
        return {
            "right": self.right,
            "plan": asdict(self.plan),
            "seconds": round(self.seconds, 1),
            "faults": dict(Counter(fault.kind for fault in hit)),
            "faults_that_hit_nothing": len(self.faults) - len(hit),
            "open_at_faults": spread([fault.open for fault in hit]),
            "lag_at_faults": spread([fault.lag for fault in hit if fault.held]),
            "held_at_faults": dict(Counter(stage for f in hit for stage in {one.split("/")[0] for one in f.held})),
            "unsettled": self.unsettled,
            "ended_by_themselves": dict(Counter(one.why for one in self.exits)),
            "exit_codes": self.ended,
            "starts": self.starts,
            "compaction": self.removal.as_json() if self.removal else None,
            "log_lines": self.told,
            "question_to_decision": self.delays,
            "log": self.report.figures,
            "wrong": self.report.wrong,
            "examples": self.report.examples,
            "replay": self.replay,
        }


def spread(values: list[int]) -> dict[str, int]:
    """Sum up values."""
    ordered = sorted(values)
    return {"min": ordered[0], "median": ordered[len(ordered) // 2], "max": ordered[-1]} if ordered else {}
