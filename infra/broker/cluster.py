"""Several local Kafka nodes that hold one cluster."""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.broker.folder import free_port, new_cluster
from infra.broker.node import START_S, Broker
from infra.broker.settings import NodePlan
from infra.broker.wire import brokers
from streams.errors import OperatorError

_LOOK_S = 0.1
_ANSWER_S = 2.0


class Cluster:
    """
    Nodes of one Kafka cluster, each broker and controller, in folders beside each other.

    Of three nodes one may be killed. It lives no longer than this process.

    Args:
        folder: Holds a folder for each node; a new one each time.
        nodes: Number of nodes.
    """

    def __init__(self, folder: Path, nodes: int = 3) -> None:
        ports: list[int] = []
        for _ in range(2 * nodes):
            ports.append(free_port(*ports))
        controllers = dict(enumerate(ports[nodes:], 1))
        cluster = new_cluster()
        self.nodes = [
            Broker(folder / str(node), port=ports[node - 1], plan=NodePlan(node, controllers, cluster))
            for node in controllers
        ]
        self.bootstrap = ",".join(f"127.0.0.1:{port}" for port in ports[:nodes])
        """Addresses of all nodes."""
        self.url = f"kafka://{self.bootstrap}"

    def start(self) -> None:
        """
        Start all nodes and wait until they know each other.

        Raises:
            OperatorError: Java or a jar cannot be had, or they do not answer in time.
        """
        for node in self.nodes:
            node.launch()
        self.wait()

    def wait(self, limit_s: float = START_S) -> None:
        """
        Wait until every node that runs knows all of them.

        Raises:
            OperatorError: They do not in time.
        """
        limit = time.monotonic() + limit_s
        running = [node for node in self.nodes if node.running]
        while any(self._known(node) < len(running) for node in running):
            if time.monotonic() > limit:
                raise OperatorError(
                    f"The nodes in {self.nodes[0].folder.parent} did not find each other within {limit_s:g} s",
                    remedy="What they said is in broker.log of each folder",
                )
            time.sleep(_LOOK_S)

    def _known(self, node: Broker) -> int:
        try:
            return brokers(int(node.bootstrap.rpartition(":")[2]), _ANSWER_S)
        except OSError:
            return 0

    def stop(self) -> None:
        """End all nodes: kill them, since the last ones would wait for a quorum that is gone."""
        for node in self.nodes:
            node.kill()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
