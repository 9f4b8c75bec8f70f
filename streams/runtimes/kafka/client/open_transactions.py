"""Transactions of other producers that hold back a reader."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from structlog.typing import FilteringBoundLogger

TELL_S = 10.0
"""Age at which an open transaction is told; most end within a second, and brokers abort them after a minute or so."""

_log: FilteringBoundLogger = structlog.get_logger("orch.transactions")


class HeldBack(NamedTuple):
    """Records that a reader of committed records cannot have yet, because a transaction before them is open."""

    place: TopicPartition
    offset: int
    """Last stable offset: the first record of the oldest open transaction."""
    records: int
    """Offsets from there to the high watermark."""


def held_back(consumer: AIOKafkaConsumer, places: Iterable[TopicPartition]) -> Iterator[HeldBack]:
    """
    Find the places where open transactions hold the consumer back, by the answers it has got; asks no broker.

    Args:
        consumer: Reads committed records.
        places: Assigned to it.
    """
    for place in places:
        stable, end = consumer.last_stable_offset(place), consumer.highwater(place)
        if stable is not None and end is not None and 0 <= stable < end:
            yield HeldBack(place, stable, end - stable)


class OpenTransactions:
    """Tells of each open transaction that holds a reader back for `TELL_S`: once when it does, once when it ends."""

    def __init__(self) -> None:
        self._since: dict[tuple[TopicPartition, int], float] = {}
        """When each transaction, by place and first offset, was seen first; seconds."""
        self._told: dict[tuple[TopicPartition, int], None] = {}

    def look(self, consumer: AIOKafkaConsumer, places: Iterable[TopicPartition], now_s: float) -> None:
        """
        Take note of what holds a reader back, and tell of it when it is time.

        Args:
            consumer: Reads committed records.
            places: Assigned to it, all that it reads.
            now_s: Monotonic seconds.
        """
        found = {(held.place, held.offset): held for held in held_back(consumer, places)}
        for known in [known for known in self._since if known not in found]:
            seconds = now_s - self._since.pop(known)
            if known in self._told:
                del self._told[known]
                _log.info("transaction_ended", **_place(*known), seconds=round(seconds, 1))
        for known, held in found.items():
            if now_s - self._since.setdefault(known, now_s) >= TELL_S and known not in self._told:
                self._told[known] = None
                tell_of(held)


def tell_of(held: HeldBack) -> None:
    """Log that an open transaction holds records back."""
    _log.warning(
        "transaction_open",
        **_place(held.place, held.offset),
        records=held.records,
        remedy="They are read once its producer ends it, or the broker after the producer's transaction.timeout.ms;"
        " `kafka-transactions.sh --find-hanging` names one that the broker has lost, and aborts it",
    )


def _place(place: TopicPartition, offset: int) -> dict[str, str | int]:
    return {"topic": place.topic, "partition": place.partition, "offset": offset}
