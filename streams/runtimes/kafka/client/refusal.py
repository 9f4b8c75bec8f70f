"""Reasons of a cluster that refuses a client."""

import ssl

from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection

LIMIT_MS = 5_000
"""Longest wait for one broker; a client has just waited for all of them."""

REFUSED = (
    AuthenticationFailedError,
    AuthenticationMethodNotSupported,
    ClusterAuthorizationFailedError,
    IllegalSaslStateError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
"""Errors of a broker that answers and refuses the user."""


async def refusal(connection: Connection) -> OperatorError | None:
    """
    Ask each broker once more why a client could not connect; the client itself drops the reason (aiokafka 0.14).

    Returns:
        The error for a broker that answers and refuses the user, or with which TLS fails; None if none does either.
    """
    settings = connection.client()
    del settings["bootstrap_servers"]
    for address in connection.bootstrap:
        host, _, port = address.rpartition(":")
        try:
            made = await create_conn(host.strip("[]"), int(port), request_timeout_ms=LIMIT_MS, **settings)
        except REFUSED as error:
            return _user_refused(connection, address, error)
        except (ssl.SSLError, ConnectionResetError, ConnectionAbortedError) as error:
            # A port without TLS hangs up on the first bytes of it.
            if isinstance(error, ssl.SSLError) or connection.security.protocol.endswith("SSL"):
                return _tls_failed(connection, address, error)
        except (KafkaError, OSError, ValueError):
            continue
        else:
            made.close()
    return None


def _tls_failed(connection: Connection, address: str, error: OSError) -> OperatorError:
    said = getattr(error, "reason", None) or str(error) or "it hangs up"
    return OperatorError(
        f"{connection.url}: TLS with {address} fails ({said})",
        remedy="Correct ORCH_KAFKA_CA_FILE, _CERT_FILE and _KEY_FILE, or ORCH_KAFKA_SECURITY, or the port",
    )


def _user_refused(connection: Connection, address: str, error: KafkaError) -> OperatorError:
    security = connection.security
    said = str(error) or type(error).__name__
    return OperatorError(
        f"{connection.url}: {address} refuses user {security.username!r} by {security.mechanism} ({said})",
        remedy="Correct ORCH_KAFKA_USERNAME, ORCH_KAFKA_PASSWORD and ORCH_KAFKA_SASL_MECHANISM",
    )
