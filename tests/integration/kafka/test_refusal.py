"""Brokers that answer and refuse."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from streams.errors import OperatorError
from streams.runtimes.kafka.client.connection import Connection, Security
from streams.runtimes.kafka.client.topics import brokers

SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 17, 18, 36
UNSUPPORTED_MECHANISM, AUTHENTICATION_FAILED = 33, 58


def text(value: str) -> bytes:
    """Write a string as Kafka does."""
    return struct.pack(">h", len(value)) + value.encode()


@asynccontextmanager
async def refusing_broker(*mechanisms: str) -> AsyncIterator[str]:
    """Serve the beginning of Kafka's protocol on this machine: mechanisms, and no user who is let in."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                (size,) = struct.unpack(">i", await reader.readexactly(4))
                if size > 1 << 20:
                    # As a broker does with the first bytes of TLS.
                    break
                request = await reader.readexactly(size)
                key, version, correlation = struct.unpack(">hhi", request[:8])
                assert version <= 1
                if key == API_VERSIONS:
                    known = [(SASL_HANDSHAKE, 1, 1), (API_VERSIONS, 0, 0), (SASL_AUTHENTICATE, 0, 0)]
                    body = struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)
                elif key == SASL_HANDSHAKE:
                    asked = request.endswith(tuple(text(name) for name in mechanisms))
                    code = 0 if asked else UNSUPPORTED_MECHANISM
                    body = struct.pack(">hi", code, len(mechanisms)) + b"".join(map(text, mechanisms))
                else:
                    assert key == SASL_AUTHENTICATE
                    body = struct.pack(">h", AUTHENTICATION_FAILED) + text("Invalid username or password")
                    body += struct.pack(">i", 0)
                writer.write(struct.pack(">ii", len(body) + 4, correlation) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def failure(mechanisms: tuple[str, ...], security: Security) -> OperatorError:
    """Give the error of a connection to such a broker."""

    async def connect() -> OperatorError:
        async with refusing_broker(*mechanisms) as address:
            with pytest.raises(OperatorError) as caught:
                await asyncio.wait_for(brokers(Connection((address,), security=security)), 60)
        return caught.value

    return asyncio.run(connect())


def test_refused_user_is_no_silent_broker() -> None:
    """A wrong password is told as one, with the user and the variables, and never with the password."""
    error = failure(("PLAIN",), Security("SASL_PLAINTEXT", "PLAIN", "anna", "s3cret"))
    assert "refuses user 'anna' by PLAIN" in error.message
    assert "no broker answers" not in error.message
    assert "ORCH_KAFKA_PASSWORD" in error.remedy
    assert "s3cret" not in str(error)


def test_mechanism_that_the_broker_lacks_is_named() -> None:
    """A mechanism that the broker does not have is a refusal too."""
    error = failure(("SCRAM-SHA-512",), Security("SASL_PLAINTEXT", "PLAIN", "anna", "s3cret"))
    assert "by PLAIN" in error.message
    assert "ORCH_KAFKA_SASL_MECHANISM" in error.remedy


def test_plain_port_spoken_to_by_tls_is_told() -> None:
    """TLS to a port without it fails as TLS."""
    error = failure((), Security("SSL"))
    assert "TLS with 127.0.0.1:" in error.message
    assert "ORCH_KAFKA_SECURITY" in error.remedy


def test_silent_broker_is_still_one() -> None:
    """Where nothing listens, no broker answers."""
    with pytest.raises(OperatorError, match="no broker answers"):
        asyncio.run(brokers(Connection(("127.0.0.1:1",))))
