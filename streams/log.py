"""The contract of a log that every runtime keeps."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, Protocol, Self

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.registry import InvalidRecord, decode_canonical, describe
from streams.errors import DifferenceError

Clock = Callable[[], int]
"""Gives milliseconds since 1970-01-01 UTC; only runtimes and workers hold a clock."""

Headers = tuple[tuple[str, bytes | None], ...]
"""Record headers as in Kafka: ordered, names may repeat, and a value may be null."""


def wall_clock_ms() -> int:
    """Read the time of this machine."""
    return time.time_ns() // 1_000_000


class Record(NamedTuple):
    """
    Bytes in the log, with their place.

    Attributes:
        headers: Headers from the producer; the CloudEvents headers are functions of the event (`headers.ce_headers`).
        seq: Place in the total order of a log file over all topics, from 1 without gaps; 0 if the runtime has none.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: str
    value: bytes
    headers: Headers = ()
    seq: int = 0


def read_event(record: Record) -> Event:
    """
    Decode a record that this program wrote.

    Raises:
        DifferenceError: The record is no canonical event, so it was changed; message and attributes name the place.
    """
    try:
        return decode_canonical(record.topic, record.value)
    except ValueError as error:
        raise DifferenceError(
            f"{record.topic}, partition {record.partition}, offset {record.offset}: the record was changed after it was"
            f" written ({describe(error, most=1)})",
            remedy="Restore the log from a backup; `orch replay` shows where it first differs",
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            key=record.key,
        ) from error


TimestampType = Literal["CreateTime", "LogAppendTime"]
"""Clock of a record's timestamp, in Kafka's terms: the producer's, or the log's."""


class Original(NamedTuple):
    """
    A record as its log holds it, to the byte, whether or not it is an event.

    Attributes:
        key: None for a record without a key.
        value: None for a tombstone.
        correlation: The question that the record is about; else its key, or its place.
        form: `event`: readers give its value unchanged; `converted`: an event in another spelling than the canonical
            one; `invalid`: no event; `misplaced`: in another partition than its key's. Readers leave the last two out.
        seq: As of `Record`.
        canonical: Canonical form of an event in another spelling; else None.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: TimestampType
    key: bytes | None
    value: bytes | None
    headers: Headers
    correlation: str
    form: Literal["event", "converted", "invalid", "misplaced"] = "event"
    seq: int = 0
    canonical: bytes | None = None


class LogFault(NamedTuple):
    """
    A record or table of a log that is not as its writer left it, though the events may be.

    Attributes:
        seq, topic, partition, offset: Place of the record; seq 0 if the fault is none of a record.
        field: What is wrong: a column, an index, a table's row.
        expected, actual: What the writer leaves there, and what is there.
        unreadable: Whether readers cannot go on past it.
    """

    seq: int
    topic: str
    partition: int
    offset: int
    field: str
    expected: Any
    actual: Any
    unreadable: bool = False


class Stored(NamedTuple):
    """
    An event and its place in the log.

    Attributes:
        headers: As of `Record`; those of an input go on to all that is derived from it.
    """

    topic: str
    partition: int
    offset: int
    event: Event
    seq: int = 0
    headers: Headers = ()


class LogReader(Protocol):
    """A consistent, read-only view of a log; later commits become visible at `refresh`."""

    @property
    def end(self) -> int:
        """Give the `seq` of the newest record in view; 0 where the log is empty."""

    @property
    def folded(self) -> int:
        """Give the `seq` of the last record that was folded; the outputs of all records up to it are in view."""

    def refresh(self) -> bool:
        """Move the view to the newest commit; say whether there was a newer one."""

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Iterate the records of *topics* (all if empty) with a `seq` above *after*, in log order."""

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order."""

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """Iterate the records of *topics* grouped by correlation, each group in log order; in constant memory."""

    def last(self, topic: str, key: str, *, upto: int | None = None) -> Record | None:
        """Find the newest record of a key, or the newest one up to a `seq`; None if there is none."""

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition of every topic."""

    def originals(
        self, topics: Sequence[str] = (), *, after: int = 0, starts: Mapping[tuple[str, int], int] | None = None
    ) -> Iterator[Original]:
        """
        Iterate all records of *topics* (all if empty) as the log holds them, for an export.

        Args:
            after: Seq of the last record that the caller has.
            starts: Next offset of each partition that the caller has records of; a log without one order goes on
                there, and counts `seq` on from *after*.
        """

    def incomplete(self) -> frozenset[tuple[str, int]]:
        """Give the partitions from which records are gone or go with time, by compaction or retention."""

    def faults(self) -> "Sequence[LogFault]":
        """List where the log is not as its writer left it, beside its events; empty in a log without one order."""

    @property
    def archived(self) -> bool:
        """Say whether this is an export, which holds the records of a log and not the tables beside them."""

    def elsewhere(self) -> "Callable[[], LogReader]":
        """Give a function that opens this log in another process, with a view at least as new as this one."""

    def unordered(self) -> "UnorderedReader | None":
        """Give this view as an `UnorderedReader`, without reading records; None if its topics have a common order."""

    def close(self) -> None:
        """Close the log."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class LeftOut(NamedTuple):
    """A record of an input topic that no stage folds, so the view leaves it out; `record.value` holds its raw bytes."""

    record: Record
    key: bytes | None
    """Raw bytes of the key."""
    problem: InvalidRecord | None
    """
    Reason why the record could not be decoded.

    None when it decoded but is in the wrong partition; a stage republishes such a record to the right one.
    """


class UnorderedReader(LogReader, Protocol):
    """
    A view of a log whose topics have no common order, as on Kafka.

    `seq` numbers the records by time; between partitions this order is a guess. Inputs are converted to canonical form.
    Repeats of events that processors wrote are removed. A compacted topic has the records that compaction left.
    """

    @property
    def taken(self) -> int:
        """Count the records read for this view, including repeats and records left out."""

    @property
    def repeats(self) -> int:
        """Count the records read that repeat an earlier record of their partition."""

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offsets before which a stage has folded every record, by topic and partition that it reads."""

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which every record has all its causes in view."""

    def aborted(self) -> Sequence[tuple[str, int, int]]:
        """
        List the records in view that belong to aborted transactions: topic, partition and offset.

        A view holds such a record only if an event in the log names it, which an earlier version has written.
        """

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate the records left out, grouped by correlation (by place if the correlation is unknown)."""

    def elsewhere(self) -> Callable[[], "UnorderedReader"]:
        """Give a function that opens this view in another process, while it is open in this one."""


