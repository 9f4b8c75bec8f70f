"""The snapshot of a log in partitions: contents, form, order."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from schemas.questions import QuestionAsked
from schemas.registry import decode
from streams.audit.explain.explain import explain
from streams.audit.router_table import history, table_at, table_now
from streams.audit.run_summary import known_answers, summarise
from streams.errors import OperatorError
from streams.log import Record, read_event
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.kafka.raw_record import MOVED, RawRecord, by_time
from streams.runtimes.kafka.reading.snapshot import Snapshot, SnapshotExtent
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.topology import (
    CHECKPOINTS,
    DEAD_LETTERS,
    DECISIONS,
    FEEDBACK,
    OBSERVATIONS,
    POLICIES,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ...worlds import entry, gold, policy, question
from ..command_in_process import Inside

NOWHERE = SnapshotExtent({}, {})
PLAIN = b'{"text": "Why?", "options": ["so", "thus"], "question_id": "q"}'


def home(key: str, topic: str = QUESTIONS) -> int:
    """Choose the partition of a key."""
    return partition_of(key.encode(), TOPICS[topic].partitions)


def raw_record(
    value: bytes, offset: int = 0, topic: str = QUESTIONS, key: bytes | None = b"q", **fields: Any
) -> RawRecord:
    """Build a record about question q, where it belongs."""
    number = home("q", topic)
    return RawRecord(topic, number, offset, 1_000, key, value)._replace(**fields)


def mirrored(path: Path, *batches: Iterable[RawRecord], extent: SnapshotExtent = NOWHERE) -> SnapshotReader:
    """Write a snapshot, batch by batch, and open it."""
    snapshot = Snapshot(path)
    for batch in batches:
        snapshot.add(batch, extent)
    snapshot.close()
    return SnapshotReader(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A place for a snapshot."""
    return tmp_path / "mirror.db"


def test_strangers_json_becomes_an_event(path: Path) -> None:
    """Plain JSON without id and time is stored as the canonical event it stands for, at its own place."""
    with mirrored(path, [raw_record(PLAIN, 7, key=b"whatever")]) as log:
        (record,) = log.records((QUESTIONS,))
        event = read_event(record)
        assert event == decode(QUESTIONS, PLAIN, 1_000)
        assert isinstance(event, QuestionAsked)
        assert event.occurred_at == "1970-01-01T00:00:01.000Z"
        assert (record.offset, record.timestamp_ms, record.key) == (7, 1_000, "q")
        assert log.about("q") == [record]


@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        (b"", "invalid", "not JSON"),
        (b'{"question_id": "q"}', "invalid", "text"),
        (b"[]", "invalid", "object"),
        (b" " * 900_001, "too_large", "900,001 bytes"),
    ],
    ids=["nothing", "incomplete", "a list", "too large"],
)
def test_what_is_no_event_is_left_out(path: Path, value: bytes, reason: str, says: str) -> None:
    """It is kept aside with its place, its bytes as they came, and why."""
    with mirrored(path, [raw_record(value, 3, key=b"\xff")]) as log:
        assert (list(log.records()), log.taken) == ([], 1)
        ((about, (left,)),) = log.left_out()
        assert about == "\\xff"
        assert (left.record.topic, left.record.offset, left.record.value, left.key) == (QUESTIONS, 3, value, b"\xff")
        assert left.problem is not None
        assert left.problem.reason == reason
        assert says in str(left.problem)


def test_records_without_a_key_stand_alone(path: Path) -> None:
    """Any number of them may be left out, and so may be the letters about them: each is about its own place."""
    place = f"{QUESTIONS}/{home('q')}@"
    letter = json.dumps({"source_topic": QUESTIONS, "partition": home("q"), "offset": 0, "record_key": None}).encode()
    letters = RawRecord(DEAD_LETTERS, 0, 0, 0, QUESTIONS.encode(), letter)
    with mirrored(path, [raw_record(b"", 0, key=None), raw_record(b"", 1, key=None), letters]) as log:
        assert [about for about, _ in log.left_out()] == [f"{place}0", f"{place}1"]
        assert [about for about, _ in log.by_correlation()] == [f"{place}0"]


