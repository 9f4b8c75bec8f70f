"""Callers in processes of their own, whose memory and CPU time are theirs alone, and what the system says of these."""

import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streams.errors import InvariantError

HAS_PROC = Path("/proc/self/statm").exists()
"""Whether this is Linux, which tells what a process has and takes. What needs that is else left out."""

_PROGRAM = (
    "import gc, json, sys; gc.set_threshold(*{thresholds}); from streams import logs;"
    " from infra.bench import {module}; logs.configure(verbose=False);"
    " found = {module}.{function}(**json.loads(sys.argv[1])); print(json.dumps(found))"
)


def elsewhere(function: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
    """
    Call a function of a module beside this one in a new process, which ends with the call, also if that is interrupted.

    Args:
        function: Of the top level of its module.
        arguments: As JSON can hold them.

    Raises:
        InvariantError: It failed; the message ends with what it said.
    """
    module = function.__module__.rpartition(".")[2]
    # The collector runs as rarely as in the command that measures, and in the product.
    program = _PROGRAM.format(module=module, function=function.__name__, thresholds=gc.get_threshold())
    command = [sys.executable, "-c", program, json.dumps(arguments)]
    # A proxy is for addresses out there.
    environment = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    ended = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if ended.returncode:
        raise InvariantError(f"{function.__name__} of the benchmark failed: {ended.stderr.strip()[-2_000:]}")
    found: dict[str, Any] = json.loads(ended.stdout)
    return found


def resident_bytes() -> int:
    """Give the memory this process has at this moment; 0 where the system does not tell."""
    if not HAS_PROC:
        return 0
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Give the CPU seconds of a process so far, the kernel's for it too; 0 where the system does not tell."""
    if not HAS_PROC:
        return 0.0
    # The name in parentheses may hold anything. Counted behind it, utime and stime are the 12th field and the 13th.
    fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def machine_cpu_s() -> float:
    """Give the CPU seconds of all processes of this machine so far; 0 where the system does not tell."""
    if not HAS_PROC:
        return 0.0
    user, nice, system, _, _, irq, softirq, *_ = map(int, Path("/proc/stat").read_text("ascii").split()[1:9])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
