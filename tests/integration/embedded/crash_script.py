"""
A script that runs chains of `orch` commands in forks.

Each command runs in a child of one warmed process; the script reports how each ended.

Starting Python takes ten times as long as a small run; a fork takes a hundredth of it. On stdin it takes one JSON
object: `warm`, steps that are taken first, in the process itself; and `chains`, lists of steps. Into the file that it
is given it writes the points that the last of the first steps passed, by name, and the exit status of each step of
each chain; a negative one is a signal.
"""

import gc
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn, TypedDict

from streams.cli.main import run
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.workers import embedded_session

AT_ONCE = 2
"""Children at work, each on a chain of its own."""

LIMIT_S = 240
"""Time limit of a command; then the kernel ends it with SIGALRM."""


class Step(TypedDict):
    """One command of a chain."""

    arguments: list[str]
    crash_at: str
    """Value of ORCH_CRASH_AT; empty: the command comes to its end."""


def warm_up(steps: list[Step]) -> dict[str, int]:
    """Run commands in this process, so that children inherit its imports; count the crash points of the last one."""
    # With agents that take no time one commit takes the whole of a small run; here each stage has its own, to crash at.
    embedded_session.VIRTUAL_RECORDS = 0
    passed: Counter[str] = Counter()
    reach = CrashPoints.reach
    CrashPoints.reach = lambda self, name: passed.update([name])
    try:
        for step in steps:
            passed.clear()
            run(step["arguments"])
    finally:
        CrashPoints.reach = reach
    return passed


def in_child(step: Step) -> NoReturn:
    """Run one command and end with its exit code, or as its fault point says."""
    code = 99
    try:
        signal.alarm(LIMIT_S)
        os.environ["ORCH_CRASH_AT"] = step["crash_at"]
        code = run(step["arguments"])
    finally:
        os._exit(code)


def run_chains(chains: list[list[Step]]) -> list[list[int]]:
    """Run the steps of each chain one after the other, and the chains beside each other."""
    ended: list[list[int]] = [[] for _ in chains]
    waiting = iter(range(len(chains)))
    at_work: dict[int, int] = {}

    def begin(candidates: Iterator[int]) -> None:
        for chain in candidates:
            child = os.fork()
            if not child:
                in_child(chains[chain][len(ended[chain])])
            at_work[child] = chain
            return

    for _ in range(AT_ONCE):
        begin(waiting)
    while at_work:
        child, status = os.wait()
        chain = at_work.pop(child)
        ended[chain].append(os.waitstatus_to_exitcode(status))
        begin(iter([chain]) if len(ended[chain]) < len(chains[chain]) else waiting)
    return ended


def main() -> None:
    """Do what stdin says."""
    plan = json.load(sys.stdin)
    points = warm_up(plan["warm"])
    # A collection in a child would copy the pages of all that it shares with this process.
    gc.freeze()
    Path(sys.argv[1]).write_text(json.dumps({"points": points, "ended": run_chains(plan["chains"])}))


if __name__ == "__main__":
    main()
