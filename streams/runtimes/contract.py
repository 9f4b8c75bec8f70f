"""What any runtime promises, so that workers, audits and the command line need to know none of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, Self

from schemas.event import Event
from schemas.policies import PolicyAdopted
from schemas.registry import decode_canonical, describe
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

    def close(self) -> None:
        """Let go of the log."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...


class LogWriter(Protocol):
    """
    The one writer of an embedded log: appends inputs, folds what was appended, and commits both together.

    Used by one thread at a time. Any exception but a refusal by `append` (UsageError) drops everything since the last
    commit and leaves the writer unusable; the file stands as of that commit, and opening it again goes on from there.
    """

    @property
    def policy(self) -> PolicyAdopted | None:
        """Give the policy that the next fold will see; none while the log holds no policy."""

    @property
    def lag(self) -> int:
        """Count the records that were appended and not folded."""

    @property
    def ready(self) -> bool:
        """Say whether `fold` has anything it could fold: there is lag, and the log holds a policy."""

    def append(self, event: Event, *, headers: Headers = ()) -> Stored | None:
        """
        Append an input event; none if the log holds this event already.

        Nothing is durable before `commit`, and nothing is visible to readers.
        """

    def fold(self, most: int = 4_096) -> Sequence[Stored]:
        """
        Fold what has not been folded, in log order, up to *most* records.

        Returns:
            Events the processors wrote, dead letters included, in log order.
        """

    def commit(self) -> None:
        """Make everything since the last commit durable, in one transaction: records, states and checkpoint."""

    def about(self, correlation: str) -> list[Record]:
        """List every record about one question (or one key), in log order, those not committed yet included."""

    def open_states(self, processor: str) -> Iterator[tuple[str, Any]]:
        """Iterate key and state of every open key of one processor, in log order of the keys' first records."""

    def close(self) -> None:
        """Let go of the log; what was not committed is dropped."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *failure: object) -> None: ...
