"""Scales of pictures, and round numbers for ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """A line from *low* to *high* drawn from place *start* to place *end*."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Give the place of a value; of one beyond the ends, the end."""
        if self.high == self.low:
            return (self.start + self.end) / 2
        share = min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> list[float]:
        """Give round numbers between the ends, about so many."""
        step = round_step((self.high - self.low) / max(about, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [number * step for number in range(first, last + 1)]


def round_step(step: float) -> float:
    """Give the next of 1, 2 and 5 times a power of ten; 1 for a step that is none."""
    if not step > 0 or not math.isfinite(step):
        return 1.0
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * 0.999)


def around(values: Iterable[float], *, about: int = 5, least: float = 0.0) -> tuple[float, float]:
    """
    Give round ends around values.

    Args:
        values: May be empty.
        about: Number of steps between the ends.
        least: Smallest distance of the ends.
    """
    found = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    low, high = min(found), max(found)
    # Ends that are nearly equal beside their size would leave no room for steps.
    missing = max(least, 1e-6 * max(abs(low), abs(high)), 1e-9) - (high - low)
    if missing > 0:
        low, high = low - missing / 2, high + missing / 2
    step = round_step((high - low) / about)
    return math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
