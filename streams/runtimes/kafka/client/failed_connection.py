"""Causes of a connection that fails."""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    NodeNotReadyError,
    RequestTimedOutError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.admin import SaslHandShakeRequest
from aiokafka.protocol.metadata import MetadataRequest

from streams.errors import UnreachableError
from streams.runtimes.kafka.client.connection import Connection

LIMIT_MS = 5_000
"""Longest wait for one broker: one that hangs is as good as lost."""

LOST = (KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError, RequestTimedOutError, TimeoutError)
"""Errors of a client whose broker does not answer a request; `why_unreachable` tells why."""

_REFUSED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    SaslAuthenticationFailed,
)
"""Errors of a broker that answers and refuses the user."""
_FAILURES = (KafkaError, OSError, TimeoutError, ValueError)
"""Errors of a connection that cannot be made; the last one for names and ports that are none."""

# Numbers of OpenSSL's x509_vfy.h.
_NOT_YET, _EXPIRED, _WRONG_HOST, _WRONG_IP = 9, 10, 62, 64

_ERRNO = re.compile(r"\[Errno (\d+)\]")
_NO_MORE = 3
"""Addresses that a message names."""


class FailedConnection(NamedTuple):
    """One address of a cluster that cannot be used."""

    address: str
    """As `host:port`."""
    said: str
    """What is wrong, as a predicate of the address."""
    remedy: str
    answers: bool
    """Whether something answers there: then settings or certificates are wrong, and waiting does not help."""

    def __str__(self) -> str:
        return f"{self.address} {self.said}"


async def try_address(
    connection: Connection, address: str, limit_ms: int = LIMIT_MS
) -> tuple[str, ...] | FailedConnection:
    """
    Connect to one address, log in, and ask for the cluster's brokers.

    Args:
        address: As `host:port`; one of the connection's, or of a broker that the cluster named.

    Returns:
        Addresses of the cluster's brokers, as it advertises them; else why the address cannot be used.

    Raises:
        OperatorError: A TLS file is missing or invalid.
    """
    probe = _Probe(connection, address, limit_ms)
    try:
        return await probe.brokers()
    except _FAILURES as error:
        return await probe.explain(error)


async def why_unreachable(connection: Connection, error: BaseException) -> UnreachableError:
    """
    Make the error for a cluster that a client cannot use: what is wrong with each of its addresses.

    aiokafka logs the cause and drops it (0.14, `AIOKafkaClient.bootstrap` and `_get_conn`), so this connects once more.

    Args:
        error: What the client said.
    """
    tried = [await try_address(connection, address) for address in connection.bootstrap]
    failed = [found for found in tried if isinstance(found, FailedConnection)]
    brokers = next((found for found in tried if not isinstance(found, FailedConnection)), None)
    if brokers is not None:
        # Clients go on to the brokers at the addresses that these advertise.
        advertised = [await try_address(connection, address) for address in brokers]
        failed = [_advertised(found) for found in advertised if isinstance(found, FailedConnection)]
        if len(failed) < len(advertised):
            said = str(error) or type(error).__name__
            return UnreachableError(
                f"{connection.url}: the brokers did not answer in time, and do now ({said})", remedy="Run it again"
            )
    return unreachable_error(connection, failed)


def unreachable_error(connection: Connection, failed: Sequence[FailedConnection]) -> UnreachableError:
    """Make the error for addresses none of which can be used; at least one."""
    first = next((one for one in failed if one.answers), failed[0])
    named = "; ".join(map(str, failed[:_NO_MORE])) + ("; ..." if len(failed) > _NO_MORE else "")
    nobody = "" if first.answers else "no broker answers: "
    return UnreachableError(f"{connection.url}: {nobody}{named}", remedy=first.remedy)


def _advertised(failed: FailedConnection) -> FailedConnection:
    remedy = f"{failed.remedy}; the brokers advertise this address (advertised.listeners)"
    return failed._replace(said=f"(advertised by the brokers) {failed.said}", remedy=remedy)


