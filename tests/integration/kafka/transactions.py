"""Transactions of another program on a log's topics."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from infra.chaos.client import producer

from ...limits import LIMIT_S


class Transactor:
    """
    A producer of transactions, made with confluent-kafka.

    Args:
        bootstrap: Address of a broker.
        name: Its `transactional.id`.
        timeout_ms: Time after which the broker aborts a transaction that is still open.
    """

    def __init__(self, bootstrap: str, name: str, timeout_ms: int = 60_000) -> None:
        self._producer: Any = producer(bootstrap, transactional_id=name, transaction_timeout_ms=timeout_ms)
        self._producer.init_transactions(LIMIT_S)

    def begin(self, topic: str, values: Iterable[bytes], partition: int = -1, keys: Iterable[str] = ()) -> None:
        """Write records in a transaction that stays open; they are in the log when this returns."""
        self._producer.begin_transaction()
        named = iter(keys)
        for value in values:
            self._producer.produce(topic, value, next(named, None), partition)
        assert self._producer.flush(LIMIT_S) == 0

    def commit(self) -> None:
        """Commit the open transaction."""
        self._producer.commit_transaction(LIMIT_S)

    def abort(self) -> None:
        """Abort the open transaction."""
        self._producer.abort_transaction(LIMIT_S)


@contextmanager
def open_transaction(transactor: Transactor, topic: str, *values: bytes, partition: int = -1) -> Iterator[None]:
    """Write records in a transaction that is open during the block, and aborted after it."""
    transactor.begin(topic, values, partition)
    try:
        yield
    finally:
        transactor.abort()
