"""`python -m infra.bench.serve.streams`: clients of the event streams under load."""

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from infra.bench.proc import cpu_s, if_told
from infra.bench.serve.http_client import HttpConnection
from infra.bench.serve.load import question, question_id, watch_memory
from infra.bench.serve.server_process import ServerProcess
from infra.bench.serve.stream_browser import StreamBrowser
from infra.bench.serve.stream_clients import StreamClient

EXIT_DIFFERENCE = 4

ASKING = 32
"""Connections that ask; none waits for a decision."""

LATE_S = 60.0
"""Longest wait for one of the last decisions."""

HEARTBEAT_S = 15.0
"""Longest silence that the server promises; a second more is the machine's."""

_EXAMPLES = """examples:
    python -m infra.bench.serve.streams                  # 50 clients, 200 questions a second, 60 s
    python -m infra.bench.serve.streams --seconds 600 --idle 60
"""


async def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Run the trial, and give what came of it."""
    server = ServerProcess(folder, "ui")
    await server.start()
    resident: list[float] = []
    watching = asyncio.create_task(watch_memory(server.pid, resident))
    paths = ("/live", "/v1/events")
    clients = [StreamClient(server.port, paths[number % 2]) for number in range(given.clients - 1)]
    for client in clients:
        await client.open()
    following = [asyncio.create_task(client.follow()) for client in clients]
    browser = StreamBrowser(server.port)
    browsing = asyncio.create_task(browser.run(given.seconds / 2))
    await asyncio.wait((browsing, asyncio.create_task(browser.opened.wait())), return_when=asyncio.FIRST_COMPLETED)
    opened, before_s = len(resident), if_told(cpu_s, server.pid)
    seconds = await ask(server.port, given.rate, given.seconds)
    taken_s = if_told(cpu_s, server.pid) - before_s
    total = int(given.rate * given.seconds)
    loaded = len(resident)
    decided = await all_decided(server.port, total)
    await all_heard(clients, total)
    await asyncio.sleep(given.idle)
    browser.stopping.set()
    await browsing
    found = [client.told(total, seconds) for client in clients]
    for task in following:
        task.cancel()
    await asyncio.gather(*following, return_exceptions=True)
    watching.cancel()
    code, lines = await server.stop()
    return {
        "questions": total,
        "decided": decided,
        "seconds": round(seconds, 1),
        "decisions_per_s": round(total / seconds, 1),
        "server_cores": round(taken_s / seconds, 2),
        "server_cpu_ms_a_decision": round(1000 * taken_s / total, 2),
        "browser": browser.told(),
        **{path: summary([each for each in found if each["path"] == path]) for path in paths},
        "resident_mib": {
            "before": round(resident[opened - 1], 1),
            "fifth": round(resident[opened + (loaded - opened) // 5], 1),
            "loaded": round(resident[loaded - 1], 1),
            "after": round(resident[-1], 1),
        },
        "exit_code": code,
        "log_lines": lines[:5],
        "each": found,
    }


async def ask(port: int, rate: float, seconds: float) -> float:
    """Ask at a rate, on the clock, without waiting for decisions; give the seconds until the last was taken."""
    loop = asyncio.get_running_loop()
    begun, total = loop.time(), int(rate * seconds)

    async def some(first: int) -> None:
        connection = HttpConnection(port)
        for number in range(first, total, ASKING):
            await asyncio.sleep(begun + number / rate - loop.time())
            reply = await connection.send("POST", "/v1/questions?wait=0", question(number))
            if reply.status not in (200, 202):
                raise SystemExit(f"a question was refused: {reply.status} {reply.body}")
        connection.close()

    await asyncio.gather(*map(some, range(ASKING)))
    return loop.time() - begun


async def all_decided(port: int, total: int) -> int:
    """Wait for the decisions of the newest questions, then count those of the log."""
    connection, found = HttpConnection(port), 0
    for number in range(max(total - 10 * ASKING, 0), total):
        await connection.send("GET", f"/v1/decisions/{question_id(number)}?wait={LATE_S:.0f}")
    path: str | None = "/v1/decisions?limit=500"
    while path:
        page = (await connection.send("GET", path)).body
        found += len(page["decisions"])
        path = page["next"]
    connection.close()
    return found


async def all_heard(clients: Sequence[StreamClient], total: int) -> None:
    """Wait for the last messages, which come a moment after their decisions."""
    with suppress(TimeoutError):
        async with asyncio.timeout(LATE_S):
            while any(client.neither(total) for client in clients):
                await asyncio.sleep(0.1)


def summary(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Give the least and the most of what the clients of one stream got."""
    names = ("decisions", "told_unseen", "neither", "messages_per_s", "mib", "heartbeats", "longest_gap_s")
    spread = {name: [min(each[name] for each in found), max(each[name] for each in found)] for name in names}
    return {"clients": len(found), **spread, "failed": sum(bool(each["failure"]) for each in found)}


def wrong(found: dict[str, Any]) -> bool:
    """Whether anything is lost and not said, fails, falls silent or grows."""
    streams = [found["/live"], found["/v1/events"]]
    browser = found["browser"]
    return (
        any(any(each["neither"]) or each["failed"] for each in streams)
        or any(each["longest_gap_s"][1] > HEARTBEAT_S + 1 for each in streams)
        or bool(browser["neither"] or browser["complaints"])
        or not browser["second_window"].get("stands_still")
        or found["decided"] != found["questions"]
        or found["exit_code"] != 0
    )


def main() -> int:
    """Run the trial that the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.bench.serve.streams",
        description="Starts `orch ui` on a new log with simulated agents that take 200 ms, opens event streams (half of"
        " them of the page of decisions, half /v1/events, one in Chromium), and asks questions on the clock. Prints one"
        " JSON object: what each client got and was told that it did not see, messages a second, the longest silence,"
        " how the browser kept up, the server's memory. Exit code 4 if anything is lost and not said.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--clients", type=int, default=50, help="clients of streams, the browser among them; 50 by default"
    )
    parser.add_argument("--rate", type=float, default=200.0, help="questions a second; 200 by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="duration of the load; 60 by default")
    parser.add_argument("--idle", type=float, default=35.0, help="seconds without any load behind it; 35 by default")
    parser.add_argument("--folder", type=Path, help="where the log is made; a temporary folder by default")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        found = asyncio.run(measure(given, Path(folder)))
    print(json.dumps(found, indent=2))
    return EXIT_DIFFERENCE if wrong(found) else 0


if __name__ == "__main__":
    sys.exit(main())
