"""Startup time of `orch --help` from a cold interpreter."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from infra.bench.figures import Figure, Sizes

TARGET_S = 0.3
RUNS = 10
_HELP = "import sys; sys.argv = ['orch', '--help']; from streams.cli.main import main; main()"

Advance = Callable[[int], None]


def measure(_: Path, sizes: Sizes, advance: Advance) -> list[Figure]:
    """Start it several times; the first start, which may compile, does not count."""
    orch, bare = [], []
    for number in range(max(sizes.runs, RUNS) + 1):
        found = _seconds(_HELP), _seconds("pass")
        if number:
            orch.append(found[0])
            bare.append(found[1])
        advance(1)
    return [
        Figure(
            bench="start",
            name="orch --help",
            unit="s",
            values=tuple(orch),
            target=TARGET_S,
            more_is_better=False,
            note="a new process each time",
        ),
        Figure(bench="start", name="baseline: an empty Python program", unit="s", values=tuple(bare)),
    ]


def _seconds(program: str) -> float:
    started = perf_counter()
    subprocess.run([sys.executable, "-P", "-c", program], check=True, capture_output=True)
    return perf_counter() - started
