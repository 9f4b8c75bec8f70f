"""Settings of a broker, alone or in a cluster."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

HOST = "127.0.0.1"

_PROPERTIES = """\
# Written at each start from infra/broker/settings.py.
process.roles=broker,controller
node.id={node}
{quorum}
controller.listener.names=CONTROLLER
listeners=CLIENTS://{host}:{port},CONTROLLER://{host}:{controller}{inside}
advertised.listeners=CLIENTS://{host}:{port}{inside}
listener.security.protocol.map=CLIENTS:{protocol},CONTROLLER:PLAINTEXT,INSIDE:PLAINTEXT
inter.broker.listener.name={between}
# Relative to the folder, which may be moved.
log.dirs=data
auto.create.topics.enable=false
# As many copies as there are nodes.
offsets.topic.replication.factor={replicas}
transaction.state.log.replication.factor={replicas}
transaction.state.log.min.isr={insync}
share.coordinator.state.topic.replication.factor={replicas}
share.coordinator.state.topic.min.isr={insync}
# Groups: no waiting for members that may come, and a dead one is noticed as soon as its client wants.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
# A killed broker may register again when its last session has run out: 9 s by default.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
# Small: each of these partitions costs time at the first commit, and at each start.
offsets.topic.num.partitions=8
transaction.state.log.num.partitions=4
num.network.threads=2
num.io.threads=4
background.threads=2
log.cleaner.dedupe.buffer.size=8388608
"""

_GUARDED = """\
# Clients need TLS, a password and rights. Nodes talk to each other beside that, on this machine only.
sasl.enabled.mechanisms={mechanism}
listener.name.clients.{entry}.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
allow.everyone.if.no.acl.found=false
super.users=User:ANONYMOUS;User:{admin}
"""

MECHANISM = "SCRAM-SHA-256"
"""How users of a guarded broker log in."""


class Ports(NamedTuple):
    """Where clients connect, where controllers talk, and where the nodes of a guarded broker do."""

    port: int
    controller: int
    inside: int = 0


@dataclass(frozen=True, slots=True)
class Guard:
    """
    What keeps strangers out of a broker: TLS, SCRAM users, and rights by access control lists.

    Attributes:
        keystore: Key and certificate of the broker in one file in PEM, valid for 127.0.0.1.
        admin: User who may do everything; others, and their rights, are made by any admin client.
    """

    keystore: Path
    admin: str = "admin"
    password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class NodePlan:
    """
    What a node is: alone or one of several, open or guarded.

    Attributes:
        node: Its number.
        controllers: Port of each node's controller, by number; none for a node alone.
        cluster: Id of the cluster; empty for a new one.
    """

    node: int = 1
    controllers: Mapping[int, int] = field(default_factory=dict)
    cluster: str = ""
    guard: Guard | None = None

    @property
    def replicas(self) -> int:
        """Copies of the broker's own topics."""
        return max(1, len(self.controllers))

    def properties(self, ports: Ports) -> str:
        """Write `server.properties`."""
        quorum = f"controller.quorum.bootstrap.servers={HOST}:{ports.controller}"
        if self.controllers:
            voters = ",".join(f"{node}@{HOST}:{port}" for node, port in sorted(self.controllers.items()))
            quorum = f"controller.quorum.voters={voters}"
        text = _PROPERTIES.format(
            node=self.node,
            quorum=quorum,
            host=HOST,
            port=ports.port,
            controller=ports.controller,
            inside="" if self.guard is None else f",INSIDE://{HOST}:{ports.inside}",
            protocol="PLAINTEXT" if self.guard is None else "SASL_SSL",
            between="CLIENTS" if self.guard is None else "INSIDE",
            replicas=self.replicas,
            insync=min(2, self.replicas),
        )
        if self.guard is None:
            return text
        return text + _GUARDED.format(
            mechanism=MECHANISM,
            entry=MECHANISM.lower(),
            keystore=self.guard.keystore.absolute(),
            admin=self.guard.admin,
        )

    def format_options(self) -> list[str]:
        """Give the options of Kafka's storage tool beside the cluster's id and the properties."""
        options = [] if self.controllers else ["--standalone"]
        if self.guard is not None:
            options.append(f"--add-scram={MECHANISM}=[name={self.guard.admin},password={self.guard.password}]")
        return options
