"""Placement check of records: each in its key's partition."""

from functools import lru_cache

from streams.audit.replay.difference import Findings, at
from streams.log import LogReader, Record
from streams.topology import DEAD_LETTERS, LESSONS, OBSERVATIONS, partition_of

_KEYED_OTHERWISE = (OBSERVATIONS, LESSONS, DEAD_LETTERS)


@lru_cache(maxsize=4_096)
def _placed(key: str, partitions: int) -> int:
    return partition_of(key.encode(), partitions)


class KeyPlacement:
    """Keys and partitions of a log."""

    def __init__(self, reader: LogReader) -> None:
        self._partitions: dict[str, int] = {}
        for topic, partition in reader.ends():
            self._partitions[topic] = max(self._partitions.get(topic, 0), partition + 1)

    def partition(self, topic: str, key: str) -> int:
        """Choose the partition that a key belongs to."""
        return _placed(key, self._partitions[topic])

    def check(self, question_id: str, record: Record, findings: Findings) -> None:
        """Report a record about a question that has another key, or lies in another partition than its key's."""
        if record.topic not in _KEYED_OTHERWISE and record.key != question_id:
            findings.note(at(record, "key", question_id, record.key))
        partition = self.partition(record.topic, record.key)
        if record.partition != partition:
            findings.note(at(record, "partition", partition, record.partition))
