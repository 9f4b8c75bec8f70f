"""The reader of the archive of a log on Kafka."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal

from schemas.registry import InvalidRecord
from streams.errors import DifferenceError
from streams.log import LeftOut, Record, UnorderedReader
from streams.runtimes.archive.columns import literal
from streams.runtimes.archive.manifest import REPEATS, offsets_in
from streams.runtimes.archive.reader import ArchiveReader, Row, headers_of
from streams.runtimes.archive.tables import repeats_of
from streams.runtimes.kafka.raw_record import RawRecord, is_misplaced, read_input
from streams.topology import INPUT_TOPICS, TOPICS

_INPUTS = ", ".join(map(literal, INPUT_TOPICS))


class UnorderedArchiveReader(ArchiveReader):
    """
    The `UnorderedReader` of the archive of a log on Kafka.

    The archive has every record that the brokers held, as they held it. As in a view of the cluster, inputs are given
    in canonical form, and records that no stage folds and repeats of derived records are left out.
    """

    @property
    def _kept(self) -> str:  # type: ignore[override]
        if not self.manifest.repeats:
            return "form IN ('event', 'converted')"
        self._tables.check_others((REPEATS,))
        repeated = f"SELECT seq FROM {repeats_of(self._tables)}"
        return f"form IN ('event', 'converted') AND NOT (topic NOT IN ({_INPUTS}) AND seq IN ({repeated}))"

    def unordered(self) -> UnorderedReader:
        """Give the reader itself: the `seq` of such an archive only guesses at an order between partitions."""
        return self

    def elsewhere(self) -> Callable[[], UnorderedReader]:
        """Give a function that opens the archive in another process."""
        return partial(UnorderedArchiveReader, self.folder, checked=self._given_checked)

    @property
    def taken(self) -> int:
        """Count the records in the archive, including repeats and records left out."""
        return self.manifest.records

    @property
    def repeats(self) -> int:
        """Count the records that repeat an earlier record of their partition."""
        return self.manifest.repeats

    def committed(self, stage: str) -> Mapping[tuple[str, int], int]:
        """Give the offsets before which a stage had folded every record, by topic and partition that it reads."""
        return offsets_in(self.manifest.committed.get(stage, {}))

    def settled(self) -> Mapping[tuple[str, int], int]:
        """Give for each partition the offset before which every record has all its causes in the archive."""
        return offsets_in(self.manifest.settled)

    def aborted(self) -> Sequence[tuple[str, int, int]]:
        """List the records that belong to aborted transactions: topic, partition and offset."""
        return self.manifest.aborted

    def left_out(self) -> Iterator[tuple[str, list[LeftOut]]]:
        """
        Iterate the records left out, grouped by correlation (by place if the correlation is unknown).

        Raises:
            DifferenceError: A record is marked as no event, or as misplaced, and is an event in its place.
        """
        for correlation, rows in self._groups(tuple(TOPICS), "form IN ('invalid', 'misplaced')"):
            yield correlation, [_left_out(row) for row in rows]

    def _record(self, row: Row) -> Record:
        topic, seq, partition, offset, at, _, key, value, headers, correlation, form = row
        # CloudEvents headers are functions of the event, so a view leaves them out.
        given = tuple(header for header in headers_of(headers) if not header[0].startswith(("ce_", "content-type")))
        if topic not in INPUT_TOPICS:
            return Record(topic, partition, offset, at, _text(key), value or b"", given, seq)
        if form == "converted":
            value = _event_bytes(row)
        # An input may come without a key: its event has it, and all inputs are about their key.
        return Record(topic, partition, offset, at, correlation, value or b"", given, seq)


def _text(key: bytes | None) -> str:
    return (key or b"").decode("utf-8", "backslashreplace")


def _raw(row: Row) -> RawRecord:
    topic, _, partition, offset, at, _, key, value, headers, _, _ = row
    return RawRecord(topic, partition, offset, at, key, value or b"", headers_of(headers))


def _event_bytes(row: Row) -> bytes:
    try:
        return read_input(_raw(row)).encode()
    except InvalidRecord as problem:
        raise _mismarked(row, "an event in another spelling", str(problem)) from problem


def _left_out(row: Row) -> LeftOut:
    raw_record, form = _raw(row), row[-1]
    record = Record(*raw_record[:4], raw_record.key_text, raw_record.value, raw_record.headers, row[1])
    try:
        event = read_input(raw_record)
    except InvalidRecord as problem:
        if form != "invalid":
            raise _mismarked(row, form, str(problem)) from problem
        return LeftOut(record, raw_record.key, problem)
    found: Literal["misplaced", "event"] = "misplaced" if is_misplaced(raw_record, event) else "event"
    if found != form:
        raise _mismarked(row, form, found)
    return LeftOut(record, raw_record.key, None)


def _mismarked(row: Row, marked: str, found: str) -> DifferenceError:
    return DifferenceError(
        f"{row[0]}, partition {row[2]}, offset {row[3]}: the archive marks the record as {marked}, and it is not"
        f" ({found})",
        remedy="Copy the archive again from where it was exported; `orch export` makes a new one",
        topic=row[0],
        partition=row[2],
        offset=row[3],
    )