def test_an_event_in_another_partition_is_left_out_for_its_copy(path: Path) -> None:
    """What a stage moves counts where it was moved to; moved to a wrong place, it is no event."""
    wrong = (home("q") + 1) % 8
    original = raw_record(PLAIN, partition=wrong)
    copy = raw_record(PLAIN, headers=((MOVED, f"{wrong}@0".encode()),))
    lost = copy._replace(partition=(home("q") + 2) % 8)
    with mirrored(path, [original, copy, lost]) as log:
        (record,) = log.records()
        assert (record.partition, record.headers) == (home("q"), copy.headers)
        ((about, (left, other)),) = log.left_out()
        assert (about, left.record.partition, left.problem) == ("q", wrong, None)
        assert "does not belong here either" in str(other.problem)


def test_repeats_of_derived_events_are_left_out_and_those_of_inputs_kept(path: Path) -> None:
    """Whether they come in one batch or in two, both are counted."""
    line = entry("a")
    made = [RawRecord(ROUTER, 0, number, number, b"*/a", line.encode()) for number in range(3)]
    asked = [raw_record(PLAIN, number) for number in range(3)]
    with mirrored(path, [*made[:2], *asked[:2]], [made[2], asked[2]]) as log:
        assert [record.offset for record in log.records((ROUTER,))] == [0]
        assert [record.offset for record in log.records((QUESTIONS,))] == [0, 1, 2]
        assert (log.taken, log.repeats, log.end) == (6, 4, 4)


@pytest.mark.parametrize("change", [{"value": b"{}"}, {"key": b"*/b"}], ids=["bytes", "key"])
def test_a_record_that_is_not_the_same_is_no_repeat(path: Path, change: dict[str, Any]) -> None:
    """Other bytes under the same key are another record, and so are the same bytes under another key."""
    made = RawRecord(ROUTER, 0, 0, 0, b"*/a", entry("a").encode())
    with mirrored(path, [made, made._replace(offset=1)._replace(**change)]) as log:
        assert (log.end, log.repeats) == (2, 0)


def test_damaged_records_of_processors_are_kept_with_what_they_are_about(path: Path) -> None:
    """They are for replay to find, under their question as long as its name can be read."""
    value = b'{"agent":"a","question_id":"q \\u00fc",broken'
    damaged = [
        RawRecord(OBSERVATIONS, 0, 0, 0, b"a", value),
        RawRecord(OBSERVATIONS, 0, 1, 0, b"b", b"\x00"),
        RawRecord(DEAD_LETTERS, 0, 0, 0, b"t", b'{"source_topic"'),
        RawRecord(DECISIONS, 0, 0, 0, None, b""),
    ]
    with mirrored(path, damaged) as log:
        groups = {about: [record.value for record in records] for about, records in log.by_correlation()}
        assert groups == {"q ü": [value], "b": [b"\x00"], "": [b""], f"{DEAD_LETTERS}/0@0": [b'{"source_topic"']}


def test_partitions_keep_their_order_and_are_merged_by_time(path: Path) -> None:
    """Timestamps go back within a partition, but its records do not; of one moment, causes come before effects."""

    def at(topic: str, *times: int) -> list[RawRecord]:
        return [RawRecord(topic, 0, place, time, b"k", b"%d" % place) for place, time in enumerate(times)]

    merged = by_time([at(DECISIONS, 5), at(ROUTER, 1, 9, 2, 9), at(OBSERVATIONS, 5, 9), at(CHECKPOINTS, 2)])
    order = [(one.topic, one.offset) for one in merged]
    assert order == [
        (ROUTER, 0),
        (CHECKPOINTS, 0),
        (DECISIONS, 0),
        (OBSERVATIONS, 0),
        (OBSERVATIONS, 1),
        (ROUTER, 1),
        (ROUTER, 2),
        (ROUTER, 3),
    ]


def test_headers_that_follow_from_the_event_are_not_kept(path: Path) -> None:
    """Those that somebody gave are."""
    headers = (("ce_id", b"1"), ("content-type", b"application/json"), ("traceparent", b"\xff"))
    with mirrored(path, [raw_record(PLAIN, headers=headers)]) as log:
        assert [record.headers for record in log.records()] == [(("traceparent", b"\xff"),)]


