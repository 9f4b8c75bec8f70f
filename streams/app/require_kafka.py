"""Preconditions of a Kafka log: extras installed and broker reachable."""

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from streams.app.workspace import Workspace
from streams.errors import OperatorError, UsageError

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection


def require_kafka() -> None:
    """
    Make sure that the extra `kafka` is there.

    Raises:
        OperatorError: It is not installed.
    """
    if _is_missing("aiokafka"):
        raise OperatorError(
            "logs on Kafka need aiokafka, which is not installed", remedy="pip install 'orch-streams[kafka]'"
        )


def require_engine(name: str) -> None:
    """
    Make sure that the extra of an engine is there, if it has one of its own.

    Raises:
        OperatorError: It is not installed.
    """
    if name == "faust" and _is_missing("faust"):
        raise OperatorError(
            "the engine faust needs faust-streaming, which is not installed",
            remedy="pip install 'orch-streams[faust]', or leave out --engine",
        )


def _is_missing(package: str) -> bool:
    """Look for a package without importing it; Faust replaces itself once it is imported, and has no spec then."""
    if package in sys.modules:
        return sys.modules[package] is None
    return importlib.util.find_spec(package) is None


def connection_of(work: Workspace, command: str) -> "Connection":
    """
    Give the connection of the log.

    Raises:
        UsageError: The log is not on Kafka.
        OperatorError: The extra is not installed.
    """
    if work.log.scheme != "kafka":
        raise UsageError(
            f"`orch {command}` works on a log on Kafka, not on {work.log_url}",
            remedy="Give --log kafka://HOST:PORT; on one machine `orch run` runs all stages by itself",
        )
    require_kafka()
    from streams.runtimes.kafka.client.connection import parse_connection

    return parse_connection(work.log.target, os.environ)
