"""
The folder of one broker.

It holds the broker's ports, settings, data and log, and names the process that runs it.
"""

import base64
import fcntl
import json
import random
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from infra.broker.process import Process
from infra.broker.settings import HOST, NodePlan, Ports
from streams.errors import OperatorError

USUAL_PORT = 9092

_PORTS_FROM, _PORTS_TO = 20_000, 32_768
"""Ports searched for a free one. They lie below the ephemeral ports of outgoing connections. An ephemeral port can be
taken when a killed broker wants it back, and a client that connects to it meanwhile can even connect to itself."""


class Folder:
    """The files of one broker; the first start makes them."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self.log = self.path / "broker.log"
        self.properties = self.path / "server.properties"
        self._data = self.path / "data"
        self._ports = self.path / "ports.json"
        self._process = self.path / "process.json"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """
        Keep other starts in this folder waiting.

        Raises:
            OperatorError: The folder, or what the block does in it, cannot be made or written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            # A broker's data must not enter version control, whatever the folder's name.
            (self.path / ".gitignore").write_text("*\n")
            with (self.path / "lock").open("a") as handle:
                fcntl.flock(handle, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise OperatorError(
                f"{error.filename or self.path} cannot be used: {error.strerror or error}",
                remedy=f"The broker needs {self.path} to write in, and room there",
            ) from error

    @property
    def ports(self) -> Ports | None:
        """The ports it has once it was started."""
        note = _read(self._ports)
        return Ports(note["port"], note["controller"], note.get("inside", 0)) if note else None

    @property
    def process(self) -> Process | None:
        """What runs it, or ran it last and was not seen to end."""
        note = _read(self._process)
        return Process(note["pid"], note["started"]) if note else None

    @process.setter
    def process(self, process: Process | None) -> None:
        if process is None:
            self._process.unlink(missing_ok=True)
        else:
            _write(self._process, process._asdict())

    def settle(self, port: int | None, plan: NodePlan, *, java: Sequence[str]) -> Ports:
        """
        Make ready for a start: ports, settings, and data where there are none.

        Args:
            port: For clients; else the one it had, else a free one.
            plan: What the node is.
            java: Runs a class of Kafka's when its name and arguments follow.

        Raises:
            OperatorError: A port is taken, or Kafka could not make its data.
        """
        kept = self.ports
        clients = port or (kept.port if kept else free_port())
        controller = plan.controllers.get(plan.node) or (kept.controller if kept else free_port(clients))
        inside = 0
        if plan.guard is not None:
            inside = kept.inside if kept and kept.inside else free_port(clients, controller)
        ports = Ports(clients, controller, inside)
        for number in filter(None, ports):
            if not is_free(number):
                raise OperatorError(
                    f"Port {number} on {HOST} is taken by another program, and the broker in {self.path} needs it",
                    remedy="End that program, give this broker another with --port, or start in a new folder",
                )
        _write(self._ports, ports._asdict())
        self.properties.write_text(plan.properties(ports))
        if not self._data.exists():
            self._format(plan, java)
        return ports

    def _format(self, plan: NodePlan, java: Sequence[str]) -> None:
        """Make the data in a temporary folder and move it into place, so that the data are complete or absent."""
        beside = self.path / "format"
        if beside.exists():
            shutil.rmtree(beside)
        beside.mkdir()
        named = [f"--cluster-id={plan.cluster or new_cluster()}", f"--config={self.properties}"]
        arguments = ["format", *plan.format_options(), *named]
        done = subprocess.run(
            [*java, "kafka.tools.StorageTool", *arguments],
            cwd=beside,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise OperatorError(
                f"Kafka could not make its data in {self.path}: {(done.stderr or done.stdout).strip()[-500:]}",
                remedy="See to what it says; if it says nothing, look for room on the disk",
            )
        (beside / "data").replace(self._data)
        beside.rmdir()


def new_cluster() -> str:
    """Make the id of a new cluster."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")


def is_free(port: int) -> bool:
    """Whether a server may listen on a port of this machine; connections that are just ending do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def free_port(*but: int) -> int:
    """Find a free port, none of *but*, outside of the ephemeral ports."""
    try:
        end = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    except (OSError, ValueError):
        end = 0
    if end <= _PORTS_FROM:
        end = _PORTS_TO
    while True:
        port = random.randrange(_PORTS_FROM, end)
        if port not in but and is_free(port):
            return port


def _read(path: Path) -> dict[str, Any]:
    try:
        note = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    assert isinstance(note, dict)
    return note


def _write(path: Path, note: dict[str, Any]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps(note) + "\n")
    new.replace(path)
