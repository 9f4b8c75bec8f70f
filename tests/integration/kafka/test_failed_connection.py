"""Causes of failed connections, as every command tells them."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from streams.errors import OperatorError, UnreachableError
from streams.runtimes.kafka.client import failed_connection
from streams.runtimes.kafka.client.connection import Connection, Security
from streams.runtimes.kafka.client.outage import BrokerLook, Outage
from streams.runtimes.kafka.client.topics import brokers

from .loopback_broker import Authority, Manner, loopback_broker

ANNA = Security("SASL_PLAINTEXT", "PLAIN", "anna", "s3cret")


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give an authority that the clients trust."""
    return Authority(tmp_path_factory.mktemp("ours"), "ours")


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Give another one."""
    return Authority(tmp_path_factory.mktemp("theirs"), "theirs")


async def failure_at(address: str, security: Security) -> UnreachableError:
    """Give the error of a command that connects to an address."""
    with pytest.raises(UnreachableError) as caught:
        await asyncio.wait_for(brokers(Connection((address,), security=security)), 60)
    assert caught.value.exit_code == 3
    assert "s3cret" not in str(caught.value)
    return caught.value


def failure(manner: Manner, security: Security) -> UnreachableError:
    """Give the error of a connection to a broker with these manners."""

    async def connect() -> UnreachableError:
        async with loopback_broker(manner) as address:
            return await failure_at(address, security)

    return asyncio.run(connect())


def test_who_is_let_in_gets_the_brokers(ours: Authority) -> None:
    """With TLS and as a user, too: the server of these tests is one that works."""

    async def connect() -> list[str]:
        async with loopback_broker(Manner(ours.server("127.0.0.1"), ("PLAIN",), lets_in=True)) as address:
            security = replace(ANNA, protocol="SASL_SSL", ca_file=ours.file)
            look = await BrokerLook(Connection((address,), security=security))()
            assert (look.usable, look.failed) == (True, ())
            return [address]

    assert asyncio.run(connect())


def test_refused_user_is_no_silent_broker() -> None:
    """A wrong password is told as one, with the user and the variables, and never with the password."""
    error = failure(Manner(mechanisms=("PLAIN",)), ANNA)
    assert "refuses user 'anna' by PLAIN (" in error.message
    assert "Invalid username or password" in error.message
    assert "no broker answers" not in error.message
    assert "ORCH_KAFKA_PASSWORD" in error.remedy


def test_mechanism_that_the_broker_lacks_is_named() -> None:
    """With those that it offers."""
    error = failure(Manner(mechanisms=("SCRAM-SHA-256", "SCRAM-SHA-512")), ANNA)
    assert "refuses user 'anna' by PLAIN (it offers SCRAM-SHA-256, SCRAM-SHA-512)" in error.message
    assert "ORCH_KAFKA_SASL_MECHANISM" in error.remedy


def test_a_port_that_asks_for_a_user_is_told() -> None:
    """With its mechanisms: a broker only ends the connection of who names none."""
    error = failure(Manner(mechanisms=("PLAIN", "SCRAM-SHA-512")), Security())
    assert "asks for a user, by PLAIN or SCRAM-SHA-512" in error.message
    assert "ORCH_KAFKA_USERNAME" in error.remedy


def test_a_port_that_asks_for_no_user_is_told() -> None:
    """It knows no SASL."""
    error = failure(Manner(), ANNA)
    assert "asks for no user on this port" in error.message
    assert "ORCH_KAFKA_SECURITY to PLAINTEXT" in error.remedy


@pytest.mark.parametrize(
    ("security", "named"),
    [(Security("SSL"), "PLAINTEXT"), (replace(ANNA, protocol="SASL_SSL"), "SASL_PLAINTEXT")],
    ids=["SSL", "SASL_SSL"],
)
def test_a_plain_port_spoken_to_by_tls_is_told(security: Security, named: str) -> None:
    """What it speaks, and what to set."""
    error = failure(Manner(), security)
    assert "speaks without TLS" in error.message
    assert f"ORCH_KAFKA_SECURITY to {named}," in error.remedy


@pytest.mark.parametrize(("security", "named"), [(Security(), "SSL"), (ANNA, "SASL_SSL")], ids=["plain", "SASL"])
def test_a_tls_port_spoken_to_without_is_told(ours: Authority, security: Security, named: str) -> None:
    """Also where the broker demands a certificate of its clients."""
    for asks in (None, ours):
        error = failure(Manner(ours.server("127.0.0.1", asks=asks)), security)
        assert "speaks TLS" in error.message
        assert f"ORCH_KAFKA_SECURITY to {named}," in error.remedy


def test_a_wrong_authority_is_told(ours: Authority, theirs: Authority) -> None:
    """With the file of those that are trusted."""
    manner = Manner(theirs.server("127.0.0.1"))
    error = failure(manner, Security("SSL", ca_file=ours.file))
    assert "has a certificate that is not accepted (" in error.message
    assert "issuer" in error.message or "self-signed" in error.message
    assert f"now those of {ours.file}" in error.remedy
    assert "now the system's" in failure(manner, Security("SSL")).remedy


def test_an_expired_certificate_is_told(ours: Authority) -> None:
    """The remedy is the certificate, or the clock."""
    error = failure(Manner(ours.server("127.0.0.1", days=0)), Security("SSL", ca_file=ours.file))
    assert "not accepted (certificate has expired)" in error.message
    assert "Renew" in error.remedy


@pytest.mark.parametrize("names", [("broker.example.org",), ("127.0.0.2",)], ids=["host", "address"])
def test_a_certificate_of_another_host_is_told(ours: Authority, names: tuple[str, ...]) -> None:
    """The remedy is the name."""
    error = failure(Manner(ours.server(*names)), Security("SSL", ca_file=ours.file))
    assert "mismatch" in error.message
    assert "host name that the certificate names" in error.remedy


@contextmanager
def demanding(context: ssl.SSLContext) -> Iterator[str]:
    """Serve handshakes alone, with the alerts by which TLS refuses a client; asyncio's server sends none."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    client, _ = server.accept()
                    shaken = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
                    with suppress(OSError):
                        shaken.do_handshake()
                    with socket.socket(fileno=shaken.detach()) as plain, suppress(OSError):
                        # What is closed before all is read is reset, and the alert is lost.
                        plain.shutdown(socket.SHUT_WR)
                        while plain.recv(4_096):
                            pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
    thread.join()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
