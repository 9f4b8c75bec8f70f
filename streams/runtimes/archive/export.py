"""Export of a log into an archive."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from streams.errors import DifferenceError, UsageError
from streams.log import LogReader, Original
from streams.runtimes.archive.kafka_extent import Extent, extent_of
from streams.runtimes.archive.manifest import Manifest, StoredFault
from streams.runtimes.archive.segment import MOST_BYTES
from streams.runtimes.archive.tables import ArchiveTables
from streams.runtimes.archive.writer import ArchiveWriter, Progress, put_pages

Pages = Callable[[Manifest], Mapping[str, bytes]]
"""Gives the files beside the records, by their path in the archive, for a manifest that does not list them yet."""


class Exported(NamedTuple):
    """Result of an export."""

    manifest: Manifest
    added: int
    """Records that were not in the archive before."""
    resumed: int
    """Records among them that an export which was ended had written already."""


def export_log(
    reader: LogReader,
    folder: Path,
    *,
    written_by: str,
    pages: Pages = lambda manifest: {},
    topics: Sequence[str] = (),
    progress: Progress = lambda records: None,
    most_bytes: int = MOST_BYTES,
) -> Exported:
    """
    Bring an archive to the state of a log: everything in the reader's view, or only what is new.

    Args:
        reader: The log.
        folder: The archive; made if it does not exist.
        written_by: Version of the program.
        pages: Files beside the records.
        topics: Topics to export; all if empty. An archive of some topics is for queries, it proves nothing.
        progress: Called with the number of records as they are written.
        most_bytes: Size of a segment.

    Raises:
        UsageError: The log is an archive, or the folder holds something else.
        DifferenceError: The archive holds records that the log does not have.
        OperatorError: The archive cannot be written.
    """
    if reader.archived:
        raise UsageError("this log is an archive already", remedy="Copy its folder")
    unordered = reader.unordered()
    runtime: Literal["sqlite", "kafka"] = "sqlite" if unordered is None else "kafka"
    with ArchiveWriter(folder, runtime, most_bytes=most_bytes) as writer:
        before = 0 if writer.manifest is None else writer.manifest.records
        resumed = writer.draft.last_seq - before
        _require_same_log(reader, writer)
        added = writer.add(reader.originals(topics, after=writer.draft.last_seq, starts=writer.draft.starts), progress)
        ends = reader.ends()
        writer.draft.reach(ends)
        manifest = Manifest(
            format="orch-archive/1",
            written_by=written_by,
            runtime=runtime,
            records=writer.draft.last_seq,
            folded=0,
            partitions=writer.draft.partitions(Counter(topic for topic, _ in ends)),
            segments=tuple(writer.draft.segments),
            others=(),
        )
        extent = _file_extent(reader) if unordered is None else extent_of(unordered, _tables(folder, manifest), folder)
        manifest = manifest.model_copy(update=extent._asdict())
        others = put_pages(folder, pages(manifest))
        manifest = manifest.model_copy(update={"others": (*manifest.others, *others)})
        writer.finish(manifest)
    return Exported(manifest, added + resumed, resumed)


def _tables(folder: Path, manifest: Manifest) -> ArchiveTables:
    return ArchiveTables(Path(os.path.realpath(folder)), manifest, checked=True)


def _file_extent(reader: LogReader) -> Extent:
    """Say how far a file was folded, and what is wrong with it beside its events."""
    return Extent(folded=reader.folded, faults=tuple(StoredFault.of(fault) for fault in reader.faults()))


def _require_same_log(reader: LogReader, writer: ArchiveWriter) -> None:
    """Check that the archive's last record is in the log, where it was."""
    last = _last_original(writer)
    if last is None:
        return
    place = (last.topic, last.partition)
    if reader.ends().get(place, 0) <= last.offset:
        raise _another_log(writer.folder, last, "the log ends before it")
    starts = {**writer.draft.starts, place: last.offset}
    found = next(iter(reader.originals((last.topic,), after=last.seq - 1, starts=starts)), None)
    if found is None or found[:3] != last[:3]:
        if reader.unordered() is not None:
            # Retention or compaction may have removed it.
            return
        raise _another_log(writer.folder, last, "it is not in the log")
    if found[:8] != last[:8]:
        raise _another_log(writer.folder, last, "the log has another record there")


def _last_original(writer: ArchiveWriter) -> Original | None:
    """Read the last record of the archive or draft."""
    if not writer.draft.segments:
        return None
    segment = writer.draft.segments[-1]
    file = max(segment.files, key=lambda file: file.last_seq)
    return writer.original_at(file, segment.last_seq)


def _another_log(folder: Path, last: Original, why: str) -> DifferenceError:
    return DifferenceError(
        f"{folder}: its last record is {last.topic}, partition {last.partition}, offset {last.offset}, and {why}:"
        " this is the archive of another log, or the log was changed",
        remedy="Name a new folder; `orch replay` on both says more",
        topic=last.topic,
        partition=last.partition,
        offset=last.offset,
    )
