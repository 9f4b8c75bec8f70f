"""`python -m infra.bench.serve.pages`: time and memory of pages."""

import argparse
import asyncio
import http.client
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from infra.bench.proc import cpu_s, if_told, resident_bytes
from infra.bench.serve.load import quantile
from infra.bench.serve.many_decisions import make_decisions, question_ids
from infra.bench.serve.server_process import ServerProcess
from streams.logs import configure

BAR_MS = 300
"""Time in which 95 of 100 visits of any page are answered."""

MOST_GROWTH = 1.1
"""Largest ratio of the memory after the last visits to that after a quarter of them that counts as flat."""

READING_S = 900.0
"""Longest wait until the pages have read the log."""

LIMIT_S = 120.0
FILTERS = (
    "?state=undecided",
    "?search=nobody+says+this",
    "?disagreed=yes&agent=no-such",
    "?subject=time&state=decided",
)

_EXAMPLES = """examples:
    python -m infra.bench.serve.pages --folder /var/tmp/pages    # 100,000 decisions; the log stays there
    python -m infra.bench.serve.pages --decisions 2000           # a small one, under a minute
"""


class PageReader:
    """One reader of the pages, who opens one after the other."""

    def __init__(self, port: int, pid: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
        self._pid = pid
        self.took_ms: dict[str, list[float]] = {}
        """Milliseconds of the visits, by the name of the page."""
        self.cpu_ms: dict[str, list[float]] = {}
        """Milliseconds of CPU that the server took for them; in steps of 10 ms."""

    def open(self, path: str, name: str = "") -> str:
        """
        Open a page, to its last byte; note the time under a name.

        Raises:
            SystemExit: The server does not give it.
        """
        before, begun = if_told(cpu_s, self._pid), time.perf_counter()
        self._connection.request("GET", path, headers={"Accept": "text/html"})
        response = self._connection.getresponse()
        text = response.read()
        took_ms = (time.perf_counter() - begun) * 1000
        if response.status != 200:
            raise SystemExit(f"{path}: status {response.status}: {text[:300].decode('utf-8', 'replace')}")
        if name:
            self.took_ms.setdefault(name, []).append(took_ms)
            self.cpu_ms.setdefault(name, []).append((if_told(cpu_s, self._pid) - before) * 1000)
        return text.decode()

    def close(self) -> None:
        """Leave."""
        self._connection.close()


def wait_until_read(reader: PageReader, paths: Sequence[str]) -> float:
    """Open pages until none says that the log is still being read; give the seconds."""
    begun = time.perf_counter()
    while any("still being read" in reader.open(path) for path in paths):
        if time.perf_counter() - begun > READING_S:
            raise SystemExit("the pages have not read the log in time")
        time.sleep(1)
    return time.perf_counter() - begun


def visit(reader: PageReader, given: argparse.Namespace, pid: int) -> dict[str, Any]:
    """Make all visits, and give what came of them."""
    at_first = _mib(pid)
    paths = ["/", *dict.fromkeys(re.findall(r'<li><a href="(/[^"]*)"', reader.open("/")))]
    reading_s = wait_until_read(reader, paths)
    resident = [_mib(pid)]
    lists = [*paths[1:], "/", *(f"/{query}" for query in FILTERS)]
    for number, question_id in enumerate(question_ids(given.decisions, given.visits)):
        address = urlencode({"id": question_id})
        reader.open(f"/q?{address}", "/q, first visit")
        reader.open(f"/q?{address}", "/q, again")
        path = lists[number % len(lists)]
        reader.open(path, path)
        if (number + 1) % max(given.visits // 8, 1) == 0:
            resident.append(_mib(pid))
    return {
        "decisions": given.decisions,
        "reading_s": round(reading_s, 1),
        "pages_ms": {name: _shares(took) for name, took in reader.took_ms.items()},
        "server_cpu_ms": {name: _shares(took) for name, took in reader.cpu_ms.items()},
        "resident_mib": {"started": at_first, "read": resident[0], "eighths": resident[1:]},
    }


def _shares(took_ms: Sequence[float]) -> dict[str, float]:
    shares = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {"visits": len(took_ms), **{name: round(quantile(took_ms, share), 1) for name, share in shares.items()}}


def _mib(pid: int) -> float:
    return round(if_told(resident_bytes, pid) / 2**20, 1)


async def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Make the log if it is not there, start the server, and visit."""
    log = await asyncio.to_thread(make_decisions, folder, given.decisions)
    with tempfile.TemporaryDirectory() as place:
        server = ServerProcess(Path(place), "ui")
        config = Path(place, "orch.toml")
        config.write_text(f'log = "sqlite:///{log.resolve()}"\n' + config.read_text("utf-8"), "utf-8")
        await server.start()
        reader = PageReader(server.port, server.pid)
        try:
            found = await asyncio.to_thread(visit, reader, given, server.pid)
        finally:
            reader.close()
            code, lines = await server.stop()
    return {**found, "exit_code": code, "log_lines": lines[:5]}


def missed(found: dict[str, Any]) -> list[str]:
    """Say what does not hold."""
    slow = [f"{name}: p95 {took['p95']} ms" for name, took in found["pages_ms"].items() if took["p95"] > BAR_MS]
    eighths = found["resident_mib"]["eighths"]
    grown = bool(eighths) and eighths[-1] > MOST_GROWTH * eighths[len(eighths) // 4]
    return [*slow, *(["the memory grows"] if grown else []), *(["exit code"] if found["exit_code"] else [])]


def main() -> int:
    """Run the trial that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.bench.serve.pages",
        description="Starts `orch ui` on a log of many decisions, waits until it has read it, and opens the pages of"
        " different questions one after the other, each twice, with the other pages between them. Prints one JSON"
        f" object: milliseconds by page, those of the server's CPU, which hold on a busy machine too, and memory after"
        f" each eighth. Exit code 4 if a page's p95 is above {BAR_MS} ms, or"
        " the memory grows.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--decisions", type=int, default=100_000, help="decisions in the log; 100,000 by default")
    parser.add_argument("--visits", type=int, default=400, help="questions whose pages are opened; 400 by default")
    parser.add_argument("--folder", type=Path, help="where the log is made and stays; a temporary folder by default")
    given = parser.parse_args()
    configure()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = asyncio.run(measure(given, given.folder or Path(folder)))
    wrong = missed(found)
    print(json.dumps({**found, "missed": wrong}, indent=2))
    return 4 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
