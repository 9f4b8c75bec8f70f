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
"""Longest wait until everything is decided and learned."""
QUIET_S = 4.0
"""Time without a new record after which nothing more is expected; a deadline is looked at more often."""
_STUCK_S = 45.0
"""Time without a new record after which nothing more is hoped for, though questions are open."""

_LOOK_S = 0.5
_TELL_S = 10.0
"""Time between two words on a log that comes to rest."""
_REPLAY_S = 1_800


def settle(
    offsets: Offsets,
    open_now: Callable[[], int],
    pause: Callable[[float], bool],
    tell: Callable[[str], None],
    quiet_s: float = QUIET_S,
) -> str:
    """
    Wait until everything is decided and learned.

    Args:
        open_now: Questions that should be decided and are not.
        pause: Lets so many seconds pass, and says whether all workers are at work.
        quiet_s: Time without a new record that is enough.

    Returns:
        Why that did not come; nothing if it did.
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
    """Count what the stages that fold have not committed, by place."""
    return {
        f"{stage}: {topic}/{partition}": lag
        for stage, places in offsets.lags(STAGES).items()
        for (topic, partition), lag in places.items()
        if lag
    }


def replayed(folder: Path, url: str) -> dict[str, Any]:
    """Have the program derive everything again; give what it says."""
    done = orch(folder, "--log", url, "--format", "json", "replay", limit_s=_REPLAY_S)
    said = done.stderr.decode("utf-8", "replace").strip()
    if done.returncode == EXIT_ENVIRONMENT:
        return {"skipped": said}
    found: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"different": said or done.returncode}
    return found
