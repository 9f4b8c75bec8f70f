"""
Time and memory of seals on a large log.

    python -m infra.verifier.measure --events 1000000 --seed 16
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

from infra.verifier.worlds import write_world
from streams import logs
from streams.runtimes.embedded.reader import EmbeddedReader

_EVENTS_A_QUESTION = 17
"""About; the log is made larger until it has the events that were asked for."""


def measured(folder: Path, *arguments: str) -> dict[str, Any]:
    """
    Run `orch`; give what it printed, and its seconds, of the clock and of CPU, and its largest memory.

    Seconds of CPU count the processes that it starts; memory is that of the largest process.
    """
    command = [sys.executable, "-c", "from streams.cli.main import main; main()", "--format", "json", *arguments]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE)
    assert process.stdout is not None, "it is a pipe"
    said = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)}: exit code {process.returncode}")
    answer = json.loads(said)
    kept = {name: answer[name] for name in ("records", "accepted", "events", "sealed", "different") if name in answer}
    if isinstance(kept.get("records"), list):
        kept["records"] = len(kept["records"])
    taken = {"seconds": round(time.monotonic() - started, 1), "cpu_seconds": round(used.ru_utime + used.ru_stime, 1)}
    return {**taken, "megabytes": used.ru_maxrss >> 10, **kept}


def main() -> int:
    """Make a log, and measure the commands on it."""
    asked = argparse.ArgumentParser(description="Measure seal, receipt, replay, verify and export on a large log.")
    asked.add_argument("--events", type=int, default=1_000_000)
    asked.add_argument("--seed", type=int, default=16)
    given = asked.parse_args()
    logs.configure(level="error")
    with tempfile.TemporaryDirectory(prefix="orch-measure-") as name:
        folder, started = Path(name), time.monotonic()
        path = folder / "orch.db"
        questions = given.events // _EVENTS_A_QUESTION + 1
        write_world(path, Random(given.seed), questions)
        with EmbeddedReader(path) as reader:
            report: dict[str, Any] = {"events": reader.end, "made_in_seconds": round(time.monotonic() - started, 1)}
        subprocess.run(
            [sys.executable, "-c", "from streams.cli.main import main; main()", "seal", "--init"],
            cwd=folder,
            check=True,
            capture_output=True,
        )
        report["megabytes_of_the_file"] = path.stat().st_size >> 20
        report["seal"] = measured(folder, "seal")
        report["receipt"] = measured(folder, "receipt", f"q{questions // 2}")
        report["replay"] = measured(folder, "replay")
        report["verify"] = measured(folder, "verify")
        report["export"] = measured(folder, "export", "archive")
        report["replay the archive"] = measured(folder, "--log", "parquet:archive", "replay")
        report["verify the archive"] = measured(folder, "verify", "archive")
    print(json.dumps(report, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
