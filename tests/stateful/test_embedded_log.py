"""
The embedded log, in lock-step with lists and dicts.

The module also has the laws that follow from one order.
"""

import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from schemas.decisions import DeadlinePassed
from schemas.event import Event
from streams.log import Record
from streams.runtimes.embedded import appender, backlog, reader, state_store
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import APPENDABLE, EmbeddedWriter
from streams.topology import QUESTIONS, TOPICS

from .tiny import EPOCH, TINY, DictLog, feedback, policy, question

names = st.sampled_from(["q0", "q1", "q2", "q3", "q4", "q5"])
inputs = st.one_of(
    st.builds(question, names, st.sampled_from(["?", "??"])),
    st.builds(feedback, names, st.sampled_from(["1", "2", "3"])),
    st.builds(policy, st.sampled_from(["p0", "p1"]), st.sampled_from(["a", "b"])),
    st.builds(DeadlinePassed, occurred_at=st.just(EPOCH), question_id=names),
)
headers = st.sampled_from([(), (), (("traceparent", b"00-\xff"), ("traceparent", b""))])
mosts = st.integers(1, 6) | st.just(4_096)


@contextmanager
def tight_memory() -> Iterator[None]:
    """Shrink every buffer, so that a few records overflow each of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(appender, "_FLUSH_ROWS", 3)
        patch.setattr(appender, "_REMEMBERED_CORRELATIONS", 4)
        patch.setattr(backlog, "_MOST_EVENTS", 3)
        patch.setattr(state_store, "_OPEN_AT_ONCE", 2)
        patch.setattr(reader, "_CHUNK_ROWS", 4)
        patch.setattr(reader, "_FETCH_ROWS", 2)
        yield


def opened(path: Path, clock: Callable[[], int] = lambda: 0) -> EmbeddedWriter:
    """Open a writer that keeps hardly any state in memory."""
    return EmbeddedWriter(path, TINY, clock=clock, cached_states=2)


def whole(path: Path) -> list[Record]:
    """Read everything that is committed."""
    with EmbeddedReader(path) as view:
        return list(view.records())


class LogMachine(RuleBasedStateMachine):
    """Appends, folds, commits and crashes of a log on disk and of the model; a reader looks on."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.path = self.folder / "orch.db"
        self.tight = tight_memory()
        self.tight.__enter__()
        self.now = 0
        self.model, self.committed, self.seen = DictLog(), DictLog(), DictLog()

    @initialize()
    def open(self) -> None:
        """Begin with an empty log and a reader of it."""
        self.writer = opened(self.path, lambda: self.now)
        self.reader = EmbeddedReader(self.path)

    @rule(event=inputs, headers=headers, now=st.integers(0, 5))
    def append(self, event: Event, headers: Any, now: int) -> None:
        """Append one input, at a time that may lie before the last one's."""
        self.now = now
        stored = self.writer.append(event, headers=headers)
        assert (stored is not None) == self.model.append(event)
        if stored is not None:
            assert stored[:4] == (*self.model.places()[-1], event)
            assert stored.seq == len(self.model.events)

    @precondition(lambda self: self.model.events)
    @rule(back=st.integers(1, 6))
    def append_again(self, back: int) -> None:
        """Append an input that came shortly before."""
        event = self.model.events[-back:][0]
        if event.topic in APPENDABLE:
            assert self.writer.append(event) is None

    @precondition(lambda self: self.model.ready)
    @rule(most=mosts)
    def fold(self, most: int) -> None:
        """Fold some records."""
        written = self.writer.fold(most)
        assert [stored.event for stored in written] == self.model.fold(most)

    @precondition(lambda self: not self.model.ready)
    @rule()
    def fold_nothing(self) -> None:
        """Fold where nothing can be folded."""
        assert self.writer.fold() == []

    @rule()
    def commit(self) -> None:
        """Make all of it durable."""
        self.writer.commit()
        self.committed = self.model.copy()

    @rule()
    def crash(self) -> None:
        """Lose what was not committed."""
        self.writer.close()
        self.writer = opened(self.path, lambda: self.now)
        self.model = self.committed.copy()

    @rule()
    def look(self) -> None:
        """Move the reader to the last commit."""
        moved = self.reader.refresh()
        assert moved == (len(self.committed.events) > len(self.seen.events))
        self.seen = self.committed

    @rule()
    def list_open(self) -> None:
        """List the open keys in the order in which they were asked."""
        expected = [(key, state) for key, state in self.model.states["count"].items() if state < 2]
        assert list(self.writer.open_states("count")) == expected
        assert list(self.writer.open_states("chain")) == []

    @rule(name=names)
    def list_about(self, name: str) -> None:
        """List what the writer holds about one question, committed or not."""
        expected = [event.encode() for event in self.model.events if event.correlation == name]
        assert [record.value for record in self.writer.about(name)] == expected

    @invariant()
    def writer_agrees(self) -> None:
        """The writer knows how far it is."""
        assert self.writer.lag == len(self.model.events) - self.model.cursor
        assert self.writer.ready == self.model.ready

    @invariant()
    def reader_agrees(self) -> None:
        """The reader sees what was committed when it last looked, however it asks."""
        events = self.seen.events
        records = list(self.reader.records())
        assert self.reader.end == len(events)
        assert [record.seq for record in records] == list(range(1, len(events) + 1))
        assert [record[:3] for record in records] == self.seen.places()
        assert [record.value for record in records] == [event.encode() for event in events]
        assert [record.key for record in records] == [event.key for event in events]
        times = [record.timestamp_ms for record in records]
        assert times == sorted(times)
        questions = [record for record in records if record.topic == QUESTIONS]
        assert list(self.reader.records([QUESTIONS], after=1)) == [record for record in questions if record.seq > 1]
        self._groups_agree(records)
        self._ends_agree(records)

    def _groups_agree(self, records: list[Record]) -> None:
        groups: dict[str, list[Record]] = defaultdict(list)
        for event, record in zip(self.seen.events, records, strict=True):
            groups[event.correlation].append(record)
        assert list(self.reader.by_correlation()) == sorted(groups.items())
        for correlation, group in groups.items():
            assert self.reader.about(correlation) == group

    def _ends_agree(self, records: list[Record]) -> None:
        ends = self.reader.ends()
        newest: dict[tuple[str, str], Record] = {}
        assert sum(ends.values()) == len(records)
        for record in records:
            assert ends[record.topic, record.partition] > record.offset
            before = newest.get((record.topic, record.key))
            assert self.reader.last(record.topic, record.key, upto=record.seq - 1) == before
            newest[record.topic, record.key] = record
        for (topic, key), record in newest.items():
            assert self.reader.last(topic, key) == record

    def teardown(self) -> None:
        """Leave nothing behind."""
        self.writer.close()
        self.reader.close()
        self.tight.__exit__(None, None, None)
        shutil.rmtree(self.folder)


