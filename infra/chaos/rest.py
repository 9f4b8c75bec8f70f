"""A log at rest, and its replay by the program."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from infra.chaos.client import Offsets
from infra.chaos.compaction import STAGES
from infra.chaos.outcome import EXIT_ENVIRONMENT
from infra.chaos.workers import orch

SETTLE_S = 180.0
"""Longest wait until every question is decided and learned."""
QUIET_S = 4.0
"""Time without a new record after which a log counts as settled; deadlines are checked more often than that."""
_STUCK_S = 45.0
"""Time without a new record after which open questions count as stuck."""

_LOOK_S = 0.5
_TELL_S = 10.0
"""Time between two progress messages."""
_REPLAY_S = 1_800


def settle(
    offsets: Offsets,
    open_now: Callable[[], int],
    pause: Callable[[float], bool],
    tell: Callable[[str], None],
    quiet_s: float = QUIET_S,
) -> str:
    """
    Wait until every question is decided and learned.

    Args:
        open_now: Gives the number of questions without a decision.
        pause: Waits so many seconds, and says whether all workers are at work.
        quiet_s: Time without a new record after which the log counts as settled.

    Returns:
        Reason the log did not settle; empty if it did.
    """
    limit = time.monotonic() + SETTLE_S
    ends, since = offsets.ends(), time.monotonic()
    told = since
    while time.monotonic() < limit:
        at_work = pause(_LOOK_S)
        now = offsets.ends()
        if time.monotonic() - told > _TELL_S:
            told = time.monotonic()
            tell(f"{open_now()} questions are open; {sum(lags(offsets).values())} records are not committed")
        silent_s = time.monotonic() - since
        if now != ends or not at_work:
            ends, since = now, time.monotonic()
        elif silent_s > (_STUCK_S if open_now() else quiet_s) and not lags(offsets):
            return f"{open_now()} questions are open, and nothing happens" if open_now() else ""
    return f"after {SETTLE_S:g} s {open_now()} questions are open, and behind are {lags(offsets)}"


def lags(offsets: Offsets) -> dict[str, int]:
    """Count uncommitted records of the folding stages, by stage and partition."""
    return {
        f"{stage}: {topic}/{partition}": lag
        for stage, places in offsets.lags(STAGES).items()
        for (topic, partition), lag in places.items()
        if lag
    }


def replayed(folder: Path, url: str) -> dict[str, Any]:
    """Have the program replay the log; give its output."""
    done = orch(folder, "--log", url, "--format", "json", "replay", limit_s=_REPLAY_S)
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == EXIT_ENVIRONMENT:
        return {"skipped": said}
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"different": said or done.returncode}
    return found
