"""Committed offsets and repeats of an exported log on Kafka."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from streams.log import UnorderedReader
from streams.processors import PROCESSORS
from streams.runtimes.archive.archive_check import CONTENT
from streams.runtimes.archive.columns import literal
from streams.runtimes.archive.manifest import REPEATS, ArchiveFile, Places, StoredFault, digest_of, places_of
from streams.runtimes.archive.tables import ArchiveTables
from streams.runtimes.archive.writer import copy_to, flush_to_disk
from streams.topology import TOPICS

# Candidates by a hash of their content, then compared: the contents themselves would be sorted.
_REPEATS = """
WITH candidates AS (
    SELECT topic, partition, hash(keyed, content) AS digest FROM ({rows}) WHERE form IN ('event', 'converted')
    GROUP BY ALL HAVING count(*) > 1
), alike AS (
    SELECT * FROM (SELECT *, hash(keyed, content) AS digest FROM ({rows}) WHERE form IN ('event', 'converted'))
    SEMI JOIN candidates USING (topic, partition, digest)
)
SELECT seq, repeats_seq FROM (
    SELECT seq, min(seq) OVER (PARTITION BY topic, partition, keyed, content) AS repeats_seq FROM alike
) WHERE seq > repeats_seq ORDER BY seq
"""
_FIRST_NOT_FOLDED = "SELECT min(seq) FROM ({rows}) WHERE partition = ? AND \"offset\" >= ? AND form = 'event'"


class Extent(NamedTuple):
    """Members of the manifest beside the records themselves."""

    folded: int
    committed: dict[str, Places] = {}
    settled: Places = {}
    aborted: tuple[tuple[str, int, int], ...] = ()
    repeats: int = 0
    faults: tuple[StoredFault, ...] = ()
    others: tuple[ArchiveFile, ...] = ()


def extent_of(reader: UnorderedReader, tables: ArchiveTables, folder: Path) -> Extent:
    """Find the repeats among the records of an archive, write them beside the records, and say how far stages were."""
    committed = {processor.name: dict(reader.committed(processor.name)) for processor in PROCESSORS}
    try:
        file, repeats = _write_repeats(tables, folder)
        folded = min(_folded(tables, committed), tables.manifest.records)
    finally:
        tables.close()
    return Extent(
        folded=folded,
        committed={stage: places_of(offsets) for stage, offsets in committed.items()},
        settled=places_of(reader.settled()),
        aborted=tuple(reader.aborted()),
        repeats=repeats,
        others=(file,),
    )


def _write_repeats(tables: ArchiveTables, folder: Path) -> tuple[ArchiveFile, int]:
    path = folder / REPEATS
    draft = path.with_name(f"{path.name}.tmp")
    cursor = tables.cursor()
    copy_to(cursor, _REPEATS.format(rows=tables.of_topics(tuple(TOPICS), CONTENT)), draft)
    ((repeats,),) = cursor.execute(f"SELECT count(*) FROM read_parquet({literal(str(draft))})").fetchall()
    cursor.close()
    size, digest = flush_to_disk(draft), digest_of(draft)
    draft.replace(path)
    return ArchiveFile(path=REPEATS, bytes=size, sha256=digest), repeats


def _folded(tables: ArchiveTables, committed: dict[str, dict[tuple[str, int], int]]) -> int:
    """Give the seq before the first record that a stage may not have folded."""
    return min((first - 1 for first in _first_not_folded(tables, committed)), default=tables.manifest.records)


def _first_not_folded(tables: ArchiveTables, committed: dict[str, dict[tuple[str, int], int]]) -> Iterator[int]:
    cursor = tables.cursor()
    for processor in PROCESSORS:
        for topic in processor.reads:
            query = _FIRST_NOT_FOLDED.format(rows=tables.of_topics((topic,), 'seq, partition, "offset", form'))
            for number in range(len(tables.manifest.partitions[topic])):
                offset = committed[processor.name].get((topic, number), 0)
                ((first,),) = cursor.execute(query, [number, offset]).fetchall()
                if first is not None:
                    yield first
    cursor.close()
