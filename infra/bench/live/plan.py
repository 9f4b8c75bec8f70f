"""The plan of a live benchmark: clients, sizes, required extras."""

from dataclasses import dataclass
from typing import Literal

from streams.agents.providers.http import require
from streams.errors import OperatorError

Kind = Literal["litellm", "openai"]
KINDS: tuple[Kind, ...] = ("litellm", "openai")

WAYS = {
    # Client through which added latency is measured: its name in the table.
    "litellm": "litellm",
    "openai": "openai",
    "client": "baseline: the client of openai alone",
    "plain": "baseline: a plain connection",
}

SHARE_TARGET = 0.9
TARGET_IN_FLIGHT = 1_000
"""Calls in flight for which litellm has a target; other numbers have none."""

_OTHER_FILES = 100
"""Upper bound of the files a process has open besides its connections."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSizes:
    """Sizes of the measurements; figures of different sizes do not compare."""

    litellm_in_flight: int = 1_000
    openai_in_flight: int = 5_000
    flight_ms: int = 5_000
    """Latency of a call in the in-flight benchmark."""
    waves: int = 3
    """Calls of a steady run, as a multiple of those in flight; more than 2, for the first and last do not count."""
    added_calls: int = 300
    """Calls whose added latency is measured, at `added_per_s`."""
    added_per_s: int = 50
    added_ms: int = 200
    questions: int = 200
    one_by_one: int = 40
    """Of these, the questions asked one at a time; each run takes others."""
    panel_ms: int = 300
    panel_spread_ms: int = 100
    """Most that is added to that latency; it differs by call."""

    def in_flight(self, kind: Kind) -> int:
        """Calls in flight of this kind of agent."""
        return self.litellm_in_flight if kind == "litellm" else self.openai_in_flight


QUICK_LIVE = LiveSizes(
    litellm_in_flight=200, openai_in_flight=500, flight_ms=1_000, added_calls=150, questions=40, one_by_one=5
)


def steps(runs: int) -> int:
    """Say how many steps are reported: a run of each kind in flight, of each way, and of the panel."""
    return runs * (len(KINDS) + len(WAYS) + 1)


def check(sizes: LiveSizes) -> None:
    """
    Make sure that this machine can measure all of it.

    Raises:
        OperatorError: An extra is not installed, or a process may not open as many connections.
    """
    require("aiohttp", "openai", "openai")
    require("litellm", "litellm", "litellm")
    require("aiohttp", "models", "recorded")
    # Not on Windows, where aiohttp is.
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(map(sizes.in_flight, KINDS)) + _OTHER_FILES
    if most != resource.RLIM_INFINITY and most < wanted:
        raise OperatorError(
            f"{wanted:,} files are needed at a time, a connection each; this system allows a process {most:,}",
            remedy=f"Raise the hard limit (ulimit -Hn) to {wanted}, or measure with --quick",
        )