class Appender(Protocol):
    """
    Appends input events to a log. A file has one appender at a time, a cluster any number.

    Used by one thread at a time. After any exception other than a UsageError of `append`, the appender is unusable.
    """

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy adopted last; None while the log holds no policy."""

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """
        Append an input event; it is durable after `commit`.

        Args:
            again: Whether to append an event that the log holds already.

        Returns:
            The event with its place, as far as it is known; None if the log is known to hold it already.
        """

    def commit(self) -> None:
        """Make all events appended since the last commit durable."""

    def folding(self) -> "FoldingWriter | None":
        """Give this appender as a `FoldingWriter`; None if it does not fold."""

    def close(self) -> None:
        """Close the log; uncommitted events may be lost."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class FoldingWriter(Appender, Protocol):
    """
    The one writer of an embedded log: appends inputs, folds them, and commits both together.

    `commit` writes records, states and checkpoint in one transaction; readers see nothing before it. A failure rolls
    back to the last commit, and a new writer resumes from there.
    """

    @property
    def lag(self) -> int:
        """Count the records that are appended but not folded."""

    @property
    def ready(self) -> bool:
        """Say whether `fold` can fold a record: there is lag, and the log holds a policy."""

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """
        Fold the next records in log order, at most *most*.

        Returns:
            Events the processors wrote, dead letters included, in log order.
        """

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order, including uncommitted ones."""

    def of_topic(self, topic: str) -> Iterator[Record]:
        """Iterate the records of one topic, including uncommitted ones; the caller must not append meanwhile."""

    def open_states(self, processor: str) -> Iterator[tuple[str, Any]]:
        """Iterate key and state of every open key of one processor, in log order of the keys' first records."""


class Polled(NamedTuple):
    """The result of one poll."""

    records: list[Record]
    """Records, with only those headers that derived records carry on."""
    partitions: frozenset[int]
    """Partitions held now; those gained since the last poll have no records yet."""
    reached: Mapping[tuple[str, int], int]
    """
    Next offset of each place held; for a place just gained, the committed offset.

    Between the last record and this offset there may be transaction markers and aborted records, which do not count.
    """


class Subscription(Protocol):
    """
    One consumer group member's partitions of co-partitioned topics, and its way to publish events.

    A member that holds a partition number holds it for every topic. Records of one partition of one topic are ordered;
    records of different topics are not. Places are `(topic, partition)`, with the topology's topic names.

    During a rebalance the member's partitions count as held. A partition that stays with the member resumes at the
    member's position.
    """

    async def start(self, topics: Sequence[str]) -> None:
        """
        Join the group that reads these topics.

        Raises:
            OperatorError: No broker answers.
        """

    async def stop(self) -> None:
        """Leave the group."""

    async def poll(self, wait_ms: int) -> Polled:
        """
        Wait for records, at most *wait_ms*; partitions that were lost give none.

        Raises:
            OperatorError: The brokers refuse, and a retry does not help.
        """

    async def ends(self, partitions: Iterable[int]) -> Mapping[tuple[str, int], int]:
        """
        Give the next offset of every topic in these partitions: the end of what can be read now.

        On Kafka that is the last stable offset, where the oldest open transaction begins.

        Raises:
            TransientError: The brokers do not answer; the caller may retry.
        """

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """
        Commit offsets to the group; offsets of partitions that were lost are ignored.

        Raises:
            TransientError: A rebalance is in progress, or the brokers do not answer; the caller may retry.
        """

    def pause(self, topics: Iterable[str]) -> None:
        """Give no more records of these topics until `resume`."""

    def resume(self, topics: Iterable[str]) -> None:
        """Give records of these topics again."""

    async def publish(self, event: Event, carried: Headers = ()) -> None:
        """
        Write an event and wait until it is acknowledged.

        Args:
            carried: Headers of the record that caused the event; trace headers among them are carried on.

        Raises:
            OperatorError: The brokers refused the event, or no retry succeeded.
        """
