"""Draft of an export: segments not yet in its manifest."""

from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from streams.log import Original
from streams.runtimes.archive.manifest import (
    ArchiveValue,
    Manifest,
    PartitionExtent,
    Segment,
    encoded,
    store,
)
from streams.topology import TOPICS

UNFINISHED = "unfinished.json"

Place = tuple[str, int]


class StoredDraft(ArchiveValue):
    """The draft as it is kept beside the manifest while an export runs, so that another one goes on from there."""

    runtime: str
    segments: tuple[Segment, ...]
    partitions: Mapping[str, tuple[PartitionExtent, ...]]


class Draft:
    """
    Segments and extents of an archive while records are added.

    Args:
        folder: The archive.
        manifest: Its manifest; None for a new archive.
        runtime: Kind of the log.
    """

    def __init__(self, folder: Path, manifest: Manifest | None, runtime: str) -> None:
        self._path = folder / UNFINISHED
        self._runtime = runtime
        left = self._left(runtime)
        base = left or manifest
        self.segments: list[Segment] = [] if base is None else list(base.segments)
        self._extents = _extents(base.partitions) if base is not None else {}
        # From here on the folder is known as an archive's, whenever the export ends.
        self._store()

    def _left(self, runtime: str) -> StoredDraft | None:
        """Read what an export that was ended left; None if there is nothing of use."""
        try:
            left = StoredDraft.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
        return left if left.runtime == runtime else None

    @property
    def last_seq(self) -> int:
        """Give the seq of the last record; 0 without any."""
        return self.segments[-1].last_seq if self.segments else 0

    @property
    def starts(self) -> dict[Place, int]:
        """Give the next offset of each partition that has records."""
        return {place: extent.next for place, extent in self._extents.items()}

    def note(self, original: Original) -> None:
        """Move the extent of a record's partition behind it."""
        place = (original.topic, original.partition)
        known = self._extents.get(place)
        first = original.offset if known is None else known.first
        self._extents[place] = PartitionExtent(first=first, next=original.offset + 1)

    def add(self, segment: Segment) -> None:
        """Add a segment whose files are written."""
        self.segments.append(segment)
        self._store()

    def _store(self) -> None:
        draft = StoredDraft(runtime=self._runtime, segments=tuple(self.segments), partitions=self.partitions({}))
        store(self._path, encoded(draft))

    def partitions(self, counts: Mapping[str, int]) -> dict[str, tuple[PartitionExtent, ...]]:
        """Give the extents by topic; topics without records have as many partitions as *counts* says, or none."""
        highest = {topic: counts.get(topic, 0) for topic in TOPICS}
        for topic, number in self._extents:
            highest[topic] = max(highest[topic], number + 1)
        nothing = PartitionExtent(first=0, next=0)
        return {
            topic: tuple(self._extents.get((topic, number), nothing) for number in range(count))
            for topic, count in highest.items()
        }

    def reach(self, ends: Mapping[Place, int]) -> None:
        """Move extents to the ends of the view: behind its last record a partition may have markers, no records."""
        for place, end in ends.items():
            known = self._extents.get(place)
            if end and known is None:
                self._extents[place] = PartitionExtent(first=end, next=end)
            elif known is not None and known.next < end:
                self._extents[place] = PartitionExtent(first=known.first, next=end)

    def done(self) -> None:
        """Remove what was kept: the manifest has it now."""
        self._path.unlink(missing_ok=True)


def _extents(partitions: Mapping[str, tuple[PartitionExtent, ...]]) -> dict[Place, PartitionExtent]:
    return {
        (topic, number): extent
        for topic, extents in partitions.items()
        for number, extent in enumerate(extents)
        if extent.next
    }
