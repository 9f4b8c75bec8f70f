"""
Budgets on both runtimes, with several workers and crashes.

Spending never passes a budget, whoever spends, and a crash loses no reservation.
"""

import asyncio
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from schemas.agents import OpenAIAgent
from schemas.decisions import DecisionMade
from schemas.event import Event
from schemas.policies import Budget, PolicyAdopted
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.agents.agent import Reply
from streams.agents.calls.budget import BudgetAccount, SharedReservations
from streams.app.setup import Setup, answer
from streams.audit.replay.replay import replay
from streams.log import read_event, wall_clock_ms
from streams.processors import PROCESSORS
from streams.processors.budget import Accounts
from streams.runtimes.embedded.reader import EmbeddedReader
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.runtimes.kafka.client.producer import RecordProducer, message_of
from streams.runtimes.kafka.stages.global_tables import KafkaGlobalTables
from streams.settings import RunSettings
from streams.topology import SPENDING

from ...worlds import question
from ..kafka.group_members import Cluster, Run, run
from .scripted_agent import MOST_NUSD, Called
from .test_live_attempt import OPENER, POLICY, TASK

__all__ = ["run"]


def policy(**budget: int) -> PolicyAdopted:
    """Make a policy of two live agents that vote."""
    agents: Any = tuple(Called(name=name).spec for name in ("ann", "bob"))
    assert all(isinstance(spec, OpenAIAgent) for spec in agents)
    return PolicyAdopted(
        occurred_at=0,
        policy_id="dear",
        agents=agents,
        routing={"rule": "static", "panel_size": 2},
        merge={"rule": "vote"},
        budget=budget,
    )


def decide(path: Path, adopted: PolicyAdopted, first: int, number: int) -> None:
    """Ask questions of agents whose calls cost 30 nano-dollars, in a process of their own as it were."""
    agents = {name: Called(Reply("The answer is (A).", None, (), None, 10, 20), name=name) for name in ("ann", "bob")}
    with EmbeddedWriter(path, PROCESSORS, clock=wall_clock_ms) as log:
        questions = [question(f"q{place}") for place in range(first, first + number)]
        answer(log, Setup(adopted, agents, ()), questions, run=RunSettings())


def spending(path: Path) -> list[Event]:
    """List what the topic of budgets holds."""
    with EmbeddedReader(path) as reader:
        return list(map(read_event, reader.records((SPENDING,))))


def decisions(path: Path) -> list[DecisionMade]:
    """List the decisions."""
    with EmbeddedReader(path) as reader:
        events = map(read_event, reader.records((DecisionMade.topic,)))
        return [event for event in events if isinstance(event, DecisionMade)]


def test_a_run_ends_within_its_budget(tmp_path: Path) -> None:
    """When the money is gone, calls are refused, and every question still has its decision or an explicit undecided."""
    path = tmp_path / "log.db"
    decide(path, policy(run_nusd=400), 0, 10)
    made = decisions(path)
    assert len(made) == 10
    assert {decision.status for decision in made} == {"decided", "undecided"}
    assert sum(decision.cost_nusd for decision in made) <= 400
    assert {e.reason for decision in made for e in decision.excluded} == {"refused"}
    assert sum(decision.calls for decision in made) == sum(isinstance(e, BudgetSettled) for e in spending(path))
    with EmbeddedReader(path) as reader:
        proof = replay(reader)
    assert (proof.different, proof.first_difference) == (0, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda refused: {"spent_nusd": refused["spent_nusd"] + 1}, "spent_nusd"),
        (lambda refused: {"limit": "question"}, "limit"),
        (lambda refused: {"causes": ["a" * 64]}, "record"),
    ],
    ids=["another sum", "another limit", "no reason"],
)
def test_a_refusal_that_does_not_follow_is_a_difference(
    change: Callable[[dict[str, Any]], dict[str, Any]], field: str, tmp_path: Path
) -> None:
    """Replay folds the reservations again: what was refused must have had no room, and the sums must be those."""
    path = tmp_path / "log.db"
    decide(path, policy(run_nusd=400), 0, 10)
    with closing(sqlite3.connect(path)) as database:
        seq, value = database.execute(
            "SELECT seq, value FROM records WHERE CAST(value AS TEXT) LIKE '%budget.refused%'"
        ).fetchone()
        fields = json.loads(value)
        del fields["event_id"]
        forged = BudgetRefused.model_validate_json(json.dumps({**fields, **change(fields)}))
        database.execute("UPDATE records SET value = ? WHERE seq = ?", (forged.encode(), seq))
        database.commit()
    with EmbeddedReader(path) as reader:
        proof = replay(reader)
    assert proof.first_difference is not None
    assert (proof.first_difference.topic, proof.first_difference.field) == (SPENDING, field)


