"""
A Kafka client that shares no code with the program's.

It is librdkafka.
"""

import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Self, TypeVar

from infra.chaos.reading import TOPICS, FoundRecord
from streams.errors import OperatorError
from streams.extras import install_command

T = TypeVar("T")
Place = tuple[str, int]
"""A topic by its name in the log, and a partition."""

SILENCE_S = 60.0
"""Longest wait for brokers that do not answer, and for a record that exists."""

BEGINNING = 0
"""Where a consumer begins, or else at the earliest record. It would look for OFFSET_BEGINNING half a second later."""

_ANSWER_S = 5.0
"""Longest wait for one answer."""

_AT_A_TIME = 1_000
_WAIT_S = 0.02
# Trials break connections all the time; librdkafka would write each lost one to stderr.
QUIET: dict[str, Any] = {"log_level": 0}
# By default it waits up to ten seconds before it looks for a broker again.
_SOON: dict[str, Any] = {"reconnect.backoff.max.ms": 500}


def library() -> Any:
    """
    Give the package confluent-kafka. It is in the extra `test` alone, for nothing that users run needs it.

    Raises:
        OperatorError: It is not installed.
    """
    try:
        return importlib.import_module("confluent_kafka")
    except ImportError as error:
        raise OperatorError(
            "trials need confluent-kafka, which is not installed", remedy=install_command("test")
        ) from error


def producer(bootstrap: str, **settings: Any) -> Any:
    """Make a producer with librdkafka's defaults but for *settings*; dots in their names are underscores."""
    return library().Producer({"bootstrap.servers": bootstrap, **QUIET, **_dotted(settings)})


