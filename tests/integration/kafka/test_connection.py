"""Addresses, names and secrets of a cluster."""

import os
from pathlib import Path

import pytest

from streams.errors import OperatorError, UsageError
from streams.runtimes.kafka.client.connection import Security, parse_connection, security_from

from ...loopback_tls import CERTIFICATE, ENCRYPTED_KEY, KEY_PASSWORD


def test_addresses_get_the_default_port() -> None:
    """Several brokers are given by commas; 9092 is understood."""
    assert parse_connection("a,b:1234,[::1]:9", {}).bootstrap == ("a:9092", "b:1234", "[::1]:9")


def test_a_prefix_stands_before_topics_and_groups() -> None:
    """One cluster may hold several logs."""
    connection = parse_connection("a:1/team-a", {})
    assert connection.topic("orch.questions") == "team-a.orch.questions"
    assert connection.logical("team-a.orch.questions") == "orch.questions"
    assert connection.group("merge") == "team-a.orch-merge"
    assert connection.changelog("merge") == "team-a.orch-merge-changelog"
    assert connection.url == "kafka://a:1/team-a"


@pytest.mark.parametrize("target", ["", ":9092", "a b:1", "host:port", "a,,b", "a:1/x/y", "a:1/..", "a:1/x?y=1"])
def test_what_is_no_address_is_refused(target: str) -> None:
    """The message names what is wrong."""
    with pytest.raises(UsageError):
        parse_connection(target, {})


def test_a_password_does_not_belong_into_a_url() -> None:
    """It is refused without being repeated."""
    with pytest.raises(UsageError) as refused:
        parse_connection("anna:s3cret@host:9092", {})
    assert "s3cret" not in str(refused.value)


def test_settings_come_from_the_environment() -> None:
    """A user implies SASL over TLS, a CA file TLS; both clients get the same."""
    given = {
        "ORCH_KAFKA_USERNAME": "anna",
        "ORCH_KAFKA_PASSWORD": "s3cret",
        "ORCH_KAFKA_SASL_MECHANISM": "scram-sha-256",
    }
    arguments = parse_connection("a:1", given).client()
    assert arguments["security_protocol"] == "SASL_SSL"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("anna", "s3cret")
    plain = security_from({**given, "ORCH_KAFKA_SECURITY": "SASL_PLAINTEXT"})
    assert (plain.protocol, plain.assumed) == ("SASL_PLAINTEXT", False)
    assert security_from(given).assumed
    assert security_from({"ORCH_KAFKA_CA_FILE": "ca.pem"}).protocol == "SSL"
    assert security_from({}).protocol == "PLAINTEXT"


@pytest.mark.parametrize(
    "environ",
    [
        {"ORCH_KAFKA_SECURITY": "TLS"},
        {"ORCH_KAFKA_SASL_MECHANISM": "GSSAPI", "ORCH_KAFKA_USERNAME": "a", "ORCH_KAFKA_PASSWORD": "b"},
        {"ORCH_KAFKA_SECURITY": "SASL_SSL"},
        {"ORCH_KAFKA_USERNAME": "a"},
        {"ORCH_KAFKA_PASSWORD": "b"},
        {"ORCH_KAFKA_SECURITY": "PLAINTEXT", "ORCH_KAFKA_USERNAME": "a", "ORCH_KAFKA_PASSWORD": "b"},
        {"ORCH_KAFKA_SECURITY": "SSL", "ORCH_KAFKA_PASSWORD": "b"},
        {"ORCH_KAFKA_USERNAME": "a", "ORCH_KAFKA_PASSWORD": "b", "ORCH_KAFKA_PASSWORD_FILE": "c"},
        {"ORCH_KAFKA_USERNAME": "a", "ORCH_KAFKA_PASSWORD_FILE": os.devnull},
        {"ORCH_KAFKA_KEY_FILE": "key.pem"},
        {"ORCH_KAFKA_KEY_PASSWORD": "b"},
    ],
)
def test_settings_that_cannot_be_are_refused(environ: dict[str, str]) -> None:
    """Unknown protocols and mechanisms; what is incomplete, given twice, or would be left unused without a word."""
    with pytest.raises(UsageError) as refused:
        security_from(environ)
    assert refused.value.remedy


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_passwords_stand_in_files(tmp_path: Path, end: str) -> None:
    """`_FILE` names a file that holds the password alone; its last line end is none of it, other blanks are."""
    (tmp_path / "password").write_bytes(b" s3cret " + end.encode())
    (tmp_path / "key").write_bytes(b"k3y" + end.encode())
    found = security_from(
        {
            "ORCH_KAFKA_USERNAME": "anna",
            "ORCH_KAFKA_PASSWORD_FILE": str(tmp_path / "password"),
            "ORCH_KAFKA_CERT_FILE": "cert.pem",
            "ORCH_KAFKA_KEY_PASSWORD_FILE": str(tmp_path / "key"),
        }
    )
    assert (found.password, found.key_password) == (" s3cret ", "k3y")


def test_password_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message names the variable and the file."""
    missing = {"ORCH_KAFKA_USERNAME": "anna", "ORCH_KAFKA_PASSWORD_FILE": str(tmp_path / "none")}
    with pytest.raises(OperatorError, match=r"ORCH_KAFKA_PASSWORD_FILE: .*none cannot be read: No such file"):
        security_from(missing)


def test_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    """Without it, or with another one, the connection fails with the variable, and nobody is asked on a terminal."""
    (tmp_path / "cert.pem").write_text(CERTIFICATE)
    (tmp_path / "key.pem").write_text(ENCRYPTED_KEY)
    named = str(tmp_path / "cert.pem"), str(tmp_path / "key.pem")
    assert Security("SSL", cert_file=named[0], key_file=named[1], key_password=KEY_PASSWORD).tls is not None
    for wrong in (None, "another"):
        with pytest.raises(OperatorError) as refused:
            Security("SSL", cert_file=named[0], key_file=named[1], key_password=wrong).tls  # noqa: B018
        assert "ORCH_KAFKA_KEY_PASSWORD" in refused.value.remedy


def test_a_password_is_not_shown() -> None:
    """Neither in a traceback nor in a log line."""
    assert "s3cret" not in repr(Security("SASL_SSL", "PLAIN", "anna", "s3cret", key_password="s3cret"))


def test_tls_files_that_are_not_there_are_named() -> None:
    """The message says which setting to look at."""
    with pytest.raises(OperatorError, match=r"/nowhere/ca\.pem") as refused:
        Security("SSL", ca_file="/nowhere/ca.pem").tls  # noqa: B018
    assert "ORCH_KAFKA_CA_FILE" in refused.value.remedy


def test_tls_makes_a_context() -> None:
    """Both TLS protocols have one, the others none."""
    assert Security("SSL").tls is not None
    assert Security("PLAINTEXT").tls is None
