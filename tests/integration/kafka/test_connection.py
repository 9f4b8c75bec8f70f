"""Addresses, names and secrets of a cluster."""

import pytest

from streams.errors import OperatorError, UsageError
from streams.runtimes.kafka.client.connection import Security, parse_connection, security_from


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
    """User and password imply SASL, a CA file implies TLS; both clients get the same."""
    given = {
        "ORCH_KAFKA_USERNAME": "anna",
        "ORCH_KAFKA_PASSWORD": "s3cret",
        "ORCH_KAFKA_SASL_MECHANISM": "scram-sha-256",
    }
    arguments = parse_connection("a:1", given).client()
    assert arguments["security_protocol"] == "SASL_PLAINTEXT"
    assert arguments["sasl_mechanism"] == "SCRAM-SHA-256"
    assert (arguments["sasl_plain_username"], arguments["sasl_plain_password"]) == ("anna", "s3cret")
    assert security_from({**given, "ORCH_KAFKA_CA_FILE": "ca.pem"}).protocol == "SASL_SSL"
    assert security_from({}).protocol == "PLAINTEXT"


@pytest.mark.parametrize(
    "environ",
    [
        {"ORCH_KAFKA_SECURITY": "TLS"},
        {"ORCH_KAFKA_SASL_MECHANISM": "GSSAPI", "ORCH_KAFKA_USERNAME": "a", "ORCH_KAFKA_PASSWORD": "b"},
        {"ORCH_KAFKA_SECURITY": "SASL_SSL"},
        {"ORCH_KAFKA_USERNAME": "a"},
    ],
)
def test_settings_that_cannot_be_are_refused(environ: dict[str, str]) -> None:
    """Unknown protocols and mechanisms, and a user without a password."""
    with pytest.raises(UsageError):
        security_from(environ)


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
