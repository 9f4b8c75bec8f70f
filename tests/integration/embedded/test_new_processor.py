"""A new processor on a log that others folded."""

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from schemas.event import Event
from schemas.feedback import FeedbackGiven
from schemas.policies import PolicyAdopted
from schemas.router import RouterEntry
from streams.errors import DifferenceError, OperatorError
from streams.log import read_event
from streams.processors import PROCESSORS
from streams.processors.fold import Processor, Rejection, Step, Tables
from streams.runtimes.embedded import derivation
from streams.runtimes.embedded.crash_points import CrashPoints
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.topology import DECISIONS, OBSERVATIONS, QUESTIONS

from ...layout2 import unpacked
from ...stateful.tiny import question
from .test_writer_crash import killed, values


def _watch(state: list[Any] | None, event: Event, key: str, tables: Tables) -> Step[Any]:
    """State: for each event of a question, its place in the count, the policy and the router entries it saw."""
    assert tables.policy is not None
    seen = sorted(entry.event_id[:8] for entry in tables.entries.values())
    state = [*(state or []), [event.kind, tables.policy.event_id[:8], seen]]
    written = FeedbackGiven(occurred_at=event.occurred_at, question_id=key, source="judge", answer="A")
    return Step(state, (written,), Rejection("conflict", "seen before") if len(state) > 1 else None)


def _subject(event: Event) -> tuple[str, ...]:
    return (event.correlation,)


def _is_open(state: list[Any]) -> bool:
    return state[-1][0].startswith("question")


def processor(name: str, *reads: str) -> Processor:
    """Make a processor that notes what it sees, and writes and rejects something at each event."""
    return Processor(name, reads, _subject, _watch, lambda s: s, lambda v: v, _is_open, sees_tables=True)


WATCH = processor("watch", QUESTIONS, DECISIONS, OBSERVATIONS)
WITH_WATCH = (*PROCESSORS[:2], WATCH, *PROCESSORS[2:])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A finished log that the four processors folded."""
    return unpacked("reference/finished", tmp_path)


def opened(path: Path, processors: Sequence[Processor] = WITH_WATCH, faults: CrashPoints | None = None) -> None:
    """Open a log for writing, which derives what is new, and close it."""
    EmbeddedWriter(path, processors, clock=lambda: 0, faults=faults).close()


def rows(path: Path, query: str) -> list[Any]:
    """Read rows straight from the file."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


STATES = "SELECT * FROM states ORDER BY processor, key"
CHECKPOINT = "SELECT seq, processors FROM checkpoint"
LEFT = "SELECT * FROM derivation"


def expected(path: Path) -> dict[str, list[Any]]:
    """Fold the log as a live host would, from its rows and without a database: the states of `WATCH`."""
    with EmbeddedReader(path) as view:
        events = [read_event(record) for record in view.records()]
    entries: dict[tuple[str, str], RouterEntry] = {}
    tables = Tables(next(event for event in events if isinstance(event, PolicyAdopted)), entries)
    states: dict[str, list[Any]] = {}
    for event in events:
        if isinstance(event, RouterEntry):
            entries[event.scope, event.agent] = event
        elif isinstance(event, PolicyAdopted):
            tables.policy = event
        elif event.topic in WATCH.reads:
            key = event.correlation
            states[key] = WATCH.fold(states.get(key), event, key, tables).state
    return states


def derived(path: Path) -> dict[str, list[Any]]:
    """Read the states of `WATCH`."""
    found = rows(path, "SELECT key, value FROM states WHERE processor = 'watch'")
    return {key: json.loads(value) for key, value in found}


