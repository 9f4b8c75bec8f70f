"""
The Kafka broker that the tests of one run share.

Where a machine can have none, its tests skip.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.broker import Broker
from infra.broker.jars import fetch
from infra.broker.java import find_java
from streams.errors import OperatorError


def require_kafka() -> None:
    """Skip if this machine has no Java or cannot get Kafka's jars. A broker that does not start is a failure."""
    try:
        find_java()
        fetch()
    except OperatorError as missing:
        pytest.skip(f"needs a Kafka broker: {missing}")


@contextmanager
def running_broker(folder: Path) -> Iterator[Broker]:
    """Run a broker in a folder; it ends with the block, and with this process however that ends."""
    require_kafka()
    with Broker(folder) as broker:
        yield broker