def consumer(bootstrap: str, group: str = "chaos", **settings: Any) -> Any:
    """Make a consumer that commits nothing and is told by hand what to read."""
    plain = {"group.id": group, "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    return library().Consumer({"bootstrap.servers": bootstrap, **plain, **QUIET, **_SOON, **_dotted(settings)})


def records(bootstrap: str, topics: Sequence[str], prefix: str = "") -> Iterator[FoundRecord]:
    """
    Iterate what topics hold now, one after the other, each from its beginning.

    Args:
        topics: Their names in the log.
        prefix: What stands before a name on the cluster.

    Raises:
        OperatorError: The brokers stop answering.
    """
    with Offsets(bootstrap, prefix) as offsets:
        ends = offsets.ends()
    for topic in topics:
        left = {number: end for (name, number), end in ends.items() if name == topic and end}
        # Each topic has a consumer of its own: one that is told to read other topics waits a second.
        reading = consumer(bootstrap, fetch_wait_max_ms=10)
        try:
            for one in _messages(reading, f"{prefix}{topic}", left):
                yield found_of(one)._replace(topic=topic)
        finally:
            reading.close()


def _messages(reading: Any, topic: str, left: dict[int, int]) -> Iterator[Any]:
    reading.assign([library().TopicPartition(topic, number, BEGINNING) for number in left])
    heard_at = time.monotonic()
    while left:
        # `consume` waits until it has that many records, or the whole time.
        found = reading.consume(_AT_A_TIME, timeout=_WAIT_S)
        if found:
            heard_at = time.monotonic()
        elif time.monotonic() - heard_at > SILENCE_S:
            raise OperatorError(f"no record of {topic} came for {SILENCE_S:g} s", remedy="Look at the broker's log")
        for one in found:
            if one.error():
                raise OperatorError(f"{topic} cannot be read: {one.error()}", remedy="Look at the broker's log")
            if one.offset() + 1 >= left.get(one.partition(), 0):
                left.pop(one.partition(), None)
            yield one


def found_of(message: Any) -> FoundRecord:
    """Convert a record of the client."""
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    _, timestamp_ms = message.timestamp()
    place = message.topic(), message.partition(), message.offset()
    return FoundRecord(*place, timestamp_ms, message.key(), message.value(), headers)


def partitions(reading: Any, topic: str) -> list[int]:
    """List the partitions of a topic."""
    return sorted(reading.list_topics(topic, timeout=SILENCE_S).topics[topic].partitions)


class Offsets:
    """
    End offsets of topics and committed offsets of stages; a broker may be killed and come back meanwhile.

    It asks through consumers: librdkafka's admin client does not reconnect to a broker that was killed.

    Args:
        prefix: What stands before the names of topics and groups on the cluster.
    """

    def __init__(self, bootstrap: str, prefix: str = "") -> None:
        self._kafka, self._bootstrap, self._prefix = library(), bootstrap, prefix
        self._asking: dict[str, Any] = {}
        self._places: list[Place] = []

    def ends(self) -> dict[Place, int]:
        """
        Give the next offset of every partition.

        Raises:
            OperatorError: The brokers do not answer.
        """
        return self._answered(lambda: self._ends(self._client("chaos")))

    def committed(self, stage: str) -> dict[Place, int]:
        """
        Give the offset of each partition that a stage would go on from, where it ever committed.

        Raises:
            OperatorError: The brokers do not answer.
        """
        return self._answered(lambda: self._committed(self._client(f"{self._prefix}orch-{stage}")))

    def lags(self, stages: Iterable[str]) -> dict[str, dict[Place, int]]:
        """
        Count for each stage the records of each partition that it has not committed.

        It is known to read the topics in which it ever committed; partitions without a record are left out.

        Raises:
            OperatorError: The brokers do not answer.
        """
        committed = {stage: self.committed(stage) for stage in stages}
        ends = {place: end for place, end in self.ends().items() if end}
        return {
            stage: {place: end - offsets.get(place, 0) for place, end in ends.items() if place[0] in read}
            for stage, offsets in committed.items()
            for read in [{topic for topic, _ in offsets}]
        }

    def _client(self, group: str) -> Any:
        if group not in self._asking:
            self._asking[group] = consumer(self._bootstrap, group)
        if not self._places:
            asking = self._asking[group]
            self._places = [(topic, n) for topic in TOPICS for n in partitions(asking, f"{self._prefix}{topic}")]
        return self._asking[group]

    def _asked(self, offset: int) -> list[Any]:
        return [self._kafka.TopicPartition(f"{self._prefix}{topic}", n, offset) for topic, n in self._places]

    def _ends(self, asking: Any) -> dict[Place, int]:
        found = asking.offsets_for_times(self._asked(self._kafka.OFFSET_END), timeout=_ANSWER_S)
        return dict(self._told(found))

    def _committed(self, asking: Any) -> dict[Place, int]:
        found = asking.committed(self._asked(self._kafka.OFFSET_INVALID), timeout=_ANSWER_S)
        return {place: offset for place, offset in self._told(found) if offset >= 0}

    def _told(self, found: Iterable[Any]) -> Iterator[tuple[Place, int]]:
        for one in found:
            if one.error:
                raise self._kafka.KafkaException(one.error)
            yield (one.topic.removeprefix(self._prefix), one.partition), one.offset

    def _answered(self, ask: Callable[[], T]) -> T:
        limit = time.monotonic() + SILENCE_S
        while True:
            try:
                return ask()
            except self._kafka.KafkaException as error:
                # A broker that has just come back does not know its partitions and groups at once.
                if time.monotonic() > limit:
                    raise OperatorError(f"the brokers do not tell offsets: {error}") from error
                time.sleep(_WAIT_S)

    def close(self) -> None:
        """Disconnect."""
        for asking in self._asking.values():
            asking.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in settings.items()}


def deal(bootstrap: str, group: str) -> dict[str, frozenset[Place]] | None:
    """
    Give the partitions of each member of a consumer group, by its static name (or else its id).

    Returns:
        None during a rebalance.
    """
    kafka, admin = library(), importlib.import_module("confluent_kafka.admin")
    client = admin.AdminClient({"bootstrap.servers": bootstrap, **QUIET, **_SOON})
    described = client.describe_consumer_groups([group], request_timeout=_ANSWER_S)[group].result()
    if described.state != kafka.ConsumerGroupState.STABLE:
        return None
    return {
        member.group_instance_id or member.member_id: frozenset(
            (place.topic, place.partition) for place in member.assignment.topic_partitions
        )
        for member in described.members
    }
