"""Kafka extras of the installation, and connection of the log."""

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from streams.app.workspace import Workspace
from streams.errors import OperatorError, UsageError
from streams.extras import install_command

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection


def require_kafka() -> None:
    """
    Check that the extra `kafka` is installed.

    Raises:
        OperatorError: It is not.
    """
    if _is_missing("aiokafka"):
        raise OperatorError("logs on Kafka need aiokafka, which is not installed", remedy=install_command("kafka"))


def require_engine(name: str) -> None:
    """
    Check that an engine's extra is installed, if the engine needs one.

    Raises:
        OperatorError: It is not.
    """
    if name == "faust" and _is_missing("faust"):
        raise OperatorError(
            "the engine faust needs faust-streaming, which is not installed",
            remedy=f"{install_command('faust')}, or leave out --engine",
        )


def _is_missing(package: str) -> bool:
    """Whether a package is not installed, without importing it; an imported Faust has no spec, so modules count too."""
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
