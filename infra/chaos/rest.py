"""A log at rest, and its replay by the program."""

import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from infra.chaos.client import Offsets
from infra.chaos.compaction import STAGES
from infra.chaos.outcome import EXIT_ENVIRONMENT
from infra.chaos.workers import SEATED, orch

SETTLE_S = 180.0
"""Longest wait until every question is decided and learned."""
_QUIET_S = 4.0
"""
Time without a new record after which a log counts as settled, although a stage that keeps no states lags behind.
Deadlines are checked more often than that.
"""
_STUCK_S = 45.0
"""Time without a new record after which open questions count as stuck."""

_LOOK_S = 0.2
_TELL_S = 10.0
"""Time between two progress messages."""
_REPLAY_S = 1_800


def settle(
    offsets: Offsets,
    open_now: Callable[[], int],
    pause: Callable[[float], bool],
    tell: Callable[[str], None],
    *,
    stages: Iterable[str] = (*STAGES, *SEATED),
) -> str:
    """
    Wait until every question is decided and learned.

    A log is at rest once each stage has committed all that it reads, for it commits after it has written what follows.
    Agents may lag behind for good, if the last question of a partition is one that was asked before; then time without
    a new record tells.

    Args:
        open_now: Gives the number of questions without a decision.
        pause: Waits so many seconds, and says whether all workers are at work.
        stages: Those that run.

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
        elif not open_now() and not lags(offsets, stages):
            return ""
        elif silent_s > (_STUCK_S if open_now() else _QUIET_S) and not lags(offsets):
            return f"{open_now()} questions are open, and nothing happens" if open_now() else ""
    return f"after {SETTLE_S:g} s {open_now()} questions are open, and behind are {lags(offsets)}"


def lags(offsets: Offsets, stages: Iterable[str] = STAGES) -> dict[str, int]:
    """Count uncommitted records of stages, by stage and partition."""
    return {
        f"{stage}: {topic}/{partition}": lag
        for stage, places in offsets.lags(stages).items()
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