def test_what_was_folded_ends_at_the_first_record_that_was_not(path: Path) -> None:
    """Offsets of the stages, by partition, are one place in the order of the view."""
    number = home("q")
    asked, told = raw_record(question().encode()), raw_record(gold("A").encode(), topic=FEEDBACK)
    adopted = RawRecord(POLICIES, 0, 0, 0, b"p", policy("a").encode())
    extent = SnapshotExtent({"route": {(QUESTIONS, number): 1}}, {(QUESTIONS, number): 1})
    with mirrored(path, [adopted, asked, told], extent=extent) as log:
        assert (log.end, log.folded) == (3, 2)
        assert log.committed("route") == {(QUESTIONS, number): 1}
        assert (log.committed("learn"), log.settled()) == ({}, {(QUESTIONS, number): 1})


def test_more_is_seen_after_a_refresh(path: Path) -> None:
    """A view stays as it was until it is moved on, and goes on where it ended."""
    snapshot = Snapshot(path)
    snapshot.add([raw_record(question("q").encode())], NOWHERE)
    with SnapshotReader(path) as log:
        snapshot.add([raw_record(question("q", at=11).encode(), 1), raw_record(b"", 2)], NOWHERE)
        assert [record.seq for record in log.records()] == [1]
        assert log.refresh()
        assert [(record.seq, record.offset) for record in log.records()] == [(1, 0), (2, 1)]
        assert (log.taken, len(list(log.left_out()))) == (3, 1)
        assert not log.refresh()
    snapshot.close()


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    """The snapshot is made where temporary files are; where that cannot be, somebody has to act."""
    with pytest.raises(OperatorError):
        Snapshot(tmp_path / "missing" / "mirror.db")


def copied(records: Iterable[Record]) -> list[RawRecord]:
    """Take the records of an embedded log as if brokers held them."""
    return [RawRecord(*record[:4], record.key.encode(), record.value) for record in records]


def test_audits_say_the_same_of_a_mirror(recorded: Inside, path: Path) -> None:
    """Explanation, router table, history and summary of a log do not depend on where it lies."""
    with EmbeddedReader(recorded.path / "orch.db") as log:
        everything = copied(log.records())
        with mirrored(path, by_time(_partitions(everything))) as snapshot:
            asked = [record.key for record in log.records((QUESTIONS,))]
            for name in asked[:: max(1, len(asked) // 5)]:
                assert explain(snapshot, name) == explain(log, name)
                assert table_at(snapshot, name) == table_at(log, name)
            assert table_now(snapshot) == table_now(log)
            agent = table_now(log)["lines"][0]["agent"]
            assert list(history(snapshot, agent)) == list(history(log, agent))
            assert summarise(snapshot, known_answers(snapshot)) == summarise(log, known_answers(log))


def _partitions(raw_records: Iterable[RawRecord]) -> list[list[RawRecord]]:
    found: dict[tuple[str, int], list[RawRecord]] = {}
    for one in raw_records:
        found.setdefault((one.topic, one.partition), []).append(one)
    return list(found.values())


OFF = {ROUTER: 10**9, OBSERVATIONS: 2 * 10**9}
"""Milliseconds by which a topic's clock is ahead."""


def test_audits_find_entries_that_stand_behind_what_names_them(recorded: Inside, path: Path) -> None:
    """Clocks differ: where the router's clock is ahead, panels and histories still find what they rest on."""
    with EmbeddedReader(recorded.path / "orch.db") as log:
        late = [one._replace(timestamp_ms=one.timestamp_ms + OFF.get(one.topic, 0)) for one in copied(log.records())]
        with mirrored(path, by_time(_partitions(late))) as snapshot:
            last = [record.key for record in log.records((QUESTIONS,))][-1]
            assert explain(snapshot, last)["routing"] == explain(log, last)["routing"]
            assert table_at(snapshot, last) == table_at(log, last)
            agent = table_now(log)["lines"][0]["agent"]
            assert list(history(snapshot, agent)) == list(history(log, agent))


def test_an_older_entry_behind_a_newer_one_is_not_the_newest(path: Path) -> None:
    """After a crash an old entry may be written again, and compaction may have removed it where it stood first."""
    old, new = entry("a", sequence=1), entry("a", sequence=2)
    made = [RawRecord(ROUTER, 0, place, place, b"*/a", one.encode()) for place, one in enumerate((new, old))]
    adopted = RawRecord(POLICIES, 0, 0, 0, b"p", policy("a").encode())
    with mirrored(path, [adopted, *made]) as log:
        assert [line["sequence"] for line in table_now(log)["lines"]] == [2]
        assert [point["sequence"] for point in history(log, "a")] == [2]
