"""Cluster addresses, TLS, SASL, and the cluster's topic names."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streams.errors import OperatorError, UsageError

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

_ADDRESS = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:\d{1,5})?$")
_PREFIX = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
_DEFAULT_PORT = ":9092"


@dataclass(frozen=True, slots=True)
class Security:
    """Security settings of the clients: authentication, and trusted certificates. `repr` hides passwords."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    """Certificate authorities in PEM; None for the system's."""
    cert_file: str | None = None
    key_file: str | None = None
    key_password: str | None = field(default=None, repr=False)
    assumed: bool = False
    """Whether the protocol was assumed because a user was given and no protocol."""

    @property
    def tls(self) -> ssl.SSLContext | None:
        """
        Make the TLS context; None for a plain connection.

        Raises:
            OperatorError: A TLS file is missing or invalid.
        """
        if not self.protocol.endswith("SSL"):
            return None
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.cert_file is not None:
                # Without any password OpenSSL would ask for one on the terminal, and wait.
                context.load_cert_chain(self.cert_file, self.key_file, self.key_password or "")
        except (OSError, ssl.SSLError) as error:
            named = ", ".join(name for name in (self.ca_file, self.cert_file, self.key_file) if name)
            raise OperatorError(
                f"the TLS files cannot be used: {error} ({named})",
                remedy="ORCH_KAFKA_CA_FILE, ORCH_KAFKA_CERT_FILE and ORCH_KAFKA_KEY_FILE name files in PEM, and"
                " ORCH_KAFKA_KEY_PASSWORD (or _FILE) has the password of an encrypted key",
            ) from error
        return context


def security_from(environ: Mapping[str, str]) -> Security:
    """
    Read the security settings; they come from the environment only, as all secrets do.

    Without ORCH_KAFKA_SECURITY a user means SASL_SSL, and a TLS file alone SSL. Other Kafka clients take PLAINTEXT and
    leave user and password unused without a word.

    Raises:
        UsageError: The protocol or mechanism does not exist, or settings contradict each other or are incomplete.
        OperatorError: A file with a password cannot be read.
    """

    def given(name: str) -> str | None:
        return environ.get(f"ORCH_KAFKA_{name}") or None

    username, password = given("USERNAME"), _secret("ORCH_KAFKA_PASSWORD", environ)
    ca_file, cert_file, key_file = given("CA_FILE"), given("CERT_FILE"), given("KEY_FILE")
    key_password = _secret("ORCH_KAFKA_KEY_PASSWORD", environ)
    implied = "SASL_SSL" if username else "SSL" if ca_file or cert_file else "PLAINTEXT"
    protocol = (given("SECURITY") or implied).upper()
    mechanism = (given("SASL_MECHANISM") or "PLAIN").upper()
    if protocol not in PROTOCOLS:
        raise UsageError(f"ORCH_KAFKA_SECURITY is {protocol!r}", remedy=f"Use one of {', '.join(PROTOCOLS)}")
    if mechanism not in MECHANISMS:
        raise UsageError(f"ORCH_KAFKA_SASL_MECHANISM is {mechanism!r}", remedy=f"Use one of {', '.join(MECHANISMS)}")
    if protocol.startswith("SASL") and not (username and password):
        raise UsageError(
            f"{protocol} needs a user and a password",
            remedy="Set ORCH_KAFKA_USERNAME, and ORCH_KAFKA_PASSWORD or ORCH_KAFKA_PASSWORD_FILE",
        )
    if (username or password) and not protocol.startswith("SASL"):
        raise UsageError(
            f"a user or a password is given, and {protocol} sends neither",
            remedy="Set ORCH_KAFKA_USERNAME and ORCH_KAFKA_SECURITY=SASL_SSL (SASL_PLAINTEXT without TLS); or unset"
            " ORCH_KAFKA_USERNAME and ORCH_KAFKA_PASSWORD",
        )
    if (key_file or key_password) and not cert_file:
        raise UsageError("a key without its certificate is given", remedy="Set ORCH_KAFKA_CERT_FILE too")
    files = ca_file, cert_file, key_file, key_password
    return Security(protocol, mechanism, username, password, *files, assumed=bool(username) and not given("SECURITY"))


