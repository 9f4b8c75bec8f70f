"""CPU time and memory of processes, from Linux's /proc."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

HAS_PROC = Path("/proc/self/statm").exists()
"""Whether this is Linux; elsewhere only `if_told` works."""

N = TypeVar("N", int, float)


def if_told(read: Callable[..., N], *of: int) -> N | Literal[0]:
    """Read a figure; 0 if the system does not have it."""
    return read(*of) if HAS_PROC else 0


def cpu_s(pid: int) -> float:
    """Give the CPU seconds of a process so far, all its threads, its own code and the kernel's."""
    # The name before the parenthesis may hold anything. Counted behind it, utime is the 12th field and stime the 13th.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_s() -> float:
    """Give the CPU seconds that all processes of this machine have taken so far."""
    user, nice, system, _, _, irq, softirq, *_ = Path("/proc/stat").read_text("ascii").split()[1:9]
    return sum(map(int, (user, nice, system, irq, softirq))) / os.sysconf("SC_CLK_TCK")


def resident_bytes(pid: int | None = None) -> int:
    """Give the memory that a process has at this moment; this one's by default."""
    return int(Path(f"/proc/{pid or 'self'}/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