def test_a_missing_or_wrong_certificate_of_the_client_is_told(
    ours: Authority, theirs: Authority, version: ssl.TLSVersion
) -> None:
    """Where the broker demands one."""
    context = ours.server("127.0.0.1", asks=ours)
    context.maximum_version = version
    certificate, key = theirs.client()
    with demanding(context) as address:
        without = asyncio.run(failure_at(address, Security("SSL", ca_file=ours.file)))
        own = Security("SSL", ca_file=ours.file, cert_file=certificate, key_file=key)
        wrong = asyncio.run(failure_at(address, own))
    assert "asks for a client's certificate" in without.message
    assert "ORCH_KAFKA_CERT_FILE" in without.remedy
    assert f"does not accept the certificate of {certificate} (" in wrong.message


def test_a_certificate_that_is_missed_in_silence_is_guessed(ours: Authority) -> None:
    """Where the broker ends the connection without an alert."""
    error = failure(Manner(ours.server("127.0.0.1", asks=ours)), Security("SSL", ca_file=ours.file))
    assert "ends the connection (" in error.message
    assert "It may ask for a client's certificate" in error.remedy


def test_a_port_where_nothing_listens_is_told() -> None:
    """Then no broker answers."""
    error = asyncio.run(failure_at("127.0.0.1:1", Security()))
    assert "no broker answers: 127.0.0.1:1 refuses connections: nothing listens there" in error.message
    assert "orch broker start" in error.remedy


def test_a_name_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the name service says; there may be none in a test."""

    async def unknown(*address: Any, **how: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def connect() -> UnreachableError:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
        return await failure_at("nosuch.example:9092", Security())

    error = asyncio.run(connect())
    assert "nosuch.example:9092 has a host name that is not known here (Name or service not known)" in error.message


@pytest.fixture
def silent() -> Iterator[str]:
    """Give the address of a port that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_a_port_that_hangs_is_told(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time; each of several addresses with its own reason."""
    monkeypatch.setattr(failed_connection.try_address, "__defaults__", (200,))

    async def ask() -> UnreachableError:
        connection = Connection(("127.0.0.1:1", silent))
        return await failed_connection.why_unreachable(connection, OSError("timed out"))

    error = asyncio.run(ask())
    assert "127.0.0.1:1 refuses connections: nothing listens there; " in error.message
    assert f"{silent} does not answer within 0.2 s" in error.message


def test_a_port_of_another_protocol_is_told() -> None:
    """Its connection ends without an answer; so does that of a broker that is about to start."""

    async def connect() -> UnreachableError:
        async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(10)
            writer.close()

        async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as server:
            return await failure_at(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", Security())

    assert "ends the connection (" in asyncio.run(connect()).message


def test_an_address_that_brokers_advertise_in_vain_is_told() -> None:
    """The first connection succeeds, and all others go there."""
    error = failure(Manner(advertised="127.0.0.1:1"), Security())
    assert "127.0.0.1:1 (advertised by the brokers) refuses connections" in error.message
    assert "advertised.listeners" in error.remedy


def test_a_password_that_changes_during_an_outage_is_told() -> None:
    """A watch tells that the broker is lost, and then that it is back and refuses the user; then it gives up."""
    now = [0.0]

    async def test() -> list[Any]:
        async with loopback_broker(Manner(mechanisms=("PLAIN",), lets_in=True)) as address:
            watch = Outage(BrokerLook(Connection((address,), security=ANNA)), lambda: now[0], give_up_s=60)
            await watch.look()
        with capture_logs() as lines:
            await watch.look()
            now[0] += 30
            async with loopback_broker(Manner(mechanisms=("PLAIN",)), int(address.rpartition(":")[2])):
                await watch.look()
                now[0] += 30
                with pytest.raises(OperatorError, match=r"could be used for 60 s: .* refuses user 'anna'"):
                    await watch.look()
        return lines

    lost, still = asyncio.run(test())
    assert (lost["event"], still["event"]) == ("broker_lost", "broker_still_lost")
    assert "refuses connections" in lost["why"]
    assert "refuses user 'anna' by PLAIN" in still["why"]


def test_tls_context_is_checked_before_anything_is_asked(tmp_path: Path) -> None:
    """A TLS file that is none names itself."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(OperatorError, match="the TLS files cannot be used") as caught:
        asyncio.run(brokers(Connection(("127.0.0.1:1",), security=Security("SSL", ca_file=str(tmp_path / "ca.pem")))))
    assert isinstance(caught.value.__cause__, (ssl.SSLError, OSError))
