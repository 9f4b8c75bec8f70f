"""The beginning of Kafka's protocol, served on this machine."""

import asyncio
import datetime
import ssl
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trustme

METADATA, SASL_HANDSHAKE, API_VERSIONS, SASL_AUTHENTICATE = 3, 17, 18, 36
UNSUPPORTED_MECHANISM, ILLEGAL_SASL_STATE, AUTHENTICATION_FAILED = 33, 34, 58


class Authority:
    """
    A certificate authority, its certificates, and its file.

    Args:
        folder: Where its files lie.
        name: Name of its files.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._authority = trustme.CA(organization_name=name)
        self._folder = folder
        self._name = name
        self.file = str(folder / f"{name}.pem")
        self._authority.cert_pem.write_to_path(self.file)

    def server(self, *names: str, days: int = 1, asks: "Authority | None" = None) -> ssl.SSLContext:
        """
        Make the context of a server whose certificate has these names.

        Args:
            days: How long it holds; 0 or less for one that has expired.
            asks: Authority of the certificates that it demands of clients.
        """
        until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days - 0.5)
        since = until - datetime.timedelta(days=30)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*names, not_before=since, not_after=until).configure_cert(context)
        if asks is not None:
            asks._authority.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self) -> tuple[str, str]:
        """Make a client's certificate and key; give their files."""
        made = self._authority.issue_cert("client@example.org")
        files = str(self._folder / f"{self._name}-client.pem"), str(self._folder / f"{self._name}-client.key")
        made.cert_chain_pems[0].write_to_path(files[0])
        made.private_key_pem.write_to_path(files[1])
        return files


class Manner(NamedTuple):
    """How a broker treats its clients."""

    tls: ssl.SSLContext | None = None
    mechanisms: tuple[str, ...] = ()
    """SASL mechanisms; none for a port without users. No user is let in, unless *lets_in*."""
    lets_in: bool = False
    advertised: str | None = None
    """Address that its metadata name; None for its own."""


def text(value: str) -> bytes:
    """Write a string as Kafka does."""
    return struct.pack(">h", len(value)) + value.encode()


@asynccontextmanager
async def loopback_broker(manner: Manner = Manner(), port: int = 0) -> AsyncIterator[str]:  # noqa: B008
    """Serve until the block ends; give the address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _converse(reader, writer, manner, address)
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=manner.tls)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield address


async def _converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, manner: Manner, address: str) -> None:
    known = not manner.mechanisms
    while True:
        (size,) = struct.unpack(">i", await reader.readexactly(4))
        if size > 1 << 20:
            # As a broker does with the first bytes of TLS.
            return
        request = await reader.readexactly(size)
        key, version, correlation = struct.unpack(">hhi", request[:8])
        assert version <= 1
        if key == API_VERSIONS:
            body = _versions()
        elif key == SASL_HANDSHAKE:
            body = _handshake(request, manner.mechanisms)
        elif key == SASL_AUTHENTICATE and manner.lets_in:
            known, body = True, struct.pack(">hhi", 0, -1, 0)
        elif key == SASL_AUTHENTICATE:
            body = struct.pack(">h", AUTHENTICATION_FAILED) + text("Invalid username or password")
            body += struct.pack(">i", 0)
        elif key == METADATA and known:
            body = _metadata(manner.advertised or address)
        else:
            # As a broker does where a user is asked for first.
            return
        writer.write(struct.pack(">ii", len(body) + 4, correlation) + body)
        await writer.drain()


def _versions() -> bytes:
    known = [(METADATA, 0, 1), (SASL_HANDSHAKE, 1, 1), (API_VERSIONS, 0, 0), (SASL_AUTHENTICATE, 0, 0)]
    return struct.pack(">hi", 0, len(known)) + b"".join(struct.pack(">hhh", *each) for each in known)


def _handshake(request: bytes, mechanisms: Sequence[str]) -> bytes:
    code = 0 if request.endswith(tuple(map(text, mechanisms))) else UNSUPPORTED_MECHANISM
    code = code if mechanisms else ILLEGAL_SASL_STATE
    return struct.pack(">hi", code, len(mechanisms)) + b"".join(map(text, mechanisms))


def _metadata(address: str) -> bytes:
    host, _, port = address.rpartition(":")
    broker = struct.pack(">ii", 1, 1) + text(host) + struct.pack(">ih", int(port), -1)
    return broker + struct.pack(">ii", 1, 0)
