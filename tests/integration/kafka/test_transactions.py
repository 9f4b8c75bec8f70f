"""A worker beside other programs' transactions, on a real broker."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from infra.broker import Broker
from infra.chaos.workers import Duty, WorkerProcess, orch, prepare
from streams.runtimes.kafka.client.connection import Connection, parse_connection
from streams.runtimes.kafka.client.consumer_lag import GroupLag, group_lags
from streams.topology import DECISIONS, QUESTION_PARTITIONS, QUESTIONS, partition_of

from ...limits import LIMIT_S
from .test_interop import POLICY, Town, new_id, question
from .transactions import Transactor

pytestmark = pytest.mark.slow

SHORT_MS = 1_000
"""Time after which the broker aborts a transaction that its producer has left open; it looks every few seconds."""


class Told(NamedTuple):
    """What a worker made of other programs' transactions."""

    town: Town
    worker: WorkerProcess
    connection: Connection
    aborted: list[str]
    committed: list[str]
    hanging: list[str]
    """Questions of two open transactions: one is aborted in the end, the other one is left to the broker."""
    behind: list[str]
    """Questions behind them, in their partitions."""
    held: dict[str, GroupLag]
    """Lags while the first of them was open."""
    idle: dict[str, GroupLag]
    """Lags when everything was decided."""
    early: list[str]
    """Questions behind it that were decided while it was open."""


@pytest.fixture(scope="module", params=["aiokafka", "faust"])
def told(broker: Broker, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Told]:
    """Run a worker beside transactions that are aborted, committed, and left open until the broker aborts them."""
    if request.param == "faust":
        pytest.importorskip("faust", reason="optional: needs the extra faust")
    folder = tmp_path_factory.mktemp("transactions")
    town = Town(broker, f"tx-{new_id()}", folder)
    prepare(folder, town.url, POLICY)
    worker = WorkerProcess(Duty("all", ("all",), fixed=False, keeps=False), town.url, folder, engine=request.param)
    try:
        worker.start()
        yield _trial(town, worker)
    finally:
        town.close()
        worker.close()


def _trial(town: Town, worker: WorkerProcess) -> Told:
    connection = parse_connection(town.url.removeprefix("kafka://"), {})
    topic = town.topic(QUESTIONS)
    # In partition 0 a gap of several offsets follows the very first record.
    first_of_all, aborted, committed = [new_id(0)], *([new_id(0), *(new_id() for _ in range(9))] for _ in range(2))
    transactor = Transactor(town.bootstrap, f"{town.prefix}-1")
    for ids in (first_of_all, aborted, committed):
        # Each in its partition, so that batches, aborted ones and markers follow each other there.
        for question_id in ids:
            home = partition_of(question_id.encode(), QUESTION_PARTITIONS)
            transactor.begin(topic, [question(question_id)], home, [question_id])
            (transactor.abort if ids is aborted else transactor.commit)()
    for question_id in committed:
        town.decision(question_id)
    opened = Transactor(town.bootstrap, f"{town.prefix}-2")
    first = _leave_open(town, opened, new_id())
    home = partition_of(first[0].encode(), QUESTION_PARTITIONS)
    elsewhere = new_id((home + 1) % QUESTION_PARTITIONS)
    town.write(QUESTIONS, question(elsewhere), elsewhere, partition=(home + 1) % QUESTION_PARTITIONS)
    town.decision(elsewhere)
    held = settled_lags(connection, held=len(first))
    early = decided(town) & set(first)
    opened.abort()
    second = _leave_open(town, Transactor(town.bootstrap, f"{town.prefix}-3", SHORT_MS), new_id())
    behind = [*first[1:], *second[1:]]
    for question_id in behind:
        town.decision(question_id)
    idle = settled_lags(connection, held=0)
    return Told(town, worker, connection, aborted, committed, [first[0], second[0]], behind, held, idle, sorted(early))


def _leave_open(town: Town, transactor: Transactor, hanging: str) -> list[str]:
    """Ask a question in a transaction that stays open, and three behind it; give all their ids."""
    home = partition_of(hanging.encode(), QUESTION_PARTITIONS)
    transactor.begin(town.topic(QUESTIONS), [question(hanging)], home, [hanging])
    behind = [new_id(home) for _ in range(3)]
    for question_id in behind:
        town.write(QUESTIONS, question(question_id), question_id, partition=home)
    return [hanging, *behind]


def settled_lags(connection: Connection, held: int) -> dict[str, GroupLag]:
    """Wait until no stage lags but by so many records that open transactions hold back; give the lags."""
    limit = time.monotonic() + LIMIT_S
    while True:
        lags = {lag.stage: lag for lag in asyncio.run(group_lags(connection))}
        quiet = all(lag.lag == lag.held for lag in lags.values()) and lags["route"].held == held
        if quiet or time.monotonic() > limit:
            return lags
        time.sleep(0.5)


def decided(town: Town) -> set[str]:
    """Read the ids of all decisions, aborted ones too if there were any."""
    done = orch(town.folder, "--log", town.url, "--format", "json", "consume", DECISIONS)
    assert done.returncode == 0, done.stderr.decode()
    return {json.loads(line)["question_id"] for line in done.stdout.splitlines()}


def test_aborted_questions_are_not_decided(told: Told) -> None:
    """Committed ones are, and nothing else is."""
    found = decided(told.town)
    assert not found & {*told.aborted, *told.hanging}
    assert found >= {*told.committed, *told.behind}


def test_an_open_transaction_holds_back_its_partition_alone(told: Told) -> None:
    """What lies behind it waits until the broker has aborted it, and is decided then."""
    assert told.early == []


def test_an_open_transaction_shows_as_lag(told: Told) -> None:
    """Of the stages that read the topic, with the number of records that wait; afterwards there is none."""
    assert {stage: lag.lag for stage, lag in told.held.items()} == {
        stage: 4 if stage in ("route", "agents") else 0 for stage in told.held
    }
    assert told.held["route"].held == 4


def test_trailing_markers_are_no_lag(told: Told) -> None:
    """Every partition of the questions ends with a marker or with aborted records at some time."""
    assert {stage: lag.lag for stage, lag in told.idle.items()} == dict.fromkeys(told.idle, 0)


def test_no_gap_is_filled_at_markers(told: Told) -> None:
    """Offsets without a record are no records that were left out."""
    assert "gap_filled" not in told.worker.log.read_text()


def test_every_command_leaves_them_out(told: Told) -> None:
    """`consume` and `explain` do not know an aborted question; `replay` finds no difference."""

    def said(*command: str) -> Any:
        return orch(told.town.folder, "--log", told.town.url, "--format", "json", *command)

    asked = said("consume", QUESTIONS)
    ids = {json.loads(line)["question_id"] for line in asked.stdout.splitlines()}
    assert ids >= {*told.committed, *told.behind}
    assert not ids & {*told.aborted, *told.hanging}
    assert said("explain", told.aborted[0]).returncode == 2
    assert said("explain", told.committed[0]).returncode == 0
    replayed = said("replay")
    assert replayed.returncode == 0, replayed.stdout
    assert json.loads(replayed.stdout)["different"] == 0
