"""`orch serve` or `orch ui` as its own process."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

CALL_MS = 200
"""Time that each simulated agent takes for a call."""

_ORCH = "from streams.cli.main import main; main()"

_CONFIG = "".join(
    f'[[agents]]\nkind = "simulated"\nname = "{name}"\nwaits = true\nlatency_ms = {CALL_MS}\n\n'
    for name in ("ann", "ben", "cat", "dan", "eve")
)


class ServerProcess:
    """
    A server of one log, which may be killed and started again on the same port.

    Args:
        folder: Where the log is.
        command: `serve`, or `ui` with pages.
    """

    def __init__(self, folder: Path, command: str = "serve") -> None:
        self._folder, self._command = folder, command
        self._process: asyncio.subprocess.Process | None = None
        self.port = 0
        (folder / "orch.toml").write_text(_CONFIG, "utf-8")

    @property
    def pid(self) -> int:
        """Id of the process."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Start it, and wait until it takes questions."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            _ORCH,
            self._command,
            "--port",
            str(self.port),
            cwd=self._folder,
            stderr=asyncio.subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if not name.startswith("ORCH_")},
        )
        assert self._process.stderr is not None
        line = await asyncio.wait_for(self._process.stderr.readline(), 60)
        told = json.loads(line)
        if told["event"] != "serve_started":
            raise SystemExit(f"the server does not start: {line.decode()}")
        self.port = int(told["url"].rpartition(":")[2])

    async def kill(self) -> None:
        """End it as a crash does."""
        assert self._process is not None
        self._process.kill()
        await self._process.communicate()

    async def stop(self) -> tuple[int, list[str]]:
        """Stop it as an operator does; give its exit code, and the log lines that are no news of its begin and end."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        _, told = await asyncio.wait_for(self._process.communicate(), 60)
        lines = [line for line in told.decode().splitlines() if '"serve_st' not in line]
        return self._process.returncode or 0, lines
