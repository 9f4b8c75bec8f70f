"""The reader of a log on Kafka."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from streams.log import LeftOut, LogFault, Original, Record, UnorderedReader
from streams.runtimes.kafka.client.connection import Connection
from streams.runtimes.kafka.original import original_of
from streams.runtimes.kafka.raw_record import RawRecord
from streams.runtimes.kafka.reading.aborted_records import AbortedRecords, OffsetGaps, Place, SourcePlace, place_of
from streams.runtimes.kafka.reading.snapshot import Snapshot, SnapshotExtent
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.runtimes.kafka.reading.source import LogSource
from streams.topology import FEEDBACK, QUESTIONS, TOPICS, partition_of


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
        OperatorError: No broker answers, the user lacks a right, or topics are missing.
    """

    def __init__(self, connection: Connection, *, about: str | None = None, topics: Sequence[str] = ()) -> None:
        self._files: TemporaryDirectory[str] | None = None
        self._copy: tuple[Snapshot, SnapshotReader] | None = None
        self._copies = 1
        self._transactions: bool | None = None
        """Whether offsets are missing where other programs write; None if that is not known."""
        self._aborted = AbortedRecords()
        self._gaps = OffsetGaps()
        self._connection = connection
        # How far the stages are is asked by those who look at the whole log.
        self._sees_stages = not topics
        self._source = LogSource(connection, _places(about, topics), groups=self._sees_stages)
        try:
            self._begins: dict[SourcePlace, int] = {}
            self._read_to: dict[SourcePlace, int] = {}
            self._take_view()
        except BaseException:
            self.close()
            raise

    def _take_view(self) -> None:
        # The order matters, since the brokers answer at different moments. Stages commit offsets only after their
        # outputs are acknowledged, so the ends asked afterwards include the outputs of all committed records. And no
        # record before the first ends has a cause behind the second ends.
        committed = self._source.committed() if self._sees_stages else {}
        self._extent = SnapshotExtent(committed, self._source.ends())
        self._ends = self._source.ends()

    def _snapshot(self) -> SnapshotReader:
        """Give the reader of the snapshot, which is made at the first call."""
        if self._copy is None:
            self._files = TemporaryDirectory(prefix="orch-snapshot-", ignore_cleanup_errors=True)
            self._begins = self._read_to = self._source.beginnings()
            self._open_copy("snapshot.db", self._source.raw_records(self._spans()))
            self._take_aborted()
        assert self._copy is not None
        return self._copy[1]

    def _open_copy(self, name: str, raw_records: Iterable[RawRecord], aborted: Iterable[Place] = ()) -> None:
        """Copy records to a file of its own."""
        assert self._files is not None, "the caller makes the folder"
        snapshot = Snapshot(Path(self._files.name, name))
        try:
            snapshot.note_aborted(aborted)
            self._copy_to(snapshot, raw_records)
            self._copy = snapshot, SnapshotReader(snapshot.path)
        except BaseException:
            snapshot.close()
            raise

    def _spans(self) -> dict[SourcePlace, tuple[int, int]]:
        return {place: (self._read_to[place], end) for place, end in self._ends.items()}

    def _copy_to(self, snapshot: Snapshot, raw_records: Iterable[RawRecord]) -> None:
        # Other reads have left theirs.
        self._source.gaps.clear()
        snapshot.add(raw_records, self._extent)
        self._read_to = dict(self._ends)

    def _take_aborted(self) -> None:
        """
        Look for records of aborted transactions that events in view name, and copy all records again if there are any.

        They belong before what followed from them. In the log of a program that reads committed records there are none,
        and in one without transactions nothing is read for it.
        """
        assert self._copy is not None, "the caller has made it"
        if self._source.gaps:
            with closing(LogSource(self._connection, list(self._ends), committed=False, groups=False)) as everything:
                found = self._source.gaps.split(everything.raw_records(self._source.gaps.spans()))
                self._aborted.add(raw_record for raw_record, in_gap in found if in_gap)
            self._gaps.take(self._source.gaps)
        named = self._aborted.named(self._copy[1])
        if not named.keys() - dict.fromkeys(self._copy[1].aborted()).keys():
            return
        self._drop_copy()
        self._read_to = self._begins
        self._copies += 1
        self._open_copy(f"snapshot-{self._copies}.db", self._with(named, self._spans()), named)

    def _with(self, aborted: Mapping[Place, None], spans: Mapping[SourcePlace, tuple[int, int]]) -> Iterator[RawRecord]:
        """Read all records that were not aborted, and these that were."""
        with closing(LogSource(self._connection, list(self._ends), committed=False, groups=False)) as everything:
            for raw_record, in_gap in self._gaps.split(everything.raw_records(spans)):
                if not in_gap or place_of(raw_record) in aborted:
                    yield raw_record

    def _drop_copy(self) -> None:
        for part in self._copy or ():
            part.close()
        if self._copy is not None:
            self._copy[0].path.unlink()
        self._copy = None

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
            self._copy_to(snapshot, self._source.raw_records(self._spans()))
            reader.refresh()
            self._take_aborted()
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

    def last(self, topic: str, key: str, *, upto: int | None = None) -> Record | None:
        """Find the newest record of a key, or the newest one up to a `seq`; None if there is none."""
        return self._snapshot().last(topic, key, upto=upto)

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

    def aborted(self) -> Sequence[tuple[str, int, int]]:
        """
        List the records in view that belong to aborted transactions: topic, partition and offset.

        Reads what other programs write, questions and feedback, and only if offsets are missing there the whole view.
        """
        if self._copy is None and self._transactions is None:
            begins = self._source.beginnings().items()
            spans = {place: (begin, self._ends[place]) for place, begin in begins if place[0] in (QUESTIONS, FEEDBACK)}
            for _ in self._source.raw_records(spans):
                pass
            self._transactions = bool(self._source.gaps)
        if self._copy is None and not self._transactions:
            return ()
        return self._snapshot().aborted()

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate the records left out, grouped by correlation (by place if the correlation is unknown)."""
        return self._snapshot().left_out()

    def incomplete(self) -> frozenset[SourcePlace]:
        """Give the partitions of compacted topics, and those that retention has begun to remove."""
        return frozenset(
            place
            for place, start in self._source.beginnings().items()
            if start > 0 or TOPICS[place[0]].cleanup == "compact"
        )

    def faults(self) -> Sequence[LogFault]:
        """Give none: places and times on a cluster follow no rule that could be checked."""
        return ()

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """
        Iterate all records of the view as the brokers hold them, by time; without a temporary file.

        Args:
            topics: All if empty.
            after: Seq of the last record that the caller has; the next record's is one more.
            starts: Next offset of each partition that the caller has records of.
        """
        starts = starts or {}
        spans = {
            place: (max(begin, starts.get(place, 0)), self._ends[place])
            for place, begin in self._source.beginnings().items()
            if not topics or place[0] in topics
        }
        aborted = dict.fromkeys(self.aborted())
        raw_records = self._with(aborted, spans) if aborted else self._source.raw_records(spans)
        for seq, raw_record in enumerate(raw_records, after + 1):
            yield original_of(raw_record, seq)

    @property
    def archived(self) -> bool:
        """Say no: this is the log itself."""
        return False

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