def _secret(name: str, environ: Mapping[str, str]) -> str | None:
    """
    Give a password: the value of a variable, or of the file that `NAME_FILE` names, without its last line end.

    Raises:
        UsageError: Both are given, or the file is empty.
        OperatorError: The file cannot be read.
    """
    value, file = environ.get(name) or None, environ.get(f"{name}_FILE") or None
    if file is None:
        return value
    if value is not None:
        raise UsageError(f"{name} and {name}_FILE are both set", remedy="Unset one of them")
    try:
        found = Path(file).expanduser().read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}_FILE: {file} is no UTF-8 text", remedy="It holds the password alone") from error
    except OSError as error:
        raise OperatorError(
            f"{name}_FILE: {file} cannot be read: {error.strerror or error}", remedy="Name a file that you may read"
        ) from error
    if not found:
        raise UsageError(f"{name}_FILE: {file} is empty", remedy="It holds the password alone")
    return found


@dataclass(frozen=True, slots=True)
class Connection:
    """
    A cluster, and one log on it.

    Attributes:
        bootstrap: Bootstrap servers, as `host:port`.
        prefix: Name of the log on a cluster that holds several; it prefixes the name of every topic and group.
        security: Security settings of the clients.
    """

    bootstrap: tuple[str, ...]
    prefix: str = ""
    security: Security = Security()

    def topic(self, name: str) -> str:
        """Give the cluster's name of a topic of the topology."""
        return f"{self.prefix}.{name}" if self.prefix else name

    def logical(self, name: str) -> str:
        """Give the topology's name of a topic of the cluster."""
        return name[len(self.prefix) + 1 :] if self.prefix else name

    def group(self, stage: str) -> str:
        """Name the consumer group of one stage."""
        return self.topic(f"orch-{stage}")

    def changelog(self, stage: str) -> str:
        """Name the changelog topic of one stage on the cluster."""
        return self.topic(f"orch-{stage}-changelog")

    @property
    def url(self) -> str:
        """Write the connection as a log URL."""
        return f"kafka://{','.join(self.bootstrap)}{'/' + self.prefix if self.prefix else ''}"

    def client(self) -> dict[str, Any]:
        """
        Give the arguments common to all aiokafka clients.

        Raises:
            OperatorError: A TLS file is missing or invalid.
        """
        settings = self.security
        arguments: dict[str, Any] = {
            "bootstrap_servers": list(self.bootstrap),
            "client_id": "orch",
            "security_protocol": settings.protocol,
        }
        context = settings.tls
        if context is not None:
            arguments["ssl_context"] = context
        if settings.protocol.startswith("SASL"):
            arguments["sasl_mechanism"] = settings.mechanism
            arguments["sasl_plain_username"] = settings.username
            arguments["sasl_plain_password"] = settings.password
        return arguments


def parse_connection(target: str, environ: Mapping[str, str]) -> Connection:
    """
    Parse the part of a log URL after `kafka://`: `HOST:PORT[,HOST:PORT...][/PREFIX]`.

    Raises:
        UsageError: An address or the prefix is malformed, the URL holds a user or a password, or the security settings
            are invalid (see `security_from`).
    """
    if "@" in target:
        raise UsageError(
            "a log URL holds no user or password: it is printed, logged and kept in shell histories",
            remedy="Set ORCH_KAFKA_USERNAME and ORCH_KAFKA_PASSWORD in the environment",
        )
    addresses, _, prefix = target.partition("/")
    found = tuple(address.strip() for address in addresses.split(","))
    for address in found:
        if not _ADDRESS.match(address):
            raise UsageError(
                f"kafka://{target}: {address!r} is no address",
                remedy="Use kafka://HOST:PORT; separate several addresses by commas",
            )
    if prefix and not _PREFIX.match(prefix):
        raise UsageError(
            f"kafka://{target}: {prefix!r} cannot prefix a topic's name",
            remedy="Use at most 64 letters, digits, _ and -, beginning with a letter or digit",
        )
    with_ports = tuple(address if _ADDRESS.match(address)[2] else address + _DEFAULT_PORT for address in found)  # type: ignore[index]
    return Connection(with_ports, prefix, security_from(environ))