TestLog = LogMachine.TestCase
TestLog.__doc__ = "The log and the model agree after any sequence of appends, folds, commits, crashes and looks."
TestLog.settings = settings(max_examples=40, stateful_step_count=30)


@given(
    given_inputs=st.lists(inputs, max_size=15).map(lambda drawn: [policy(), *drawn]),
    cuts=st.lists(st.tuples(mosts, st.sampled_from(["go on", "commit", "reopen", "crash"])), max_size=20),
)
@settings(max_examples=40)
def test_any_batching_folds_the_same_bytes(given_inputs: list[Event], cuts: list[tuple[int, str]]) -> None:
    """Inputs appended first and folded in any portions, with commits and crashes between, give one log."""
    with tempfile.TemporaryDirectory() as folder, tight_memory():
        one, many = Path(folder) / "one.db", Path(folder) / "many.db"
        for path in (one, many):
            with opened(path) as writer:
                for event in given_inputs:
                    writer.append(event)
                if path is one:
                    writer.fold()
                writer.commit()
        writer = opened(many)
        for most, then in [*cuts, *[(4_096, "commit")] * 3]:
            writer.fold(most)
            if then in ("commit", "reopen"):
                writer.commit()
            if then in ("reopen", "crash"):
                writer.close()
                writer = opened(many)
        writer.close()
        assert whole(many) == whole(one)


@given(steps=st.lists(inputs | mosts, max_size=25), reopened=st.sets(st.integers(0, 24)))
@settings(max_examples=40)
def test_reopening_changes_nothing(steps: list[Event | int], reopened: set[int]) -> None:
    """The same appends and folds give the same log, wherever the writer was closed after a commit and opened again."""
    with tempfile.TemporaryDirectory() as folder, tight_memory():
        paths = [Path(folder) / "straight.db", Path(folder) / "reopened.db"]
        for path, stops in zip(paths, [set(), reopened], strict=True):
            writer = opened(path)
            for index, step in enumerate(steps):
                if isinstance(step, int):
                    writer.fold(step)
                else:
                    writer.append(step)
                if index in stops:
                    writer.commit()
                    writer.close()
                    writer = opened(path)
            writer.commit()
            writer.close()
        straight, other = map(whole, paths)
        assert other == straight


@given(
    given_inputs=st.lists(inputs, min_size=1, max_size=12),
    topics=st.sets(st.sampled_from(sorted(TOPICS)), min_size=1),
    after=st.integers(0, 12),
    limit=st.none() | st.integers(0, 12),
)
@settings(max_examples=40)
def test_topics_after_and_limit_choose_from_the_whole(
    given_inputs: list[Event], topics: set[str], after: int, limit: int | None
) -> None:
    """Reading a part gives what the same part of the whole holds."""
    with tempfile.TemporaryDirectory() as folder, tight_memory():
        path = Path(folder) / "orch.db"
        with opened(path) as writer:
            for event in given_inputs:
                writer.append(event)
            writer.fold()
            writer.commit()
        with EmbeddedReader(path) as view:
            chosen = [record for record in view.records() if record.topic in topics]
            later = [record for record in chosen if record.seq > after]
            assert list(view.records(sorted(topics), after=after, limit=limit)) == later[:limit]
            grouped = [record for _, group in view.by_correlation(sorted(topics)) for record in group]
            assert sorted(grouped, key=lambda record: record.seq) == chosen
