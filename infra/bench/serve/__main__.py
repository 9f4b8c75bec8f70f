"""`python -m infra.bench.serve`: many HTTP clients at once."""

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.bench.serve.load import HttpLoad, quantile, watch_memory
from infra.bench.serve.server_process import ServerProcess

EXIT_DIFFERENCE = 4

ASKED_AGAIN = 200
"""Answered questions that are asked again at the end."""

_EXAMPLES = """examples:
    python -m infra.bench.serve                          # 500 clients, 50 questions a second, 10 minutes
    python -m infra.bench.serve --seconds 60 --kill      # SIGKILL in the middle; clients send again with their ids
"""


async def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the trial, and give what came of it."""
    server = ServerProcess(folder)
    await server.start()
    load = HttpLoad(server.port, given.clients, given.rate, given.seconds)
    outcome = load.outcome
    watching = asyncio.create_task(watch_memory(server.pid, outcome.resident))
    running = asyncio.create_task(load.run())
    if given.kill:
        await asyncio.sleep(1 + given.seconds / 2)
        await server.kill()
        watching.cancel()
        outcome.resident.clear()
        await server.start()
        watching = asyncio.create_task(watch_memory(server.pid, outcome.resident))
    await running
    watching.cancel()
    await load.ask_again(random.Random(0).sample(range(load.total), min(ASKED_AGAIN, load.total)))
    decided = await load.decided()
    code, lines = await server.stop()
    return {
        "questions": load.total,
        "answered": len(outcome.answers),
        "lost": load.total - len(decided),
        "doubled": sum(count - 1 for count in decided.values()),
        "different": outcome.different,
        "sent_again": outcome.again,
        "stream": {
            "lost": load.total - len(outcome.followed),
            "doubled": sum(count - 1 for count in outcome.followed.values()),
            "resumed": outcome.resumed,
        },
        "added_ms": {name: round(quantile(outcome.added_s, share) * 1000, 1) for name, share in SHARES.items()},
        "resident_mib": course(outcome.resident),
        "exit_code": code,
        "log_lines": lines[:5],
    }


def course(resident: Sequence[float]) -> dict[str, Any]:
    """Give the memory after each tenth of the time, in MiB, and the most of it; what a start takes is in the first."""
    if not resident:
        return {"by_tenth": [], "peak": 0.0}
    last = len(resident) - 1
    tenths = [round(resident[last * tenth // 10], 1) for tenth in range(1, 11)]
    return {"by_tenth": tenths, "peak": round(max(resident), 1)}


SHARES = {"p50": 0.5, "p99": 0.99, "max": 1.0}


def main() -> int:
    """Run the trial that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.bench.serve",
        description="Starts `orch serve` on a new log with simulated agents that take 200 ms, and asks it questions on"
        " the clock from many connections. Prints one JSON object: lost and doubled decisions, the time added to that"
        " of the agents, the server's memory after each tenth of the time.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--clients", type=int, default=500, help="connections at once; 500 by default")
    parser.add_argument("--rate", type=float, default=50.0, help="questions a second; 50 by default")
    parser.add_argument("--seconds", type=float, default=600.0, help="duration; 600 by default")
    parser.add_argument("--kill", action="store_true", help="SIGKILL in the middle, and a start on the same port")
    parser.add_argument("--folder", type=Path, help="where the log is made; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = asyncio.run(measure(given, Path(folder)))
    print(json.dumps(found, indent=2))
    stream = found["stream"]
    wrong = (found["lost"], found["doubled"], found["different"], stream["lost"], stream["doubled"], found["exit_code"])
    return EXIT_DIFFERENCE if any(wrong) else 0


if __name__ == "__main__":
    sys.exit(main())
