"""
Functions of benchmarks in processes of their own.

So each has the memory that it alone needs.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from streams.errors import InvariantError

_CALL = (
    "import sys; from importlib import import_module; from streams import logs; logs.configure(verbose=False);"
    " getattr(import_module('infra.bench.{module}'), '{function}')(sys.argv[1])"
)


def elsewhere(module: str, function: str, argument: str) -> dict[str, Any]:
    """Call a function of a benchmark in a process of its own; it ends with a `report`."""
    command = [sys.executable, "-P", "-c", _CALL.format(module=module, function=function), argument]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise InvariantError(f"{function} of the benchmark failed: {ended.stderr.strip()[-2000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def report(**values: float) -> None:
    """Print figures, and the peak memory of this process and its children, for the process that waits."""
    sys.stdout.write(json.dumps({**values, "peak_mib": peak_mib()}) + "\n")


def peak_mib() -> float:
    """
    Give the largest resident size of this process, or of a child it has waited for, in MiB.

    On Linux a child inherits its parent's peak in `ru_maxrss`; VmHWM is the process's own.
    """
    import resource

    to_mib = 2**20 if sys.platform == "darwin" else 2**10
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / to_mib
    try:
        status = Path("/proc/self/status").read_text("ascii", "replace")
        own = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    except (OSError, IndexError, ValueError):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / to_mib
    return max(own, children)
