"""
Check of an archive's rows against what an export leaves.

Places, times and typed columns; the digests of files are checked before, and the events elsewhere.
"""

from collections.abc import Iterator
from typing import Any

from streams.log import LogFault
from streams.runtimes.archive.columns import event_columns, field_of, literal, parsed, quoted
from streams.runtimes.archive.manifest import REPEATS
from streams.runtimes.archive.tables import ArchiveTables, repeats_of
from streams.topology import CHECKPOINTS, INPUT_TOPICS, POLICIES, ROUTER, TOPICS, WEIGHTS

_MOST = 1_000
"""Faults of one kind that are listed: what they show does not grow with their number, but memory would."""
_PLACE = 'seq, partition, "offset", key IS NULL OR try(decode(key)) IS NULL AS no_key, value IS NULL AS empty, form'


def archive_faults(tables: ArchiveTables) -> list[LogFault]:
    """
    List where an archive is not as its export left it, and what the export found wrong with the log's file.

    Raises:
        DifferenceError: A file is missing or was changed.
    """
    tables.check([file for segment in tables.manifest.segments for file in segment.files])
    faults = [stored.fault for stored in tables.manifest.faults]
    known = {fault[:5] for fault in faults}
    found = [*_unreadable(tables), *_order(tables), *_extents(tables), *_typed(tables), *_misfiled(tables)]
    if not tables.manifest.ordered:
        found += _repeats(tables)
    return faults + [fault for fault in found if fault[:5] not in known]


def _unreadable(tables: ArchiveTables) -> Iterator[LogFault]:
    """Find the rows of which no record can be made: in a file's archive every record has a key and a value."""
    rows = tables.of_topics(tuple(TOPICS), _PLACE)
    forms = "('event')" if tables.manifest.ordered else "('event', 'converted', 'invalid', 'misplaced')"
    lacking = "no_key OR empty OR" if tables.manifest.ordered else ""
    query = f'SELECT seq, topic, partition, "offset" FROM ({rows}) WHERE {lacking} form NOT IN {forms} LIMIT {_MOST}'
    for seq, topic, partition, offset in _all(tables, query):
        yield LogFault(seq, topic, partition, offset, "record", "key, value and form of a record", "others", True)


def _order(tables: ArchiveTables) -> Iterator[LogFault]:
    """Check that seq and offsets go on without gaps, and times never go back; on Kafka offsets may have gaps."""
    ordered = tables.manifest.ordered
    last_seq, last_ms, found = 0, 0, 0
    offsets: dict[tuple[str, int], int] = {}
    for seq, topic, partition, offset, timestamp_ms in _by_seq(tables):
        place = (topic, partition)
        before = offsets.get(place, -1)
        if seq != last_seq + 1:
            yield LogFault(seq, topic, partition, offset, "seq", last_seq + 1, seq)
        if offset <= before or (ordered and offset != before + 1):
            said = before + 1 if ordered else f"{before + 1} or more"
            yield LogFault(seq, topic, partition, offset, "offset", said, offset)
        if ordered and timestamp_ms < last_ms:
            yield LogFault(seq, topic, partition, offset, "timestamp_ms", f"{last_ms} or later", timestamp_ms)
        found += seq != last_seq + 1 or offset <= before or (ordered and timestamp_ms < last_ms)
        if found >= _MOST:
            return
        last_seq, last_ms, offsets[place] = seq, timestamp_ms, offset


def _by_seq(tables: ArchiveTables) -> Iterator[tuple[Any, ...]]:
    """Iterate place and time of all records by seq, segment by segment."""
    for segment in tables.manifest.segments:
        rows = tables.of_files(segment.files, 'seq, partition, "offset", timestamp_ms')
        yield from _all(tables, f'SELECT seq, topic, partition, "offset", timestamp_ms FROM ({rows}) ORDER BY seq')