class _Probe:
    """One address under examination."""

    def __init__(self, connection: Connection, address: str, limit_ms: int) -> None:
        self._security = connection.security
        self._address = address
        host, _, port = address.rpartition(":")
        self._host, self._port = host.strip("[]"), int(port)
        self._limit_ms = limit_ms
        self._settings = connection.client()
        del self._settings["bootstrap_servers"]

    async def brokers(self) -> tuple[str, ...]:
        async with asyncio.timeout(self._limit_ms / 1000):
            made = await self._connect(**self._settings)
            try:
                told = await made.send(MetadataRequest([]))
            finally:
                made.close()
        return tuple(f"{broker[1]}:{broker[2]}" for broker in told.brokers)

    async def explain(self, error: BaseException) -> FailedConnection:
        """Say why the connection failed, by the error and by what the port speaks."""
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, (*_REFUSED, UnsupportedSaslMechanismError, IllegalSaslStateError)):
                return await self._user(cause)
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return self._certificate(cause)
        for cause in causes:
            if isinstance(cause, ssl.SSLError) and "ALERT" in (cause.reason or ""):
                return self._own_certificate(cause)
        for cause in causes:
            if isinstance(cause, OSError) and (unanswered := self._network(cause)) is not None:
                return unanswered
        return await self._other_language() or self._silence(causes)

    async def _user(self, error: BaseException) -> FailedConnection:
        security = self._security
        if isinstance(error, IllegalSaslStateError):
            return self._answers(
                "asks for no user on this port",
                f"Set ORCH_KAFKA_SECURITY to {security.protocol.removeprefix('SASL_')}, or name the port for users",
            )
        said = str(error) or type(error).__name__
        if isinstance(error, UnsupportedSaslMechanismError):
            offered = ", ".join(await self._mechanisms() or ()) or "others"
            said = f"it offers {offered}"
        return self._answers(
            f"refuses user {security.username!r} by {security.mechanism} ({said})",
            "Correct ORCH_KAFKA_USERNAME, ORCH_KAFKA_PASSWORD and ORCH_KAFKA_SASL_MECHANISM",
        )

    def _certificate(self, error: ssl.SSLCertVerificationError) -> FailedConnection:
        said = error.verify_message.rstrip(".")
        trusted = f"those of {self._security.ca_file}" if self._security.ca_file else "the system's"
        remedies = {
            _EXPIRED: "Renew the broker's certificate, or correct this machine's clock",
            _NOT_YET: "Correct this machine's clock, or the broker's certificate",
            _WRONG_HOST: "Use the host name that the certificate names, or add this one to the certificate",
            _WRONG_IP: "Use the host name that the certificate names, or add this address to the certificate",
        }
        by_trust = f"ORCH_KAFKA_CA_FILE names the authorities that are trusted, now {trusted}"
        return self._answers(
            f"has a certificate that is not accepted ({said})", remedies.get(error.verify_code, by_trust)
        )

    def _own_certificate(self, error: ssl.SSLError) -> FailedConnection:
        own = self._security.cert_file
        said = (error.reason or "").lower().replace("_", " ")
        if own is None:
            return self._answers(
                f"ends TLS, as it may where it asks for a client's certificate ({said})",
                "ORCH_KAFKA_CERT_FILE and ORCH_KAFKA_KEY_FILE name this client's",
            )
        return self._answers(
            f"does not accept the certificate of {own} ({said})",
            "Correct ORCH_KAFKA_CERT_FILE and ORCH_KAFKA_KEY_FILE, or let the broker trust its authority",
        )

    def _network(self, error: OSError) -> FailedConnection | None:
        """Say what the operating system does; None if the connection was made."""
        if isinstance(error, (ssl.SSLError, ConnectionResetError, TimeoutError)):
            return None
        if isinstance(error, socket.gaierror):
            said = f"has a host name that is not known here ({error.strerror})"
            return self._silent(said, "Correct the name in the log's URL, or this machine's name service")
        numbers = {error.errno} if error.errno else {int(number) for number in _ERRNO.findall(str(error))}
        if numbers == {errno.ECONNREFUSED}:
            return self._silent(
                "refuses connections: nothing listens there",
                "`orch broker start` starts one on this machine; else correct the URL, or start the broker",
            )
        if numbers & {errno.EPIPE, errno.ECONNABORTED} or not numbers:
            return None
        return self._silent(f"cannot be reached ({error.strerror or error})", "Correct the URL, or the network")

    async def _other_language(self) -> FailedConnection | None:
        """Find out whether the port speaks with TLS, without, or only with users, unlike the settings."""
        with_tls, with_user = self._security.protocol.endswith("SSL"), self._security.protocol.startswith("SASL")
        user = "SASL_" if with_user else ""
        if with_tls and await self._speaks_without_tls():
            meant = " (a user without ORCH_KAFKA_SECURITY means SASL_SSL)" if self._security.assumed else ""
            return self._answers(
                f"speaks without TLS{meant}", f"Set ORCH_KAFKA_SECURITY to {user}PLAINTEXT, or correct the port"
            )
        if not with_tls and await self._speaks_tls():
            return self._answers("speaks TLS", f"Set ORCH_KAFKA_SECURITY to {user}SSL, or correct the port")
        mechanisms = None if with_user else await self._mechanisms()
        if mechanisms:
            return self._answers(
                f"asks for a user, by {' or '.join(mechanisms)}",
                "Set ORCH_KAFKA_USERNAME, ORCH_KAFKA_PASSWORD and ORCH_KAFKA_SASL_MECHANISM",
            )
        return None

    def _silence(self, causes: Sequence[BaseException]) -> FailedConnection:
        if any(isinstance(cause, TimeoutError) for cause in causes):
            said = f"does not answer within {self._limit_ms / 1000:g} s"
        else:
            words = next((str(cause) for cause in reversed(causes) if str(cause)), type(causes[0]).__name__)
            said = f"ends the connection ({words})"
        remedy = "Correct the URL, or ORCH_KAFKA_*; the broker's own log may say more"
        if self._security.protocol.endswith("SSL") and self._security.cert_file is None:
            remedy += ". It may ask for a client's certificate: ORCH_KAFKA_CERT_FILE and ORCH_KAFKA_KEY_FILE"
        return self._silent(said, remedy)

    async def _speaks_without_tls(self) -> bool:
        try:
            (await self._connect(security_protocol="PLAINTEXT")).close()
        except _FAILURES:
            return False
        return True

    async def _speaks_tls(self) -> bool:
        """Whether there is TLS on the port; nothing is sent through it, so no certificate is checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            async with asyncio.timeout(self._limit_ms / 1000):
                _, writer = await asyncio.open_connection(self._host, self._port, ssl=context)
                writer.transport.abort()
        except ssl.SSLError as error:
            return "ALERT" in (error.reason or "")
        except _FAILURES:
            return False
        return True

    async def _mechanisms(self) -> tuple[str, ...] | None:
        """Ask for the SASL mechanisms of the port; None if it has none."""
        settings = {name: value for name, value in self._settings.items() if not name.startswith("sasl")}
        settings["security_protocol"] = self._security.protocol.removeprefix("SASL_")
        try:
            made = await self._connect(**settings)
            try:
                # A mechanism that no broker has: it answers with those that it has.
                answer = await made.send(SaslHandShakeRequest("NONE"))
            finally:
                made.close()
        except _FAILURES:
            return None
        return tuple(answer.enabled_mechanisms)

    async def _connect(self, **settings: object) -> AIOKafkaConnection:
        return await create_conn(self._host, self._port, **{**settings, "request_timeout_ms": self._limit_ms})

    def _answers(self, said: str, remedy: str) -> FailedConnection:
        return FailedConnection(self._address, said, remedy, answers=True)

    def _silent(self, said: str, remedy: str) -> FailedConnection:
        return FailedConnection(self._address, said, remedy, answers=False)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Iterate an error and the errors that caused it."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
