"""The reader of a log on Kafka."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from streams.log import LeftOut, LogFault, Record, UnorderedReader
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.reading.snapshot import Snapshot, SnapshotExtent
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.runtimes.kafka.reading.source import LogSource, SourcePlace
from streams.topology import TOPICS, partition_of


class KafkaReader:
    """
    The `UnorderedReader` of a cluster: a view up to the end offsets at the time it is taken.

    `ends` asks the brokers. Every other method first copies all records of the view to a temporary file (`Snapshot`, in
    TMPDIR); after `refresh` only new records are copied. Memory does not grow with the log.

    Args:
        connection: The cluster.
        about: Question id, if the caller asks about one question only: of topics keyed by question only its partition
            is read.
        topics: Topics to read; all topics if empty.

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
        # The order matters, since the brokers answer at different moments. Stages commit offsets only after their
        # outputs are acknowledged, so the ends asked afterwards include the outputs of all committed records. And no
        # record before the first ends has a cause behind the second ends.
        committed = self._source.committed()
        self._extent = SnapshotExtent(committed, self._source.ends())
        self._ends = self._source.ends()

    def _snapshot(self) -> SnapshotReader:
        """Give the reader of the snapshot, which is made at the first call."""
        if self._copy is None:
            self._files = TemporaryDirectory(prefix="orch-snapshot-", ignore_cleanup_errors=True)
            snapshot = Snapshot(Path(self._files.name, "snapshot.db"))
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
        """Give the `seq` up to which every record was folded; later records may have been folded too."""
        return self._snapshot().folded

    @property
    def taken(self) -> int:
        """Count the records read for this view, including repeats and records left out."""
        return self._snapshot().taken

    @property
    def repeats(self) -> int:
        """Count the records read that repeat an earlier record of their partition."""
        return self._snapshot().repeats

    def refresh(self) -> bool:
        """Move the view to the current end offsets; say whether there were new records."""
        before = self._ends
        self._take_view()
        if self._copy is not None:
            snapshot, reader = self._copy
            self._copy_to(snapshot)
            reader.refresh()
        return self._ends != before

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """
        Iterate the records of *topics* (all if empty) with a `seq` above *after*, by time.

        Raises:
            UsageError: A topic does not exist.
        """
        return self._snapshot().records(topics, after=after, limit=limit)

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), by time."""
        return self._snapshot().about(correlation)

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """
        Iterate the records of *topics* grouped by correlation, each group by time; in constant memory.

        Raises:
            UsageError: A topic does not exist.
        """
        return self._snapshot().by_correlation(topics)

    def last(self, topic: str, key: str) -> Record | None:
        """Find the newest record of a key; None if there is none."""
        return self._snapshot().last(topic, key)

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition, without reading records."""
        return dict(self._ends)

    def unordered(self) -> UnorderedReader:
        """Give the reader itself, without reading records."""
        return self

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offsets before which a stage has folded every record, by topic and partition that it reads."""
        return self._extent.committed.get(stage, {})

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which every record has all its causes in view."""
        return self._extent.settled

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate the records left out, grouped by correlation (by place if the correlation is unknown)."""
        return self._snapshot().left_out()

    def faults(self) -> Sequence[LogFault]:
        """Give none: places and times on a cluster follow no rule that could be checked."""
        return ()

    def elsewhere(self) -> Callable[[], UnorderedReader]:
        """Give a function that opens the snapshot in another process, while it is open in this one."""
        return self._snapshot().elsewhere()

    def close(self) -> None:
        """Disconnect, and remove the snapshot."""
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
    """List the partitions that can hold records of these topics and this question."""
    places = []
    for topic in TOPICS.values():
        if topics and topic.name not in topics:
            continue
        of_question = about is not None and topic.key == "question_id"
        only = partition_of((about or "").encode(), topic.partitions) if of_question else None
        places += [(topic.name, number) for number in range(topic.partitions) if only in (None, number)]
    return places
