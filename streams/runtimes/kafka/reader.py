"""The reader of a log on Kafka."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from streams.log import LeftOut, Record, UnorderedReader
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.reading.snapshot import Snapshot, SnapshotExtent
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.runtimes.kafka.reading.source import LogSource, SourcePlace
from streams.topology import TOPICS, partition_of


class KafkaReader:
    """
    The `UnorderedReader` of a cluster.

    `ends` is the brokers' answer. Everything else reads all records of the view into a temporary file first
    (`Snapshot`; TMPDIR says where), and again only what is new after `refresh`. Memory does not grow with the log.

    Args:
        connection: The cluster.
        about: The one question that is asked about: of the topics keyed by question only its partition is read.
        topics: The only topics that are asked for; all, if none.

    Raises:
        OperatorError: No broker answers, or topics are missing.
    """

    def __init__(self, connection: Connection, *, about: str | None = None, topics: Sequence[str] = ()) -> None:
        self._files: TemporaryDirectory[str] | None = None
        self._copy: tuple[Snapshot, SnapshotReader] | None = None
        self._source = LogSource(connection, _places(about, topics))
        try:
            self._read_to: dict[SourcePlace, int] = {}
            self._take_view()
        except BaseException:
            self.close()
            raise

    def _take_view(self) -> None:
        # In this order: what follows from records that were folded is there before their offsets are committed, and
        # what stands before the first ends rests on nothing behind the second ones. One request is not one moment.
        committed = self._source.committed()
        self._extent = SnapshotExtent(committed, self._source.ends())
        self._ends = self._source.ends()

    def _snapshot(self) -> SnapshotReader:
        """Give the reader of the copy, which is made when it is first asked for."""
        if self._copy is None:
            self._files = TemporaryDirectory(prefix="orch-mirror-", ignore_cleanup_errors=True)
            snapshot = Snapshot(Path(self._files.name, "mirror.db"))
            try:
                self._read_to = self._source.beginnings()
                self._copy_to(snapshot)
                self._copy = snapshot, SnapshotReader(snapshot.path)
            except BaseException:
                snapshot.close()
                raise
        return self._copy[1]

    def _copy_to(self, snapshot: Snapshot) -> None:
        spans = {place: (self._read_to[place], end) for place, end in self._ends.items()}
        snapshot.add(self._source.raw_records(spans), self._extent)
        self._read_to = dict(self._ends)

    @property
    def end(self) -> int:
        """Give the `seq` of the newest record in view; 0 where the log is empty."""
        return self._snapshot().end

    @property
    def folded(self) -> int:
        """Give the `seq` up to which everything was folded; later records may have been folded too."""
        return self._snapshot().folded

    @property
    def taken(self) -> int:
        """Count the records read for this view, repeated ones and those left out included."""
        return self._snapshot().taken

    @property
    def repeats(self) -> int:
        """Count those among them that repeat an earlier record of their partition."""
        return self._snapshot().repeats

    def refresh(self) -> bool:
        """Move the view to what the brokers hold now; say whether there was more."""
        before = self._ends
        self._take_view()
        if self._copy is not None:
            snapshot, reader = self._copy
            self._copy_to(snapshot)
            reader.refresh()
        return self._ends != before

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """
        Iterate the records of *topics* (all, if none) by time, those with `seq` above *after*.

        Raises:
            UsageError: A topic that does not exist.
        """
        return self._snapshot().records(topics, after=after, limit=limit)

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), by time."""
        return self._snapshot().about(correlation)

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """
        Iterate the records of *topics* grouped by what they are about, each group by time, in constant memory.

        Raises:
            UsageError: A topic that does not exist.
        """
        return self._snapshot().by_correlation(topics)

    def last(self, topic: str, key: str) -> Record | None:
        """Find the newest record of a key."""
        return self._snapshot().last(topic, key)

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition; nothing is read for that."""
        return dict(self._ends)

    def unordered(self) -> UnorderedReader:
        """Give the reader itself; nothing is read for that."""
        return self

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offset before which a stage has folded everything, for each topic and partition it reads."""
        return self._extent.committed.get(stage, {})

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which all that any record rests on is in view."""
        return self._extent.settled

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate what was left out by what it is about (its place, if nothing says that), as `by_correlation` does."""
        return self._snapshot().left_out()

    def elsewhere(self) -> Callable[[], UnorderedReader]:
        """Give a function that opens the copy in another process, for as long as it is open in this one."""
        return self._snapshot().elsewhere()

    def close(self) -> None:
        """Disconnect, and remove the copy."""
        try:
            self._source.close()
        finally:
            for part in self._copy or ():
                part.close()
            if self._files is not None:
                self._files.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _places(about: str | None, topics: Sequence[str]) -> list[SourcePlace]:
    """List the partitions that can hold what is asked for."""
    places = []
    for topic in TOPICS.values():
        if topics and topic.name not in topics:
            continue
        of_question = about is not None and topic.key == "question_id"
        only = partition_of((about or "").encode(), topic.partitions) if of_question else None
        places += [(topic.name, number) for number in range(topic.partitions) if only in (None, number)]
    return places
