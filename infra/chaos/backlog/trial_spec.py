"""The plan of a backlog, and its outcome."""

import random
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from infra.chaos.checker import Report
from infra.chaos.disks import Disk
from infra.chaos.outcome import EXIT_ENVIRONMENT, spread
from infra.chaos.removal import Removal
from infra.chaos.supervisor import Exit
from infra.chaos.workers import ENGINES

Kind = Literal["start", "kill", "zombie", "outage"]

_POLICY = """\
[policy]
policy_id = "backlog"
# Nothing but agents decides here.
deadline_ms = 86_400_000

# Panels differ by what the router knows, so a second one would be another one.
[routing]
panel_size = 3

[merge]
rule = "odds"
stages = [3]
quorum = 2
[odds]
cascade = false

[[agents]]
kind = "simulated"
name = "at-once"
[[agents]]
kind = "simulated"
name = "failing"
failure_ppb = 100_000_000
limits = {{ timeout_ms = 2_000, max_attempts = 1 }}
# It sits on every panel, and leaves the time to take the agents away before a question is decided.
[[agents]]
kind = "simulated"
name = "slow"
latency_ms = {slow_ms}
waits = true
limits = {{ timeout_ms = 120_000, max_attempts = 1 }}
"""


@dataclass(frozen=True, slots=True)
class BacklogSpec:
    """The plan of a backlog; the seed fixes every choice in it but the moments."""

    questions: int
    """Questions open during all troubles; a tenth as many are decided before."""
    starts: int
    """Workers ended in order and started again, each on a log that was compacted since the last start."""
    kills: int
    zombies: int
    """Workers suspended until others own their partitions and compaction ran, and then continued."""
    outages: int
    """
    Kills of all workers at once, each on a log that was compacted since the last start; nobody comes back with a copy.

    Only these are sure to show an owner of each stage that has nothing but a compacted changelog.
    """
    seed: int
    engine: str = ENGINES[0]
    slow_ms: int = 3_000
    """Median time of each panel's slowest agent; a call takes half to twice as long."""
    burst: int = 20
    """Questions asked again, and feedback given, at each trouble."""
    factor: float = 1.0
    """Part of their usual time that sessions and pauses last."""

    @property
    def before(self) -> int:
        """Questions decided before the troubles, so that the router table has entries."""
        return max(6, self.questions // 10)

    @property
    def policy(self) -> str:
        """The configuration."""
        return _POLICY.format(slow_ms=self.slow_ms)

    def troubles(self) -> list[Kind]:
        """List the troubles in their order."""
        kinds: list[Kind] = ["start"] * self.starts
        kinds += ["kill"] * self.kills
        kinds += ["zombie"] * self.zombies
        kinds += ["outage"] * self.outages
        random.Random(self.seed).shuffle(kinds)
        return kinds


@dataclass(slots=True)
class Trouble:
    """One trouble and the workers it hit."""

    kind: Kind
    target: str
    at_s: float
    open: int
    """Questions without a decision."""
    lag: int
    """Records that the stages had not committed."""
    disk: Disk = "same"
    """Kind of disk that they find at their next start."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a backlog."""

    plan: BacklogSpec
    troubles: list[Trouble]
    half_answered: int
    """Open questions with some of their analyses in the log."""
    open_after: int
    """Questions without a decision when the agents came back."""
    again_after: int
    """Open or decided questions that were asked again after the last trouble."""
    unsettled: str
    """Reason the log did not settle; empty if it did."""
    exits: list[Exit]
    ended: dict[str, int | None]
    starts: dict[str, int]
    """Starts of workers by the disk they found."""
    told: dict[str, int]
    removal: Removal
    report: Report
    replay: dict[str, Any]
    seconds: float

    @property
    def right(self) -> bool:
        """Whether nothing is wrong, and every planned trouble happened with open questions."""
        met = not self.removal.lacking(owners=self.plan.outages > 0) and all(
            one.open >= self.plan.questions for one in self.troubles
        )
        met = met and len(self.troubles) >= len(self.plan.troubles())
        met = met and min(self.again_after, self.report.figures["late_feedback"], self.open_after) > 0
        ends = set(self.ended.values()) <= {0} and all(one.code == EXIT_ENVIRONMENT for one in self.exits)
        replayed = not self.replay.get("different") and not self.replay.get("pending")
        return met and ends and replayed and self.report.right and not self.unsettled

    def as_json(self) -> dict[str, Any]:
        """Give all figures, but not the troubles and exits one by one."""
        return {
            "right": self.right,
            "plan": asdict(self.plan),
            "seconds": round(self.seconds, 1),
            "troubles": dict(Counter(one.kind for one in self.troubles)),
            "open_at_troubles": spread([one.open for one in self.troubles]),
            "lag_at_troubles": spread([one.lag for one in self.troubles]),
            "half_answered": self.half_answered,
            "open_after": self.open_after,
            "asked_again_after": self.again_after,
            "starts": self.starts,
            "compaction": self.removal.as_json(),
            "unsettled": self.unsettled,
            "ended_by_themselves": dict(Counter(one.why for one in self.exits)),
            "exit_codes": self.ended,
            "log_lines": self.told,
            "log": self.report.figures,
            "wrong": self.report.wrong,
            "examples": self.report.examples,
            "replay": self.replay,
        }
