"""Partition numbers within one log file."""

from streams.topology import TOPICS, partition_of

TopicPlace = tuple[str, int]
"""Topic and partition."""

_REMEMBERED_KEYS = 16_384
"""Most keys of one topic with a cached partition. Records of one question arrive close together, and hashing costs as
much as all other work on a record."""


class PartitionNumbers:
    """
    The numbers of all partitions of one file, and the choice of partition for a key.

    Args:
        numbers: Stream number of each partition. A file keeps its partition counts: with another count, new records of
            a key would go to another partition than its earlier ones.
    """

    def __init__(self, numbers: dict[TopicPlace, int]) -> None:
        self.numbers = numbers
        self.places = {number: place for place, number in numbers.items()}
        self._of_topic: dict[str, list[int]] = {}
        for (topic, _), number in sorted(numbers.items()):
            self._of_topic.setdefault(topic, []).append(number)
        self._of_key: dict[str, dict[str, int]] = {topic: {} for topic in self._of_topic}

    def of_topic(self, topic: str) -> list[int]:
        """List the streams of one topic, by partition; empty for a topic that the file does not know."""
        return self._of_topic.get(topic, [])

    def of_key(self, topic: str, key: str) -> int:
        """Choose the stream of a record by its key."""
        known = self._of_key[topic]
        stream = known.get(key)
        if stream is None:
            streams = self._of_topic[topic]
            stream = streams[partition_of(key.encode(), len(streams))]
            if len(known) >= _REMEMBERED_KEYS:
                known.clear()
            known[key] = stream
        return stream


def missing(numbers: dict[TopicPlace, int]) -> dict[TopicPlace, int]:
    """Number the partitions of all topics that a file does not have yet; a new file has none."""
    known = {topic for topic, _ in numbers}
    free = max(numbers.values(), default=0) + 1
    places = [
        (topic.name, partition)
        for topic in TOPICS.values()
        if topic.name not in known
        for partition in range(topic.partitions)
    ]
    return {place: free + index for index, place in enumerate(places)}