def test_a_call_waits_for_what_others_have_reserved_too_much(tmp_path: Path) -> None:
    """Two calls together reserve more than there is, but cost less: the second is made when the first is settled."""
    path = tmp_path / "log.db"
    decide(path, policy(run_nusd=MOST_NUSD + 59), 0, 1)
    assert [(d.status, d.calls, d.excluded) for d in decisions(path)] == [("decided", 2, ())]
    kinds = [type(event) for event in spending(path)]
    assert kinds == [BudgetReserved, BudgetSettled, BudgetReserved, BudgetSettled]


def test_a_question_that_costs_too_much_is_decided_with_what_there_is(tmp_path: Path) -> None:
    """The second call would pass the question's limit, so one ballot decides; the next question has its own budget."""
    path = tmp_path / "log.db"
    decide(path, policy(question_nusd=MOST_NUSD), 0, 3)
    assert [(d.status, len(d.counted), [e.reason for e in d.excluded]) for d in decisions(path)] == [
        ("decided", 1, ["refused"])
    ] * 3


def test_the_account_goes_on_where_it_was(tmp_path: Path) -> None:
    """A second process spends what the first has left; a policy adopted anew begins anew."""
    path = tmp_path / "log.db"
    adopted = policy(run_nusd=4 * MOST_NUSD)
    decide(path, adopted, 0, 3)
    before = sum(isinstance(event, BudgetReserved) for event in spending(path))
    decide(path, adopted, 3, 20)
    costs = [event.cost_nusd for event in spending(path) if isinstance(event, BudgetSettled)]
    assert sum(cost or 0 for cost in costs) <= 4 * MOST_NUSD
    assert any(isinstance(event, BudgetRefused) for event in spending(path)[before:])
    fields = {name: value for name, value in dict(adopted).items() if name not in ("event_id", "occurred_at")}
    anew = PolicyAdopted(**fields, occurred_at="2026-02-01T00:00:00.000Z")
    decide(path, anew, 24, 1)
    assert decisions(path)[-1].calls == 2


def test_a_call_whose_process_died_counts_with_all_it_reserved(tmp_path: Path) -> None:
    """A reservation without a settlement is money that may have been spent."""
    path = tmp_path / "log.db"
    adopted = policy(run_nusd=2 * MOST_NUSD)
    lost = BudgetReserved(
        causes=("c" * 64,),
        occurred_at=1,
        question_id="q0",
        policy_event_id=adopted.event_id,
        agent="ann",
        stage=0,
        role="analyst",
        attempt=1,
        amount_nusd=2 * MOST_NUSD,
        question_limit_nusd=None,
        run_limit_nusd=2 * MOST_NUSD,
    )
    with EmbeddedWriter(path, PROCESSORS, clock=wall_clock_ms) as log:
        log.append(adopted)
        log.append(lost)
        log.commit()
    decide(path, adopted, 0, 1)
    assert [(decision.status, decision.calls) for decision in decisions(path)] == [("undecided", 0)]


@pytest.mark.process
def test_workers_on_kafka_share_one_budget(run: Run) -> None:
    """Each asks at the same time as the others; what is granted to all together fits, and all know the same."""

    async def test(cluster: Cluster) -> None:
        ticks = count()
        accounts = [Accounts() for _ in range(3)]

        async def worker(known: Accounts) -> int:
            async with RecordProducer(cluster.connection) as producer:
                reservations = SharedReservations(lambda event: producer.publish([message_of(event)]))

                def hear(event: Event) -> None:
                    known.take(event)
                    reservations.hear(event)

                followed = KafkaGlobalTables(cluster.connection, (SPENDING,), hear)
                await followed.start()
                try:
                    account = BudgetAccount(reservations, POLICY, Budget(run_nusd=25 * MOST_NUSD), lambda: next(ticks))

                    async def call() -> bool:
                        answer = await account.reserve(TASK, OPENER, "a", MOST_NUSD, None)
                        if isinstance(answer, BudgetReserved):
                            await account.settle(answer, MOST_NUSD)
                        return isinstance(answer, BudgetReserved)

                    granted = await asyncio.gather(*(call() for _ in range(20)))
                    await followed.catch_up()
                    return sum(granted)
                finally:
                    await followed.stop()

        granted = await asyncio.gather(*map(worker, accounts))
        assert sum(granted) == 25
        assert all(known.runs.get(POLICY, 0) <= 25 * MOST_NUSD for known in accounts)

    run(test)
