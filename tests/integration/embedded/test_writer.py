"""The embedded writer: output, refusals, and the file after failures."""

import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.event import MAX_EVENT_BYTES
from schemas.panels import Seat, Stage, StageOpened
from schemas.registry import decode_canonical
from streams.errors import DifferenceError, InvariantError, OperatorError, UsageError
from streams.processors.fold import Processor, Step
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import QUESTIONS

from ...stateful.tiny import EPOCH, feedback, filled, policy, question, values, writer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the log of a test lies."""
    return tmp_path / "orch.db"


def _pages_used_up(log: EmbeddedWriter) -> None:
    log._connection.execute("PRAGMA max_page_count = 80")


def _file_size_used_up(log: EmbeddedWriter) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def _write_without_end(log: EmbeddedWriter) -> None:
    """Commit 100 questions at a time, with two records that follow from each."""
    for number in count(1):
        log.append(question(f"more{number}", "x" * 600))
        log.fold()
        if number % 100 == 0:
            log.commit()


@pytest.mark.parametrize(
    ("use_up", "says"), [(_pages_used_up, "disk full"), (_file_size_used_up, "disk refused")], ids=["full", "quota"]
)
def test_full_disk_loses_nothing_committed(path: Path, use_up: Callable[[EmbeddedWriter], None], says: str) -> None:
    """When the disk is full the writer stops with a remedy, the last commit stands, and the log goes on from it."""
    filled(path, 3)
    before = values(path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = writer(path)
    try:
        use_up(log)
        with pytest.raises(OperatorError, match=says) as caught:
            _write_without_end(log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    committed = values(path)
    assert committed[: len(before)] == before
    assert len(committed) == len(before) + 300 * ((len(committed) - len(before)) // 300)
    assert caught.value.remedy
    with pytest.raises(InvariantError, match="cannot go on"):
        log.append(question("again"))
    with writer(path) as log:
        assert log.append(question("again"))
        log.fold()
        log.commit()
    assert values(path)[:-3] == committed


def test_open_states_come_in_the_order_of_their_first_records(path: Path) -> None:
    """A key that changes again before the first commit keeps the place of its first record."""
    with writer(path) as log:
        for event in (policy(), question("first"), question("second"), feedback("first")):
            log.append(event)
        while log.ready:
            log.fold()
        log.commit()
    with writer(path) as log:
        assert list(log.open_states("count")) == [("first", 1), ("second", 0)]


def _fails(state: Any, event: Any, key: str, tables: Any) -> Step[Any]:
    if key == "poison":
        raise ZeroDivisionError("a bug")
    return Step(1)


def test_failing_fold_leaves_the_file_as_of_the_last_commit(path: Path) -> None:
    """A fold that raises takes all that was not committed with it, and the writer refuses to go on."""
    buggy = Processor("buggy", (QUESTIONS,), lambda e: (e.key,), _fails, lambda s: s, lambda v: v, lambda s: False)
    log = writer(path, (buggy,))
    log.append(policy())
    log.append(question("fine"))
    log.fold()
    log.commit()
    expected = values(path)
    log.append(question("fine, but late"))
    log.append(question("poison"))
    with pytest.raises(ZeroDivisionError):
        log.fold()
    for use in (log.fold, log.commit, lambda: log.append(question()), lambda: log.open_states("buggy")):
        with pytest.raises(InvariantError, match="a bug"):
            use()
    assert values(path) == expected
    with writer(path, (buggy,)) as log:
        assert log.lag == 0


def test_refused_event_leaves_the_writer_usable(path: Path) -> None:
    """What cannot be appended is refused with a remedy, and the next event is taken."""
    with writer(path) as log:
        with pytest.raises(UsageError, match="The limit is 900,000"):
            log.append(question("long", "x" * MAX_EVENT_BYTES))
        stage = Stage(number=1, role="analyst", seats=(Seat(agent="a"),))
        derived = StageOpened(occurred_at=EPOCH, question_id="q", reason="window", stage=stage)
        with pytest.raises(UsageError, match="only the processors write"):
            log.append(derived)
        assert log.append(question())
        log.commit()
    assert values(path) == [question().encode()]


@pytest.mark.parametrize("column", ["value", "CAST(value AS BLOB)"], ids=["as text", "as bytes"])
def test_changed_record_is_not_folded(path: Path, column: str) -> None:
    """A record that was changed in the file, in place, is found when its turn comes, with its place."""
    with writer(path) as log:
        log.append(policy())
        log.append(question(text="true"))
        log.commit()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"UPDATE records SET value = replace({column}, 'true', 'fake') WHERE seq = 2")
    assert b"fake" in values(path)[1]
    with writer(path) as log, pytest.raises(DifferenceError, match="was changed") as caught:
        log.fold()
    assert caught.value.place["topic"] == QUESTIONS
    assert caught.value.place["offset"] == 0


def test_questions_wait_for_the_first_policy(path: Path) -> None:
    """Nothing is folded while the log holds no policy; the first one is in force for all that stands before it."""
    with writer(path) as log:
        log.append(question())
        assert (log.policy, log.ready, log.lag, log.fold()) == (None, False, 1, [])
        log.commit()
    with writer(path) as log:
        assert not log.ready
        log.append(policy("first", agent="a"))
        log.append(policy("second", agent="b"))
        log.commit()
    with writer(path) as log:
        assert log.policy == policy("second", agent="b")
        (observed, *_) = log.fold()
        assert observed.event.agent == "a"


def test_policy_in_force_survives_a_restart(path: Path) -> None:
    """After a restart a fold sees the policy passed last, neither the first nor one to come; the writer the newest."""
    with writer(path) as log:
        for name, agent in (("first", "a"), ("second", "b")):
            log.append(policy(name, agent))
        log.fold()
        log.append(question())
        log.append(policy("third", "c"))
        log.commit()
    with writer(path) as log:
        assert log.policy == policy("third", "c")
        (observed, *_) = log.fold()
        assert observed.event.agent == "b"


def test_input_that_came_before_is_not_appended_again(path: Path) -> None:
    """The same event is taken once: on its way into the file, in it, and after a restart; another is not mistaken."""
    with writer(path) as log:
        assert log.append(question())
        assert log.append(question()) is None
        assert log.append(question(text="other"))
        log.commit()
    with writer(path) as log:
        assert log.append(question()) is None
        assert log.append(feedback())
        assert log.append(feedback()) is None
        log.commit()
        assert log.append(feedback()) is None
    assert len(values(path)) == 3


def test_open_keys_keep_the_order_in_which_they_came(path: Path) -> None:
    """Open keys are listed in the order of their first records, whatever happened to them since, without the closed."""
    with writer(path) as log:
        log.append(policy())
        for name in ("third", "first", "second"):
            log.append(question(name))
        log.fold()
        log.commit()
        for name, answer in (("third", "1"), ("first", "1"), ("first", "2")):
            log.append(feedback(name, answer))
        log.fold()
        assert list(log.open_states("count")) == [("third", 1), ("second", 0)]
        log.commit()
    with writer(path) as log:
        assert list(log.open_states("count")) == [("third", 1), ("second", 0)]
        with pytest.raises(InvariantError, match="no processor is called 'nobody'"):
            log.open_states("nobody")


def test_headers_go_on_to_what_follows(path: Path) -> None:
    """The headers of an input are on every record derived from it, also where that is folded after a restart."""
    trace = (("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),)
    with writer(path) as log:
        log.append(policy())
        log.append(question(), headers=trace)
        log.fold(2)
        log.commit()
    with writer(path) as log:
        log.fold()
        log.commit()
    with EmbeddedReader(path) as view:
        assert [record.headers for record in view.records()] == [(), trace, trace, trace]


def test_file_explains_itself_to_any_sqlite_tool(path: Path) -> None:
    """The view `log` shows topics by name and values as text."""
    filled(path, 1)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT topic, value FROM log ORDER BY seq").fetchall()
    assert [topic for topic, _ in rows] == ["orch.policies", "orch.questions", "orch.observations", "orch.router"]
    for topic, value in rows:
        assert decode_canonical(topic, value.encode()).encode().decode() == value


def test_rejected_record_becomes_a_dead_letter(path: Path) -> None:
    """What a fold rejects is kept as a dead letter with its place, and found by its question."""
    with writer(path) as log:
        log.append(policy())
        log.append(feedback("unknown"))
        log.fold()
        log.commit()
    with EmbeddedReader(path) as view:
        rejected, letter = view.about("unknown")
    event = decode_canonical(letter.topic, letter.value)
    assert (event.source_topic, event.partition, event.offset) == rejected[:3]
    assert event.reason == "unknown_reference"


def test_one_line_is_logged_for_a_commit(path: Path) -> None:
    """A commit logs counts and places in one line, and no text of a question; a commit of nothing logs nothing."""
    with writer(path) as log, capture_logs() as lines:
        log.append(policy())
        log.append(question(text="secret"))
        log.fold()
        log.commit()
        log.commit()
    (line,) = lines
    assert line["event"] == "batch_committed"
    assert [line[name] for name in ("records", "first_seq", "last_seq", "folded", "lag", "states")] == [
        4,
        1,
        4,
        4,
        0,
        2,
    ]
    assert "secret" not in str(line)
