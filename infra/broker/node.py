"""One local Kafka node: broker and controller in one process."""

import signal
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.broker import jars, process
from infra.broker.folder import Folder
from infra.broker.java import find_java
from infra.broker.process import Leash, Process
from infra.broker.settings import HOST, NodePlan, Ports
from infra.broker.wire import is_ready
from streams.errors import OperatorError

START_S = 90
"""Longest wait for a start, which takes 3 s on an idle machine."""

STOP_S = 30
"""Longest wait for a stop, which takes 0.5 s, before it is a kill."""

_POLL_S = 0.03
_TAIL_LINES = 12

JVM = (
    "-Xmx512m",
    "-XX:+UseSerialGC",
    # Without the second compiler a start takes 1.6 s instead of 2.2, and the first 24,000 records a third of the CPU.
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    # A broker without memory ends, rather than running on with failed threads.
    "-XX:+ExitOnOutOfMemoryError",
    # The compressors are native libraries; Java 24 and newer want to hear that this is meant.
    "--enable-native-access=ALL-UNNAMED",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSZ",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    # Lines that explain a client's trouble: start and stop of the broker, members that join and leave groups.
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.log.org.apache.kafka.coordinator.group=info",
)

_AUDIT = "-Dorg.slf4j.simpleLogger.log.kafka.authorizer.logger=debug"
"""A guarded broker's log has a line for each right that somebody used or lacked."""


class Broker:
    """
    A Kafka broker in a folder, reachable at 127.0.0.1 alone: for tests and trials.

    Several objects, in several processes, may stand for the broker of one folder; any of them may stop it.

    Args:
        folder: Holds its data, log, settings and ports; made when it is started.
        port: For clients; else the one it had in this folder, else a free one.
        outlives: Keep running when this process ends. Else it ends too, even if this process is killed.
        plan: What the node is; by default one alone, without TLS or passwords.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, outlives: bool = False, plan: NodePlan | None = None
    ) -> None:
        self._folder = Folder(folder)
        self._plan = plan or NodePlan()
        self._port = port
        self._outlives = outlives
        self._leash: Leash | None = None

    @property
    def folder(self) -> Path:
        """Where everything of it is; its log is `broker.log` there."""
        return self._folder.path

    @property
    def bootstrap(self) -> str:
        """
        `127.0.0.1:PORT`, the same after each restart.

        Raises:
            OperatorError: It was never started.
        """
        return f"{HOST}:{self._ports.port}"

    @property
    def _ports(self) -> Ports:
        ports = self._folder.ports
        if ports is None:
            raise OperatorError(f"No broker was ever started in {self.folder}", remedy="Start it")
        return ports

    @property
    def inside(self) -> str:
        """
        Address of a guarded broker's other listener: no TLS, no password, every right.

        Raises:
            OperatorError: It was never started.
        """
        return f"{HOST}:{self._ports.inside}"

    @property
    def url(self) -> str:
        """`kafka://127.0.0.1:PORT`, as `--log` takes it; raises as *bootstrap* does."""
        return f"kafka://{self.bootstrap}"

    @property
    def running(self) -> bool:
        """Whether its process is there, ready or not, paused or not."""
        return self._running() is not None

    @property
    def ready(self) -> bool:
        """Whether it answers."""
        ports = self._folder.ports
        return ports is not None and self.running and is_ready(_open_port(ports))

    @property
    def pid(self) -> int:
        """
        Id of its process.

        Raises:
            OperatorError: None runs.
        """
        return self._needed().pid

    def start(self, timeout_s: float = START_S) -> None:
        """
        Start it and wait until it answers; nothing happens if it runs. Of a cluster, enough nodes must be started.

        Raises:
            OperatorError: Java or a jar cannot be had, a port is taken, or the broker ended or did not answer in
                time: the message has the last lines of its log.
        """
        with self._folder.locked():
            if self.running:
                return
            started, ports, size = self._launch()
            try:
                self._wait(started, _open_port(ports), timeout_s, size)
            except BaseException:
                self.kill()
                raise

    def launch(self) -> None:
        """Start it without waiting; raises as *start* does."""
        with self._folder.locked():
            if not self.running:
                self._launch()

    def _launch(self) -> tuple[Process, Ports, int]:
        """Start the process; give it with its ports and the size that its log had before."""
        self._let_go()
        audit = [] if self._plan.guard is None else [_AUDIT]
        java = [str(find_java()), *JVM, *audit, "-cp", ":".join(map(str, jars.fetch()))]
        ports = self._folder.settle(self._port, self._plan, java=java)
        log = self._folder.log
        size = log.stat().st_size if log.exists() else 0
        command = [*java, "kafka.Kafka", self._folder.properties.name]
        started, self._leash = process.start(command, self.folder, log, leashed=not self._outlives)
        self._folder.process = started
        return started, ports, size

    def _wait(self, started: Process, port: int, timeout_s: float, size: int) -> None:
        limit = time.monotonic() + timeout_s
        while not is_ready(port):
            if not started.alive:
                said = f"The broker in {self.folder} ended while it started"
            elif time.monotonic() >= limit:
                said = f"The broker in {self.folder} did not answer within {timeout_s:g} s"
            else:
                time.sleep(_POLL_S)
                continue
            with self._folder.log.open("rb") as log:
                log.seek(size)
                lines = log.read().decode("utf-8", "replace").splitlines()
            raise OperatorError(
                "\n  ".join([f"{said}; the last it said:", *lines[-_TAIL_LINES:]]),
                remedy=f"All it said is in {self._folder.log}",
            )

    def stop(self, timeout_s: float = STOP_S) -> bool:
        """
        Have it end in order, or kill it after *timeout_s*; nothing happens if it does not run.

        Returns:
            Whether it ended by itself.
        """
        running = self._running()
        orderly = True
        if running:
            running.send(signal.SIGTERM)
            running.send(signal.SIGCONT)
            orderly = running.gone_within(timeout_s)
        self.kill()
        return orderly

    def kill(self) -> None:
        """Kill it at once, as a crash would; what it has acknowledged stays."""
        running = self._running()
        if running:
            running.send(signal.SIGKILL)
            if not running.gone_within(STOP_S):
                raise OperatorError(
                    f"Process {running.pid} does not go, although it was killed", remedy="Look at the disk it waits for"
                )
        self._folder.process = None
        self._let_go()

    def restart(self) -> None:
        """Stop and start it, on the same data and port."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Suspend it: connections stay open and it answers no request. Raises as *pid* does."""
        self._needed().send(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue it after `pause`. Raises as *pid* does."""
        self._needed().send(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _running(self) -> Process | None:
        noted = self._folder.process
        return noted if noted and noted.alive else None

    def _needed(self) -> Process:
        running = self._running()
        if running is None:
            raise OperatorError(f"No broker runs from {self.folder}", remedy="Start it")
        return running

    def _let_go(self) -> None:
        if self._leash:
            self._leash.let_go()
            self._leash = None


def _open_port(ports: Ports) -> int:
    """Give the port that answers without TLS and password."""
    return ports.inside or ports.port
