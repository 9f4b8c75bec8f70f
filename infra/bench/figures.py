"""
Benchmark figures and the machine they were measured on.

A figure is a series of runs beside its target.
"""

import os
import platform
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One quantity, measured several times; the median is what counts."""

    bench: str
    name: str
    unit: str
    values: tuple[float, ...]
    target: float | None = None
    more_is_better: bool = True
    note: str = ""
    """Description of the measurement, for a person who repeats it."""

    @property
    def median(self) -> float:
        """The middle of all runs."""
        return median(self.values)

    @property
    def met(self) -> bool | None:
        """Whether the median reaches the target; None where there is none."""
        if self.target is None:
            return None
        return self.median >= self.target if self.more_is_better else self.median <= self.target

    def as_json(self) -> dict[str, Any]:
        """Give the figure as plain JSON."""
        return {
            "bench": self.bench,
            "name": self.name,
            "unit": self.unit,
            "median": self.median,
            "min": min(self.values),
            "max": max(self.values),
            "values": list(self.values),
            "target": self.target,
            "met": self.met,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True)
class Sizes:
    """Sizes of the measurements; figures of different sizes do not compare."""

    runs: int = 5
    decided: int = 5_000
    """Questions of one run."""
    paired: int = 1_500
    """Questions of a run that is compared with the one beside it."""
    one_by_one: int = 500
    """Questions of a run that asks one at a time."""
    waiting: int = 1_500
    """Questions of a run whose agents wait."""
    open: tuple[int, ...] = (1, 50, 200)
    """Questions open at a time in that run."""
    replayed: int = 100_000
    """Events of the log that is replayed."""
    small: int = 100_000
    large: int = 1_000_000
    """Events of the two logs whose memory is compared."""


QUICK = Sizes(
    runs=3, decided=1_000, paired=200, one_by_one=200, waiting=500, replayed=100_000, small=20_000, large=100_000
)


def machine(directory: Path) -> dict[str, Any]:
    """Describe what the figures depend on: processors, versions, and the file system of the logs."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return {
        "cores": usable,
        "processor": _processor(),
        "system": f"{platform.system()} {platform.release()}",
        "python": sys.version.split()[0],
        "sqlite": sqlite3.sqlite_version,
        "file_system": file_system(directory),
        "load": round(os.getloadavg()[0], 2),
    }


def file_system(directory: Path) -> str:
    """Name the kind of file system that holds a directory; `unknown` if the system does not say."""
    try:
        mounts = Path("/proc/self/mounts").read_text("utf-8", "replace").splitlines()
    except OSError:
        return "unknown"
    best, kind = "", "unknown"
    for line in mounts:
        _, place, found, *_ = line.split(" ")
        inside = directory.resolve().is_relative_to(place)
        if inside and len(place) >= len(best):
            best, kind = place, found
    return kind


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
