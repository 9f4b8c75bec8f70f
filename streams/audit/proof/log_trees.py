"""Merkle trees of all partitions of a log."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from streams.audit.proof.checkpoints import Head, SealedRoots, TopicPartition, is_sealed
from streams.audit.proof.entry import entry
from streams.audit.proof.merkle import TreeHasher, leaf_hash
from streams.log import LogReader, Original
from streams.topology import TOPICS


class Mismatch(NamedTuple):
    """
    A partition that is not as it was sealed.

    Attributes:
        sound: Number of its first records that an earlier checkpoint of the same series covers, and that are as sealed.
        sealed: Number of records that were sealed.
        found: Number of records that are there, at most *sealed*.
        checkpoint: Name of the checkpoint.
    """

    topic: str
    partition: int
    sound: int
    sealed: int
    found: int
    checkpoint: str

    def __str__(self) -> str:
        place = f"{self.topic}, partition {self.partition}"
        if self.found < self.sealed:
            return f"{place}: {self.found:,} records are there; {self.checkpoint} sealed {self.sealed:,}"
        return (
            f"{place}: a record at position {self.sound:,} to {self.sealed - 1:,} was changed, put in, left out or"
            f" moved since {self.checkpoint}"
        )


class LogTrees:
    """
    A tree for each partition, in memory that does not grow with the log.

    Only sizes that were sealed are compared, so memory grows with the checkpoints that it is held to.
    """

    def __init__(self) -> None:
        self.mismatches: list[Mismatch] = []
        self._trees: dict[TopicPartition, TreeHasher] = {}
        self._next: dict[TopicPartition, int] = {}
        self._seq = 0
        self._sealed: dict[TopicPartition, deque[tuple[int, bytes, str]]] = {}
        self._sound: dict[TopicPartition, int] = {}

    def expect(self, checkpoints: Iterable[tuple[str, SealedRoots]], without: Iterable[TopicPartition] = ()) -> None:
        """
        Hold the log to checkpoints; no records may have been added.

        Args:
            checkpoints: Each with its name.
            without: Partitions that cannot be checked, because records are gone from them.
        """
        due: dict[TopicPartition, dict[tuple[int, bytes], str]] = {}
        for name, roots in checkpoints:
            for place, head in roots.heads.items():
                if place not in without:
                    due.setdefault(place, {}).setdefault(head, name)
        for place, heads in due.items():
            self._sealed[place] = deque(sorted((size, root, name) for (size, root), name in heads.items()))

    def read(self, reader: LogReader) -> Iterator[Original]:
        """Add the records of a log that were not added yet, and give each, those without a tree too."""
        gone = reader.incomplete()
        topics = [topic for topic in TOPICS if any((topic, n) not in gone for n in range(TOPICS[topic].partitions))]
        for record in reader.originals(topics, after=self._seq, starts=self._next):
            place = record.topic, record.partition
            if place not in gone and is_sealed(record.topic):
                self.add(record)
            self._next[place], self._seq = record.offset + 1, record.seq
            yield record

    def add(self, record: Original) -> bytes:
        """Add the next record of its partition; give the leaf's hash."""
        place = record.topic, record.partition
        tree = self._trees.get(place)
        if tree is None:
            tree = self._trees[place] = TreeHasher()
        leaf = leaf_hash(entry(record))
        tree.add(leaf)
        sealed = self._sealed.get(place)
        while sealed and sealed[0][0] == tree.size:
            size, root, name = sealed.popleft()
            if tree.root() == root:
                self._sound[place] = size
            else:
                self._note(place, size, size, name)
        return leaf

    def _note(self, place: TopicPartition, sealed: int, found: int, name: str) -> None:
        self.mismatches.append(Mismatch(*place, self._sound.get(place, 0), sealed, found, name))
        # What was sealed later differs too, and says nothing more.
        self._sealed[place].clear()

    def finish(self) -> None:
        """Note the partitions that end before what was sealed."""
        for place, sealed in self._sealed.items():
            if sealed:
                size, _, name = sealed[-1]
                self._note(place, size, self._trees[place].size if place in self._trees else 0, name)

    @property
    def heads(self) -> Mapping[TopicPartition, Head]:
        """Size and root of each partition with records."""
        return {place: Head(tree.size, tree.root()) for place, tree in self._trees.items()}

    @property
    def records(self) -> int:
        """Number of records in all trees."""
        return sum(tree.size for tree in self._trees.values())


def unsealed_places(reader: LogReader) -> list[str]:
    """Name the partitions of which a log has lost records, so that they have no tree of their own."""
    return [f"{topic}/{number}" for topic, number in sorted(reader.incomplete()) if topic in TOPICS]
