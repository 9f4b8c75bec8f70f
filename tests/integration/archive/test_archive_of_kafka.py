"""Archives of Kafka logs beside views of the same logs."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings

from streams.audit.replay.replay import Replay, replay
from streams.errors import DifferenceError
from streams.log import LeftOut, UnorderedReader
from streams.processors import PROCESSORS
from streams.runtimes.archive.opening import open_archive
from streams.runtimes.kafka.reading.snapshot_reader import SnapshotReader
from streams.topology import QUESTIONS, TOPICS

from ...stateful.plans import Plan
from ..audit.scattered_log import Scattered
from ..audit.test_replay_unordered import Life, lives


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a new folder to each example."""
    with TemporaryDirectory() as name:
        yield Path(name)


def shown(reader: UnorderedReader) -> dict[str, Any]:
    """Show all that a reader gives, but for `seq`: a view counts only what it keeps."""
    left_out = {
        about: [(*one.record[:7], one.key, None if one.problem is None else str(one.problem)) for one in found]
        for about, found in reader.left_out()
    }
    return {
        "records": {topic: [record[:7] for record in reader.records((topic,))] for topic in TOPICS},
        "order": [record[:3] for record in reader.records()],
        "groups": [(about, [record[:3] for record in found]) for about, found in reader.by_correlation()],
        "left out": left_out,
        "counts": (reader.taken, reader.repeats),
        "committed": {processor.name: dict(reader.committed(processor.name)) for processor in PROCESSORS},
        "settled": dict(reader.settled()),
    }


def verdict(found: Replay) -> Replay:
    """Give what a replay found, without its time and its claims."""
    first = found.first_difference
    return replace(
        found,
        seconds=0,
        proved=bool(found.proved),  # type: ignore[arg-type]
        not_proved=(),
        first_difference=None if first is None else replace(first, seq=0),
    )


def same(log: Scattered, folder: Path) -> None:
    """Check that the archive gives what the view gives, and has the same verdict."""
    log.snapshot(folder / "view.db")
    log.export(folder / "archive")
    with SnapshotReader(folder / "view.db") as view, open_archive(folder / "archive") as archive:
        unordered = archive.unordered()
        assert unordered is not None
        assert shown(unordered) == shown(view)
        assert archive.folded == 0 or archive.folded <= archive.end
        assert verdict(replay(unordered)) == verdict(replay(view))


@pytest.mark.slow
@settings(deadline=None, max_examples=5)
@given(lives)
def test_an_archive_is_the_view(life: tuple[Plan, int]) -> None:
    """Whatever producers, stages and agents do in whatever order: an archive reads as the cluster does."""
    told = Life(*life)
    log = told.end()
    log.repeat(3)
    with TemporaryDirectory() as name:
        same(log, Path(name))


@pytest.mark.slow
@settings(deadline=None, max_examples=2)
@given(lives)
def test_exports_add_up(life: tuple[Plan, int]) -> None:
    """Exports of a growing log give the archive that one export at the end gives, but for the order by time."""
    told, chance = Life(*life), random.Random(life[1])
    with TemporaryDirectory() as name:
        folder = Path(name)
        for _ in range(3):
            for _ in range(chance.randrange(40)):
                told.move()
            told.log.export(folder / "grown")
        log = told.end()
        log.export(folder / "grown")
        log.export(folder / "whole")
        with open_archive(folder / "grown") as grown, open_archive(folder / "whole") as whole:
            for topic in TOPICS:
                place = [(*one[:3], *one[3:8]) for one in whole.originals((topic,))]
                assert sorted([(*one[:3], *one[3:8]) for one in grown.originals((topic,))], key=str) == sorted(
                    place, key=str
                )
            ours, theirs = grown.unordered(), whole.unordered()
            assert ours is not None
            assert theirs is not None
            assert ours.repeats == theirs.repeats
            assert verdict(replay(ours)) == verdict(replay(theirs))


def test_a_value_keeps_its_bytes(folder: Path) -> None:
    """An archive has a producer's own spelling, a tombstone, no key, and headers; its reader gives the event."""
    log = Scattered(random.Random(1), clock=lambda: 7)
    plain = b'{"question_id": "q", "text": "?",  "options": ["a", "b"]}'
    written = log.put_bytes(QUESTIONS, plain, "q", headers=(("a", None), ("ce_id", b"\xff")), stamped_by_broker=True)
    log.put_bytes(QUESTIONS, b"", None, tombstone=True)
    log.export(folder / "archive")
    with open_archive(folder / "archive") as archive:
        second, first = archive.originals()
        (record,) = archive.records()
        (letter,) = archive.unordered().left_out()  # type: ignore[union-attr]
    assert (first.key, first.value, first.headers, first.timestamp_type, first.form) == (
        b"q",
        plain,
        written.headers,
        "LogAppendTime",
        "converted",
    )
    assert (second.key, second.value, second.form, second.timestamp_type) == (None, None, "invalid", "CreateTime")
    assert record.key == "q"
    assert b'"event_id"' in record.value
    assert record.headers == (("a", None),)
    assert isinstance(letter[1][0], LeftOut)


def test_a_log_that_shrank_is_not_exported(folder: Path) -> None:
    """An archive is not continued from a log that ends before it."""
    log = Scattered(random.Random(1), clock=lambda: 7)
    log.put_bytes(QUESTIONS, b"{}", "q")
    log.export(folder / "archive")
    other = Scattered(random.Random(1), clock=lambda: 7)
    with pytest.raises(DifferenceError, match="the log ends before it"):
        other.export(folder / "archive")