@pytest.mark.parametrize("batch", [1, 7, 4_096])
def test_states_are_those_of_a_live_fold(path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    """The new states are what a fold from the first record gives, with the tables as they were at each record."""
    monkeypatch.setattr(derivation, "_BATCH_RECORDS", batch)
    before, others = values(path), rows(path, STATES)
    opened(path)
    assert derived(path) == expected(path)
    assert len(derived(path)) == 12
    assert [row for row in rows(path, STATES) if row[0] != "watch"] == others
    assert values(path) == before
    assert rows(path, CHECKPOINT) == [(len(before), "route,merge,watch,learn,rank,tune")]
    assert rows(path, LEFT) == []


def test_large_records_bound_a_batch(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch ends by its bytes too."""
    monkeypatch.setattr(derivation, "_BATCH_BYTES", 1)
    opened(path)
    assert derived(path) == expected(path)


def test_new_processor_goes_on_from_its_states(path: Path) -> None:
    """After the derivation the processor folds like the others: only what is new follows from it."""
    opened(path)
    past = len(values(path))
    with EmbeddedWriter(path, WITH_WATCH, clock=lambda: 0) as log:
        log.append(question("later"))
        made = log.fold(1)
        log.commit()
    assert [stored.event.kind for stored in made] == ["panel.assigned.v1", "feedback.given.v1"]
    assert len(values(path)) == past + 3
    assert {"later", "q00"} <= derived(path).keys()
    opened(path)
    assert {"later", "q00"} <= derived(path).keys()


@pytest.mark.process
@pytest.mark.parametrize("only", [None, "derive", "derived"])
def test_kill_at_any_point_changes_nothing(
    tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch, only: str | None
) -> None:
    """Whatever point a derivation dies at, the next opening goes on, to the same states."""
    monkeypatch.setattr(derivation, "_BATCH_RECORDS", 30)
    opened(path)
    calm = [rows(path, query) for query in (STATES, CHECKPOINT, LEFT)]
    for crash_at in range(1, 40):
        (tmp_path / f"{crash_at}").mkdir()
        log = unpacked("reference/finished", tmp_path / f"{crash_at}")
        if not killed(partial(opened, log, faults=CrashPoints(crash_at, only=only))):
            break
        opened(log)
        assert [rows(log, query) for query in (STATES, CHECKPOINT, LEFT)] == calm
    assert crash_at > 6


@pytest.mark.process
def test_derivation_goes_on_where_it_stopped(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No committed batch is folded twice."""
    monkeypatch.setattr(derivation, "_BATCH_RECORDS", 30)
    assert killed(partial(opened, path, faults=CrashPoints(3, only="derived")))
    ((_, reached, names),) = rows(path, LEFT)
    assert (reached > 60, names) == (True, "watch,tune")
    folded: list[str] = []
    noting = Processor(
        "watch",
        WATCH.reads,
        lambda event: folded.append(event.event_id) or _subject(event),  # type: ignore[func-returns-value]
        WATCH.fold,
        WATCH.dump,
        WATCH.load,
        WATCH.open,
    )
    opened(path, (*PROCESSORS[:2], noting, *PROCESSORS[2:]))
    assert len(folded) == sum(row[0] > reached for row in rows(path, _READ_BY_WATCH))
    assert derived(path) == expected(path)


_READ_BY_WATCH = (
    "SELECT seq FROM records JOIN streams USING (stream)"
    f" WHERE topic IN ('{QUESTIONS}', '{DECISIONS}', '{OBSERVATIONS}')"
)


@pytest.mark.process
def test_log_grows_between_two_attempts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without the new processor may go on meanwhile; what it folds is derived with the rest."""
    monkeypatch.setattr(derivation, "_BATCH_RECORDS", 30)
    assert killed(partial(opened, path, faults=CrashPoints(2, only="derived")))
    with EmbeddedWriter(path, PROCESSORS, clock=lambda: 0) as log:
        log.append(question("between"))
        while log.ready:
            log.fold()
        log.commit()
    opened(path)
    assert derived(path) == expected(path)
    assert "between" in derived(path)


@pytest.mark.process
def test_other_new_processors_begin_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the next program brings other new processors, nothing is left of the derivation that was given up."""
    monkeypatch.setattr(derivation, "_BATCH_RECORDS", 30)
    assert killed(partial(opened, path, faults=CrashPoints(3, only="derived")))
    more = processor("more", QUESTIONS)
    opened(path, (*PROCESSORS, more))
    assert rows(path, "SELECT count(*) FROM states WHERE processor = 'watch'") == [(0,)]
    assert rows(path, "SELECT count(*) FROM states WHERE processor = 'more'") == [(12,)]
    opened(path, (*WITH_WATCH, more))
    assert derived(path) == expected(path)


def test_processor_that_vanished_is_refused(path: Path) -> None:
    """Without one of the processors that folded the log, or with them in another order, nothing goes on."""
    opened(path)
    for processors in (PROCESSORS, (WATCH,), (WATCH, *PROCESSORS)):
        with pytest.raises(OperatorError, match="folded by route,merge,watch,learn,rank,tune, not by"):
            opened(path, processors)


def test_changed_record_is_not_derived_from(path: Path) -> None:
    """A record that was changed after it was written stops the derivation, and nothing is said to be derived."""
    opened(path, PROCESSORS)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE records SET value = replace(value, 'first', 'fifth') WHERE seq = 2")
        connection.commit()
    with pytest.raises(DifferenceError, match="changed after it was written"):
        opened(path)
    assert rows(path, "SELECT processors FROM checkpoint") == [("route,merge,learn,rank,tune",)]


def test_log_that_nobody_folded_needs_no_derivation(tmp_path: Path) -> None:
    """All processors begin together on a log that only took inputs."""
    path = unpacked("asked", tmp_path)
    opened(path)
    assert rows(path, "SELECT count(*) FROM states") == [(0,)]
