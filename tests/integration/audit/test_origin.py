"""
Start of a log from an archive: proof and forgeries.

The archive is one of the golden story of the merge rule `odds`.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from infra.verifier import verify
from infra.verifier.trial import key_of, sealed
from schemas.origins import LogStarted, RouterCarried
from schemas.router import RouterEntry
from streams.audit.carried_tables import Beginning, beginning, end_of, with_origin
from streams.audit.proof.receipt import receipt_of
from streams.audit.proof.receipt_check import check_receipt
from streams.audit.replay.replay import replay
from streams.processors import RANK, TUNE
from streams.runtimes.urls import open_reader
from streams.topology import INPUT_TOPICS, LESSONS, OBSERVATIONS, POLICIES, ROUTER

from ...e2e.forging import Forger
from ...odds_story import told_by_odds
from ...worlds import Opener, analysis, gold, question
from ..command_in_process import Inside
from ..kafka.rebuild_bench import all_rebuilt, states_of
from ..played_log import Played
from .scattered_log import Scattered

LATER = 200_000


def reply(opener: Opener, agent: str) -> Any:
    """Let everybody say B."""
    return analysis(opener, agent, "B", text="See above.")


def go_on(path: Path) -> None:
    """Ask two questions, and say what is right."""
    log = Played(path)
    for number in range(2):
        log.ask([question(f"n{number}", at=LATER + number)], reply)
        log.put(gold("B", f"n{number}", at=LATER + 10))
    log.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Inside:
    """An archive with one open question, and a log that was started from it; nobody writes to them."""
    place = Inside(tmp_path_factory.mktemp("origin"))
    log = Played(place.path / "old.db")
    for event in told_by_odds().log:
        if event.topic in INPUT_TOPICS:
            log.put(event)
    log.put(question("left", at=LATER - 1))
    log.close()
    assert place.orch("--log", "old.db", "export", "archive").code == 0
    started = place.orch("--format", "json", "--log", "new.db", "log", "start", "--from", "archive")
    assert started.code == 0, started.err
    assert started.lines[0]["open_questions"] == ["left"]
    go_on(place.path / "new.db")
    return place


@pytest.fixture
def log(place: Inside, tmp_path: Path) -> Iterator[Forger]:
    """A copy of the new log, to forge."""
    forger = Forger(place.path / "new.db", tmp_path)
    yield forger
    forger.close()


@pytest.fixture(scope="module")
def first(place: Inside) -> Beginning:
    """What a log begins with that goes on from the archive."""
    with open_reader(f"parquet:{place.path / 'archive'}") as reader:
        end = end_of(reader)
    assert end.policy is not None
    return beginning(end, end.policy, "2026-05-01T00:00:00.000Z", 1)


def test_log_proves_itself_and_its_origin(place: Inside) -> None:
    """Without the archive its tables are taken as given; with it, they are proved; another archive is refused."""
    alone = place.orch("--format", "json", "--log", "new.db", "replay")
    assert alone.code == 0
    assert any("taken as given from log unsealed" in claim for claim in alone.lines[0]["not_proved"])
    held = place.orch("--format", "json", "--log", "new.db", "replay", "--origin", "archive")
    assert (held.code, held.err) == (0, "")
    assert not any("taken as given" in claim for claim in held.lines[0]["not_proved"])
    assert any("that log's own replay finds no difference" in claim for claim in held.lines[0]["proved"])
    assert place.orch("--log", "new.db", "export", "other").code == 0
    other = place.orch("--format", "json", "--log", "new.db", "replay", "--origin", "other")
    assert other.code == 4
    assert other.lines[0]["first_difference"]["field"] == "root"
    mine = place.orch("--log", "old.db", "replay", "--origin", "archive")
    assert (mine.code, "began by itself" in mine.err) == (2, True)


def test_only_an_empty_log_is_started(place: Inside) -> None:
    """A log with records, the started one too, is refused with a remedy; so is an archive without a policy."""
    for name in ("old.db", "new.db"):
        done = place.orch("--log", name, "log", "start", "--from", "archive")
        assert (done.code, "Name an empty or new log" in done.err) == (2, True), done.err
    Played(place.path / "none.db").close()
    assert place.orch("--log", "none.db", "export", "none").code == 0
    done = place.orch("--log", "fresh.db", "log", "start", "--from", "none")
    assert (done.code, "no policy" in done.err) == (2, True)


@pytest.mark.process
def test_killed_start_leaves_an_empty_log(place: Inside, tmp_path: Path) -> None:
    """A file holds the whole beginning or nothing of it: a start that was killed is made again."""
    from ...e2e.command import Place

    archive = place.path / "archive"
    killed = Place(tmp_path).orch("log", "start", "--from", archive, env={"ORCH_CRASH_AT": "commit:1"})
    assert killed.code == -9
    assert Inside(tmp_path).orch("log", "start", "--from", archive).code == 0


def test_views_of_the_new_log(place: Inside) -> None:
    """The other commands read such a log: history, explanation, sql, doctor, policies and whatif."""
    history = place.orch("--format", "json", "--log", "new.db", "router", "--history", "ada")
    assert [line["source"] for line in history.lines if line["table"] == "router"][:2] == ["origin", "decision"]
    assert place.orch("--log", "new.db", "explain", "n1").code == 0
    policies = place.orch("--format", "json", "--log", "new.db", "sql", "SELECT count(*) AS n FROM policies")
    assert policies.lines == [{"n": 1}]
    assert place.orch("--log", "new.db", "policy", "history").code == 0
    assert place.orch("--log", "new.db", "doctor").code in (0, 3)
    same = place.orch("--format", "json", "--log", "new.db", "whatif")
    assert (same.lines[0]["exact"]["questions"], same.lines[0]["flips"]) == (2, [])


def test_receipt_names_the_origin(place: Inside) -> None:
    """A receipt whose panel rests on entries holds the origin; both verifiers take it, and say what is not proved."""
    key = key_of(3)
    with open_reader(str(place.path / "new.db")) as reader:
        receipt = receipt_of(reader, "n1", sealed(reader, key))
    assert b"log.started.v1" in receipt["records"][0]["entry"].encode()
    found = check_receipt(receipt, key.public)
    assert (found.problems, found.derived) == ([], True)
    assert any("taken as given" in remark for remark in found.remarks)
    told = verify.verify(json.dumps(receipt).encode(), str(key.public))
    assert any(line.startswith("not proved: the entries that began with unsealed") for line in told)


FORGERIES: dict[str, tuple[Callable[[Forger], int | None], str]] = {}


def forged(name: str, field: str) -> Callable[[Callable[[Forger], int | None]], Callable[[Forger], int | None]]:
    """List a forgery with the field that is named; it gives the seq of the difference."""

    def add(forge: Callable[[Forger], int | None]) -> Callable[[Forger], int | None]:
        FORGERIES[name] = (forge, field)
        return forge

    return add


def carried(log: Forger) -> list[Any]:
    """List the carried lines."""
    return [row for row in log.rows(OBSERVATIONS) if row.event["kind"] == "router.carried.v1"]


def worse(entry: RouterEntry) -> RouterEntry:
    """Make an entry of another quality."""
    kept = (name for name in type(entry).model_fields if name not in ("event_id", "quality_ppb"))
    return type(entry)(**{name: getattr(entry, name) for name in kept}, quality_ppb=1)


def another(origin: dict[str, Any]) -> LogStarted:
    """Make an origin with another root."""
    kept = {name: value for name, value in origin.items() if name not in ("event_id", "causes")}
    return LogStarted(**{**kept, "root": "0" * 64})


def appended(log: Forger, *events: Any) -> int:
    """Let the program append events, and give the seq of the first."""
    before = log.rows()[-1].seq
    log.close()
    played = Played(log.path)
    played.put(*events)
    played.close()
    log.connection = sqlite3.connect(log.path)
    return before + 1


@forged("a changed carried line", "router")
def _(log: Forger) -> int:
    row = carried(log)[0]
    entry = RouterEntry.decode(row.event["entry"].encode())
    log.forge(row.seq, entry=worse(entry).encode().decode())
    return 1


@forged("another root", "event_id")
def _(log: Forger) -> int:
    row = log.rows(POLICIES)[0]
    log.change(row.seq, value=row.value.replace(row.event["root"].encode(), b"0" * 64))
    return row.seq


@forged("an origin that nothing was carried from", "causes.0")
def _(log: Forger) -> int:
    row = log.rows(POLICIES)[0]
    log.change(row.seq, value=another(row.event).encode())
    return row.seq + 1


@forged("a carried line left out, with its entry", "router")
def _(log: Forger) -> int:
    row = carried(log)[-1]
    (entry,) = (one for one in log.rows(ROUTER) if one.event["causes"] == [row.event["event_id"]])
    log.without(row.seq, entry.seq)
    return 1


@forged("an unreadable carried table", "weights")
def _(log: Forger) -> int:
    row = next(row for row in log.rows(LESSONS) if row.event["kind"] == "weights.carried.v1")
    log.change(row.seq, value=row.value.replace(b"weights.entry.v1", b"weights.entry.v9"))
    return 1


@forged("a second origin", "record")
def _(log: Forger) -> int:
    return appended(log, another(log.rows(POLICIES)[0].event))


@forged("an origin behind a question", "record")
def _(log: Forger) -> int:
    place = next(row.seq for row in log.rows() if row.event["kind"] == "question.asked.v1")
    log.move(1, place + 1)
    return place


@forged("a line carried a second time", "router")
def _(log: Forger) -> int:
    event = RouterCarried.decode(carried(log)[0].value)
    text = log.rows(ROUTER)[-1].value.decode()
    entry = RouterEntry.decode(text.encode())
    fields = {"causes": event.causes, "occurred_at": event.occurred_at, "entry": text}
    appended(log, RouterCarried(**fields, scope=entry.scope, agent=entry.agent))
    return 1


@pytest.mark.parametrize("name", FORGERIES)
def test_forgery_is_found(log: Forger, name: str) -> None:
    """The first difference is where the forgery is, and nothing is claimed to be proved."""
    forge, field = FORGERIES[name]
    seq = forge(log)
    found = log.judge()
    first = found.first_difference
    assert first is not None
    assert first.field.startswith(field), first
    assert first.seq == seq, first
    assert found.proved == ()


def test_entry_carried_into_a_log_without_an_origin(tmp_path: Path, first: Beginning) -> None:
    """An entry that no origin names is a difference."""
    played = Played(tmp_path / "orch.db")
    played.put(first.policy, first.carried[0])
    played.close()
    with open_reader(str(tmp_path / "orch.db")) as reader:
        found = replay(reader)
    assert found.first_difference is not None
    assert found.first_difference.actual == "an entry carried into a log without an origin"


@pytest.mark.parametrize("field", ["root", "router"])
def test_beginning_rewritten_with_all_its_ids(tmp_path: Path, place: Inside, first: Beginning, field: str) -> None:
    """A beginning that agrees with itself is taken as given alone, and refused beside the archive."""
    lines = tuple(map(worse, first.end.router)) if field == "router" else first.end.router
    root = "0" * 64 if field == "root" else first.end.root
    false = beginning(first.end._replace(router=lines, root=root), first.policy, first.origin.occurred_at, 1)
    played = Played(tmp_path / "orch.db")
    played.put(false.origin, *false.carried, false.policy)
    played.close()
    with open_reader(str(tmp_path / "orch.db")) as reader, open_reader(str(place.path / "old.db")) as old:
        alone = replay(reader)
        held = with_origin(alone, false.origin, first.end, replay(old))
    assert alone.different == 0
    assert (held.different, held.proved) == (1, ())
    assert held.first_difference is not None
    assert held.first_difference.field == field


@pytest.mark.parametrize("seed", range(3))
def test_origin_without_common_order(first: Beginning, tmp_path: Path, seed: int) -> None:
    """Such a log in partitions proves itself, and gives the states of `rank` and `tune`; a second origin is named."""
    log = Scattered(Random(seed))
    for event in (first.origin, *first.carried, first.policy):
        log.put(event)
    log.put(question("n0", at=LATER))
    log.settle()
    log.repeat(2)
    found = log.replay(tmp_path / "snapshot.db")
    assert (found.different, found.first_difference) == (0, None)
    for processor in (RANK, TUNE):
        derived = all_rebuilt(log, processor)
        assert (derived.states, derived.outputs) == (states_of(log, processor), [])
    log.put(another(first.origin.model_dump()))
    again = log.replay(tmp_path / "snapshot.db")
    assert again.first_difference is not None
    assert again.first_difference.actual == "a second origin of the log"
