"""The plan of a live benchmark: clients, sizes, required extras."""

from dataclasses import dataclass
from typing import Literal

from streams.agents.providers.http import require
from streams.errors import OperatorError

Kind = Literal["litellm", "openai"]
KINDS: tuple[Kind, ...] = ("litellm", "openai")

WAYS = {
    # Way in which the added latency is measured: how the table calls it.
    "litellm": "litellm",
    "openai": "openai",
    "client": "baseline: the client of openai alone",
    "plain": "baseline: a plain connection",
}

SHARE_TARGET = 0.9
TARGET_IN_FLIGHT = 1_000
"""The target names litellm, and so many calls in flight; with any other number there is none."""

_OTHER_FILES = 100
"""Files a process has open besides its connections, generously."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSizes:
    """How much is measured; figures of different sizes do not compare."""

    litellm_in_flight: int = 1_000
    openai_in_flight: int = 5_000
    flight_ms: int = 5_000
    """Time of a call while so many are in flight."""
    waves: int = 3
    """Calls of a steady run, as a multiple of those in flight; more than 2, for the first and last do not count."""
    added_calls: int = 300
    """Calls whose added latency is measured, at `added_per_s`."""
    added_per_s: int = 50
    added_ms: int = 200
    questions: int = 200
    one_by_one: int = 40
    """Of these, in each run other ones: those that are asked one at a time."""
    panel_ms: int = 300
    panel_spread_ms: int = 100
    """At most added to it, for each call its own."""

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
    Make sure that all this can be measured here.

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