def _extents(tables: ArchiveTables) -> Iterator[LogFault]:
    """Check that the records of each partition are those that the manifest counts."""
    rows = tables.of_topics(tuple(TOPICS), 'partition, "offset"')
    query = f'SELECT topic, partition, min("offset"), max("offset") + 1 FROM ({rows}) GROUP BY ALL'
    found = {(topic, number): (first, end) for topic, number, first, end in _all(tables, query)}
    for (topic, number), end in tables.manifest.ends().items():
        last = found.get((topic, number), (0, 0))[1]
        if last > end or (tables.manifest.ordered and last != end):
            yield LogFault(0, topic, number, last, "record", f"records up to offset {end - 1}", f"up to {last - 1}")
    (rows_found,) = _all(tables, f"SELECT count(*) FROM ({rows})")[0]
    written = sum(file.rows for segment in tables.manifest.segments for file in segment.files)
    if rows_found != written:
        yield LogFault(0, POLICIES, 0, 0, "record", f"{written} records", rows_found)


def _typed(tables: ArchiveTables) -> Iterator[LogFault]:
    """Check that the typed columns are those of the bytes."""
    for topic in TOPICS:
        if not tables.manifest.files_of(topic):
            continue
        names = tuple(event_columns(topic))
        typed = ", ".join(f"{quoted(name)} AS {quoted(f'typed_{name}')}" for name in names)
        rows = tables.of_topics(
            (topic,), f'seq, partition, "offset", form, {typed}, {parsed(topic, "value")} AS parsed'
        )
        differing = ", ".join(
            f"CASE WHEN {quoted(f'typed_{name}')} IS DISTINCT FROM parsed.{quoted(field_of(name))}"
            f" THEN {literal(name)} END"
            for name in names
        )
        query = (
            f'SELECT seq, partition, "offset", field FROM (SELECT *, list_filter([{differing}], lambda name:'
            f" name IS NOT NULL)[1] AS field FROM ({rows}) WHERE form = 'event') WHERE field IS NOT NULL LIMIT {_MOST}"
        )
        for seq, partition, offset, field in _all(tables, query):
            yield LogFault(seq, topic, partition, offset, f"column {field}", "the value's", "another")


def _misfiled(tables: ArchiveTables) -> Iterator[LogFault]:
    """Check the correlation where no pass over questions does: that of entries, policies and checkpoints."""
    subjects = {
        ROUTER: "question_id",
        WEIGHTS: "question_id",
        POLICIES: "policy_id",
        CHECKPOINTS: "source_topic || '/' || source_partition",
    }
    if not tables.manifest.ordered:
        # Readers take the key of an input from it.
        subjects |= {topic: "question_id" for topic in INPUT_TOPICS if topic != POLICIES}
    for topic, subject in subjects.items():
        rows = tables.of_topics((topic,), f'seq, partition, "offset", correlation, kind, form, {subject} AS subject')
        query = (
            f'SELECT seq, partition, "offset", subject, correlation FROM ({rows})'
            f" WHERE kind IS NOT NULL AND form IN ('event', 'converted') AND subject <> correlation LIMIT {_MOST}"
        )
        for seq, partition, offset, expected, actual in _all(tables, query):
            yield LogFault(seq, topic, partition, offset, "correlation", expected, actual)


def _repeats(tables: ArchiveTables) -> Iterator[LogFault]:
    """Check that the records that readers leave out as repeats are repeats."""
    tables.check_others((REPEATS,))
    rows = tables.of_topics(tuple(TOPICS), CONTENT)
    query = (
        f'SELECT later.seq, later.topic, later.partition, later."offset" FROM {repeats_of(tables)} AS repeats'
        f" JOIN ({rows}) AS later USING (seq) JOIN ({rows}) AS earlier ON earlier.seq = repeats.repeats_seq"
        " WHERE earlier.seq >= later.seq OR (later.topic, later.partition, later.keyed, later.content)"
        " IS DISTINCT FROM (earlier.topic, earlier.partition, earlier.keyed, earlier.content)"
    )
    for seq, topic, partition, offset in _all(tables, query):
        yield LogFault(seq, topic, partition, offset, "repeat", "a record that repeats an earlier one", "another")


CONTENT = (
    f'seq, partition, "offset", form, CASE WHEN topic IN ({", ".join(map(literal, INPUT_TOPICS))})'
    " THEN correlation::BLOB ELSE key END AS keyed, CASE WHEN form = 'converted' THEN event_id::BLOB ELSE value END"
    " AS content"
)
"""Columns in which a record and its repeat are equal: topic, partition, key and content."""


def _all(tables: ArchiveTables, query: str) -> list[tuple[Any, ...]]:
    cursor = tables.cursor()
    try:
        return cursor.execute(query).fetchall()
    finally:
        cursor.close()
