"""
A log on a broker with TLS, passwords and rights.

Every user has the rights that a test gives, and the broker notes each right that somebody used or lacked.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialUpsertion,
)

from infra.broker import Broker, Guard, NodePlan
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.least_rights import Right

from ...broker import require_kafka
from ...limits import LIMIT_S
from ...loopback_tls import CERTIFICATE, KEY
from ..command_in_process import Inside

ADMIN = "admin"
PASSWORD = "pass word"
SECRET = PASSWORD.encode()
ROUNDS = 4_096
"""Hashes of a password, the least that Kafka takes."""
NAME = "guarded"

_NOTED = re.compile(
    r"Principal = User:(?P<user>\S+) is (?P<verdict>Allowed|Denied) operation = (?P<operation>\w+) .*"
    r" on resource = (?P<kind>\w+):LITERAL:(?P<name>\S+) for request"
)


class GuardedLog(Inside):
    """A directory, and a log on a broker that lets nobody in without a password."""

    def __init__(self, path: Path, broker: Broker) -> None:
        super().__init__(path)
        self.broker = broker
        self.url = f"{broker.url}/{NAME}"
        self.client = AdminClient({"bootstrap.servers": broker.inside, "log_level": 0})

    def variables(self, user: str, *, password: str = PASSWORD) -> dict[str, str]:
        """Give the variables of a user."""
        return {
            "ORCH_LOG": self.url,
            "ORCH_KAFKA_USERNAME": user,
            "ORCH_KAFKA_PASSWORD": password,
            "ORCH_KAFKA_SASL_MECHANISM": "SCRAM-SHA-256",
            "ORCH_KAFKA_CA_FILE": str(self.path / "cert.pem"),
        }

    def connection(self, user: str) -> Connection:
        """Give the connection of a user."""
        return parse_connection(self.url.removeprefix("kafka://"), self.variables(user))

    def admit(self, rights: Mapping[str, Iterable[Right]]) -> None:
        """Make users with rights; they hold once this returns."""
        named = self.connection(ADMIN)
        users = [
            UserScramCredentialUpsertion(user, ScramCredentialInfo(ScramMechanism.SCRAM_SHA_256, ROUNDS), SECRET)
            for user in rights
        ]
        for done in self.client.alter_user_scram_credentials(users).values():
            done.result(LIMIT_S)
        bindings = [
            AclBinding(
                ResourceType[kind.upper()],
                name,
                ResourcePatternType.LITERAL,
                f"User:{user}",
                "*",
                AclOperation[right.operation],
                AclPermissionType.ALLOW,
            )
            for user, given in rights.items()
            for right in given
            for kind, name in (right.resource(named),)
        ]
        for done in self.client.create_acls(bindings).values():
            done.result(LIMIT_S)

    def noted(self, user: str, verdict: str) -> set[tuple[str, str, str]]:
        """List operation, kind and name of what a user was allowed or denied so far."""
        found = map(_NOTED.search, (self.broker.folder / "broker.log").read_text("utf-8", "replace").splitlines())
        return {
            (one["operation"], one["kind"].lower(), one["name"])
            for one in found
            if one is not None and (one["user"], one["verdict"]) == (user, verdict)
        }

    def as_user(self, user: str, *arguments: str | Path, **more: Any) -> Any:
        """Run a command as a user."""
        return self.orch(*arguments, env=self.variables(user), **more)


@contextmanager
def guarded_log(folder: Path) -> Iterator[GuardedLog]:
    """Run such a broker; its log has no topics yet, and its only user is the administrator."""
    require_kafka()
    (folder / "cert.pem").write_text(CERTIFICATE)
    keystore = folder / "keystore.pem"
    keystore.write_text(KEY + CERTIFICATE)
    with Broker(folder / "broker", plan=NodePlan(guard=Guard(keystore, ADMIN, PASSWORD.replace(" ", "-")))) as broker:
        yield GuardedLog(folder, broker)
