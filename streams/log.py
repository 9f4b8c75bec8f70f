"""The contract of a log that every runtime keeps."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, Self

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.registry import InvalidRecord, decode_canonical, describe
from streams.errors import DifferenceError

Clock = Callable[[], int]
"""Milliseconds since 1970-01-01 UTC; only runtimes and workers hold one."""

Headers = tuple[tuple[str, bytes], ...]
"""Record headers as Kafka has them: ordered, names may repeat."""


def wall_clock_ms() -> int:
    """Read the time of this machine."""
    return time.time_ns() // 1_000_000


class Record(NamedTuple):
    """
    Bytes in the log, with their place.

    `seq` orders the records of one log file over all topics, from 1 and without gaps, where the runtime has such an
    order. `headers` are those somebody gave; the CloudEvents headers follow from the event (`headers.ce_headers`).
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
    Read a record of the log, which this program wrote.

    Raises:
        DifferenceError: It is not what was written there; message and attributes name the place.
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


class Stored(NamedTuple):
    """An event and where it stands."""

    topic: str
    partition: int
    offset: int
    event: Event
    seq: int = 0


class LogReader(Protocol):
    """A consistent, read-only view of a log; it sees nothing committed after it was opened, until `refresh`."""

    @property
    def end(self) -> int:
        """Give the `seq` of the newest record in view; 0 where the log is empty."""

    @property
    def folded(self) -> int:
        """Give the `seq` of the last record that was folded: what follows from those up to it is in view."""

    def refresh(self) -> bool:
        """Move the view to the newest commit; say whether there was a newer one."""

    def records(self, topics: Sequence[str] = (), *, after: int = 0, limit: int | None = None) -> Iterator[Record]:
        """Iterate the records of *topics* (all, if none) in log order, those with `seq` above *after*."""

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order."""

    def by_correlation(self, topics: Sequence[str] = ()) -> Iterator[tuple[str, list[Record]]]:
        """Iterate the records of *topics* by what they are about, each group in log order, in constant memory."""

    def last(self, topic: str, key: str) -> Record | None:
        """Find the newest record of a key."""

    def ends(self) -> dict[tuple[str, int], int]:
        """Give the next offset of every partition of every topic."""

    def elsewhere(self) -> "Callable[[], LogReader]":
        """Give a function that opens this log in another process, to see at least what is in view here."""

    def unordered(self) -> "UnorderedReader | None":
        """Give this very view as one whose topics have no common order, reading nothing; none where they have one."""

    def close(self) -> None:
        """Let go of the log."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class LeftOut(NamedTuple):
    """A record of an input topic that is no part of a view, for no stage folds it; `record.value` is as it came."""

    record: Record
    key: bytes | None
    """The key as it came."""
    problem: InvalidRecord | None
    """Why it is no event; none of an event in another partition than its key's, which a stage copies to that one."""


class UnorderedReader(LogReader, Protocol):
    """
    A view of a log whose topics have no common order, as on Kafka.

    `seq` numbers its records by time, which is a guess between partitions. Inputs are in canonical form, whatever their
    producers wrote; of what processors wrote, each event is there once, and of compacted topics what is left.
    """

    @property
    def taken(self) -> int:
        """Count the records read for this view, repeated ones and those left out included."""

    @property
    def repeats(self) -> int:
        """Count those among them that repeat an earlier record of their partition."""

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offset before which a stage has folded everything, for each topic and partition it reads."""

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which all that any record rests on is in view."""

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """Iterate what was left out by what it is about (its place, if nothing says that), as `by_correlation` does."""

    def elsewhere(self) -> Callable[[], "UnorderedReader"]:
        """Give a function that opens this very view in another process, for as long as it is open in this one."""


class Appender(Protocol):
    """
    Adds inputs to a log: the only one of a file, one of any number on a cluster. Used by one thread at a time.

    Any exception but a refusal by `append` (UsageError) leaves it unusable.
    """

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy adopted last, where a fold sees its first; none while the log holds no policy."""

    def append(self, event: Event, *, headers: Headers = (), again: bool = False) -> Stored | None:
        """
        Append an input event; none if the log is known to hold this event already, unless it is wanted *again*.

        Nothing is durable before `commit`.
        """

    def commit(self) -> None:
        """Make everything since the last commit durable."""

    def folding(self) -> "FoldingWriter | None":
        """Give this very writer as one that folds what it appends; none where workers do, or nobody."""

    def close(self) -> None:
        """Let go of the log; what was not committed may be lost."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class FoldingWriter(Appender, Protocol):
    """
    The one writer of an embedded log: appends inputs, folds what was appended, and commits both together.

    A failure drops everything since the last commit; the file stands as of that commit, and opening it again goes on
    from there. Nothing is visible to readers before `commit`, which is one transaction: records, states and checkpoint.
    """

    @property
    def lag(self) -> int:
        """Count the records that were appended and not folded."""

    @property
    def ready(self) -> bool:
        """Say whether `fold` has anything it could fold: there is lag, and the log holds a policy."""

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """
        Fold what has not been folded, in log order, up to *most* records.

        Returns:
            Events the processors wrote, dead letters included, in log order.
        """

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order, those not committed yet included."""

    def of_topic(self, topic: str) -> Iterator[Record]:
        """Iterate the records of one topic, those not committed yet included; nothing is appended meanwhile."""

    def open_states(self, processor: str) -> Iterator[tuple[str, Any]]:
        """Iterate key and state of every open key of one processor, in log order of the keys' first records."""


class Polled(NamedTuple):
    """What one look at a subscription found."""

    records: list[Record]
    """Of the headers those that are carried on."""
    partitions: frozenset[int]
    """Partitions held now; those gained since the last look come without records."""
    reached: Mapping[tuple[str, int], int]
    """Next offset of each place held. For one just gained: what was committed. Between the last record and it there may
    be marks of transactions, which are no records."""


class Subscription(Protocol):
    """
    One member's share of some co-partitioned topics, read in a consumer group, and a way to publish what follows.

    Whoever holds a partition holds it of every topic. Records of one partition of one topic come in order; between
    topics there is none. Places are `(topic, partition)`, topics by the topology's names.

    While the group is redistributed the partitions count as held; of one that stays the records go on where they were.
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
        Wait for records, at most *wait_ms*; none of a partition that was lost come any more.

        Raises:
            OperatorError: The brokers refuse, and it does not help to try again.
        """

    async def ends(self, partitions: Iterable[int]) -> Mapping[tuple[str, int], int]:
        """
        Give the next offset of every topic in these partitions.

        Raises:
            TransientError: The brokers do not answer now.
        """

    async def commit(self, offsets: Mapping[tuple[str, int], int]) -> None:
        """
        Say where the next owner is to begin; of a partition that was lost nothing is said.

        Raises:
            TransientError: It cannot be said now: the group is being redistributed, or the brokers do not answer.
        """

    def pause(self, topics: Iterable[str]) -> None:
        """Bring no more records of these topics until `resume`."""

    def resume(self, topics: Iterable[str]) -> None:
        """Bring records of these topics again."""

    async def publish(self, event: Event, carried: Headers = ()) -> None:
        """
        Write an event and wait until the log has it.

        Args:
            carried: Headers of the record behind it.

        Raises:
            OperatorError: The brokers did not take it, and no retry helped.
        """
