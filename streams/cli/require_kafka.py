"""What commands need to know of Kafka before anything of it is imported."""

import importlib.util
import os
import sys
from typing import TYPE_CHECKING

from streams.cli.context import App
from streams.errors import OperatorError, UsageError

if TYPE_CHECKING:
    from streams.runtimes.kafka.client.connection import Connection

_PACKAGES = ("aiokafka", "faust")


def require_kafka() -> None:
    """
    Make sure that the packages are there.

    Raises:
        OperatorError: The extra is not installed.
    """
    # Faust replaces itself when it is imported, and has no spec then.
    missing = [name for name in _PACKAGES if name not in sys.modules and importlib.util.find_spec(name) is None]
    if missing:
        raise OperatorError(
            f"logs on Kafka need {' and '.join(missing)}, which is not installed",
            remedy="pip install 'orch-streams[kafka]'",
        )


def connection_of(app: App, command: str) -> "Connection":
    """
    Give the connection of the log.

    Raises:
        UsageError: The log is not on Kafka.
        OperatorError: The extra is not installed.
    """
    if app.log.scheme != "kafka":
        raise UsageError(
            f"`orch {command}` works on a log on Kafka, not on {app.log_url}",
            remedy="Give --log kafka://HOST:PORT; on one machine `orch run` runs all stages by itself",
        )
    require_kafka()
    from streams.runtimes.kafka.client.connection import parse_connection

    return parse_connection(app.log.target, os.environ)
