"""
Replay of calls and budgets without a common order.

Forgeries are found at their place, or named under "not proved"; every honest order is accepted.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from schemas.analyses import AnalysisPublished, Attempt, ProviderCall
from schemas.canonical import canonical_json, content_id
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from schemas.spending import BudgetRefused, BudgetReserved, BudgetSettled
from streams.audit.replay.replay import Replay
from streams.processors.budget import Accounts, refusal
from streams.processors.fold import Tables
from streams.processors.route import assign
from streams.runtimes.kafka.raw_record import RawRecord, read_input
from streams.topology import ANALYSES, ASSIGNMENTS, FEEDBACK, QUESTION_PARTITIONS, QUESTIONS, SPENDING, partition_of

from ...worlds import FAILED, Opener, analysis, gold, question
from ..agents.scripted_agent import Called
from .scattered_log import Scattered

LIVE = PolicyAdopted(
    occurred_at=0,
    policy_id="live",
    agents=tuple(Called(name=name).spec for name in ("ann", "bob")),
    routing={"panel_size": 2, "exploration": {"warm_up": 0, "kind": "none"}},
    merge={"rule": "vote"},
    budget={"run_nusd": 250},
)
DONE = Attempt(
    outcome="ok",
    latency_ms=5,
    cost_nusd=30,
    input_tokens=10,
    output_tokens=20,
    provider=ProviderCall(model="m", request_hash="f" * 64),
)


class Worker:
    """Agents that are called under a budget, as a worker writes it."""

    def __init__(self, log: Scattered, *, trouble: bool = True) -> None:
        self._log = log
        self._trouble = trouble
        self._times = count(1_000)
        self._accounts = Accounts()

    def __call__(self, opener: Opener, agent: str) -> AnalysisPublished:
        """Reserve and settle a call, or have it refused; in trouble a worker dies in between, or writes twice."""
        if self._trouble and self._log.chance.random() < 0.2:
            self._reserve(opener, agent)
        reserved, refused = self._reserve(opener, agent)
        if refused is not None:
            attempt = Attempt(outcome="refused", error=f"{refused.limit}_budget", latency_ms=0, cost_nusd=0)
            return analysis(opener, agent, FAILED, attempts=(attempt,))
        settled = BudgetSettled(
            causes=(reserved.event_id,), occurred_at=reserved.occurred_at, question_id=opener.question_id, cost_nusd=30
        )
        self._accounts.take(settled)
        for _ in range(self._log.chance.choice((1, 1, 2)) if self._trouble else 1):
            self._log.put(settled)
        return analysis(opener, agent, "A", attempts=(DONE,))

    def _reserve(self, opener: Opener, agent: str) -> tuple[BudgetReserved, BudgetRefused | None]:
        reserved = BudgetReserved(
            causes=(opener.event_id,),
            occurred_at=next(self._times),
            question_id=opener.question_id,
            policy_event_id=LIVE.event_id,
            agent=agent,
            stage=opener.stage.number,
            role=opener.stage.role,
            attempt=1,
            amount_nusd=100,
            question_limit_nusd=None,
            run_limit_nusd=250,
        )
        self._log.put(reserved)
        verdict = self._accounts.take(reserved)
        if verdict is None or verdict.refused_by is None:
            return reserved, None
        refused = refusal(verdict)
        for _ in range(self._log.chance.choice((1, 1, 2)) if self._trouble else 1):
            self._log.put(refused)
        return reserved, refused


def lived(seed: int) -> Scattered:
    """Ask questions until the budget is used up."""
    log = Scattered(random.Random(seed))
    log.put(LIVE)
    worker = Worker(log)
    for number in range(6):
        log.put(question(f"q{number}"))
        log.play(worker)
        if log.chance.random() < 0.5:
            log.put(gold("A", f"q{number}"))
    log.settle()
    log.repeat(4)
    return log


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_honest_calls_are_no_difference(tmp_path: Path, first: int) -> None:
    """In whatever order stages and workers went on, with repeats and calls made again, nothing differs."""
    for seed in range(first, first + 20):
        found = lived(seed).replay(tmp_path / "mirror.db")
        assert (seed, found.first_difference, found.different) == (seed, None, 0)
        assert found.proved


@dataclass
class Calls:
    """A log of two calls that were made, and one that was refused."""

    log: Scattered
    path: Path

    def held(self, topic: str, kind: str = "") -> list[RawRecord]:
        """List the records of a topic and a kind."""
        return [one for one in self.log.find(topic) if read_input(one).kind.startswith(kind)]

    def judge(self) -> Replay:
        """Replay."""
        return self.log.replay(self.path)

    def forge(self, record: RawRecord, **fields: Any) -> None:
        """Change fields of an event, give it the id for it, and rename it in all that name it."""
        old = read_input(record).event_id.encode()
        content = {**json.loads(record.value), **fields}
        self.log.replace(record, _hashed(content))
        renamed = {old: content_id_of(_hashed(content))}
        while renamed:
            self._rename(renamed)

    def _rename(self, renamed: dict[bytes, bytes]) -> None:
        """Rename one event's id in the events that name it, whose own ids change by that."""
        old, new = renamed.popitem()
        for held in self.log.partitions.values():
            for place, one in enumerate(held):
                if old in one.value and f'"event_id":"{old.decode()}"'.encode() not in one.value:
                    before = content_id_of(one.value)
                    value = _hashed(json.loads(one.value.replace(old, new)))
                    held[place] = one._replace(value=value)
                    renamed[before] = content_id_of(value)


def _hashed(content: dict[str, Any]) -> bytes:
    content = {name: value for name, value in content.items() if name != "event_id"}
    return canonical_json({**content, "event_id": content_id(canonical_json(content))})


def content_id_of(value: bytes) -> bytes:
    """Read the id of an event."""
    return str(json.loads(value)["event_id"]).encode()


@pytest.fixture
def calls(tmp_path: Path) -> Calls:
    """Two calls, and one refused."""
    log = Scattered(random.Random(1), count().__next__)
    log.put(LIVE)
    worker = Worker(log, trouble=False)
    for number in range(5):
        log.put(question(f"q{number}"))
        log.play(worker)
    made = Calls(log, tmp_path / "mirror.db")
    assert made.held(SPENDING, "budget.refused")
    assert made.judge().different == 0
    return made


def _without(kind: str) -> Callable[[Calls], None]:
    def forge(calls: Calls) -> None:
        calls.log.replace(calls.held(SPENDING, kind)[0], None)

    return forge


def _changed(topic: str, kind: str, **fields: Any) -> Callable[[Calls], None]:
    def forge(calls: Calls) -> None:
        calls.forge(calls.held(topic, kind)[0], **fields)

    return forge


def _attempt(**fields: Any) -> Callable[[Calls], None]:
    def forge(calls: Calls) -> None:
        record = calls.held(ANALYSES)[0]
        (attempt,) = json.loads(record.value)["attempts"]
        calls.forge(record, attempts=[{**attempt, **fields}])

    return forge


def _cheaper(calls: Calls) -> None:
    _changed(SPENDING, "budget.settled", cost_nusd=1)(calls)
    _attempt(cost_nusd=1)(calls)


FOUND = {
    "a settlement without its reservation": (_without("budget.reserved"), SPENDING, "record"),
    "a call without its settlement": (_without("budget.settled"), ANALYSES, "attempts.0"),
    "a refused call without its refusal": (_without("budget.refused"), ANALYSES, "attempts.0.error"),
    "a settlement of less": (_changed(SPENDING, "budget.settled", cost_nusd=1), ANALYSES, "attempts.0.cost_nusd"),
    "another cost": (_attempt(cost_nusd=29), ANALYSES, "attempts.0.cost_nusd"),
    "other tokens": (_attempt(input_tokens=9), ANALYSES, "attempts.0.cost_nusd"),
    "a lower price, settled": (_cheaper, ANALYSES, "attempts.0.cost_nusd"),
    "a higher limit": (_changed(SPENDING, "budget.reserved", run_limit_nusd=9_999), SPENDING, "run_limit_nusd"),
    "another policy": (_changed(SPENDING, "budget.reserved", policy_event_id="0" * 64), SPENDING, "policy_event_id"),
    "no stage": (_changed(SPENDING, "budget.reserved", causes=["0" * 64]), SPENDING, "causes.0"),
    "another limit that refused": (_changed(SPENDING, "budget.refused", limit="question"), SPENDING, "limit"),
    "another sum": (_changed(SPENDING, "budget.refused", spent_nusd=1), SPENDING, "spent_nusd"),
}


@pytest.mark.parametrize("name", FOUND)
def test_forged_call_is_found(calls: Calls, name: str) -> None:
    """Some difference lies at the forgery."""
    forge, topic, field = FOUND[name]
    forge(calls)
    found = calls.judge()
    first = found.first_difference
    assert first is not None
    assert (first.topic, first.field) == (topic, field)
    assert found.proved == ()


_TAKEN = {partition_of(b"q%d" % number, QUESTION_PARTITIONS) for number in range(5)}
LATE = next(f"late{n}" for n in range(99) if partition_of(b"late%d" % n, QUESTION_PARTITIONS) not in _TAKEN)
"""The only question of its partition."""


def _stale(calls: Calls) -> None:
    """Let a partition's only panel have seen an empty router table, and change what followed with it."""
    (record,) = (one for one in calls.held(ASSIGNMENTS) if json.loads(one.value)["question_id"] == LATE)
    late = next(event for one in calls.held(QUESTIONS) if (event := read_input(one)).key == LATE)
    assert isinstance(late, QuestionAsked)
    calls.log.replace(record, assign(late, LIVE, Tables(LIVE, {})).encode())


def _headers(calls: Calls) -> None:
    for held in calls.log.partitions.values():
        held[:] = [one._replace(headers=(("ce_id", b"another"), ("from", b"anyone"))) for one in held]


def _times(calls: Calls) -> None:
    for held in calls.log.partitions.values():
        held[:] = [one._replace(timestamp_ms=9_999 - one.offset) for one in held]


def _gap(calls: Calls) -> None:
    calls.log.put(question("q0"))
    calls.log.put(gold("A", "elsewhere"))
    calls.log.settle()
    calls.log.replace(calls.held(FEEDBACK)[-1], None)
    places = [place for place in calls.log.partitions if place[0] == FEEDBACK]
    assert not any(calls.log.partitions[place] for place in places)


NOT_PROVED: dict[str, tuple[Callable[[Calls], None], str]] = {
    "a stale panel": (_stale, "may have lagged behind"),
    "other headers": (_headers, "headers"),
    "other times": (_times, "record times"),
    "an input without effects removed": (_gap, "gaps in offsets"),
    "a smaller reservation": (_changed(SPENDING, "budget.reserved", amount_nusd=99), "amounts reserved"),
}


@pytest.mark.parametrize("name", NOT_PROVED)
def test_forgery_that_cannot_be_found_is_named(calls: Calls, name: str) -> None:
    """What a lagging stage, another clock or compaction may leave as well is listed."""
    if name == "a stale panel":
        calls.log.put(question(LATE))
        calls.log.settle()
    forge, claim = NOT_PROVED[name]
    before = {place: tuple(held) for place, held in calls.log.partitions.items()}
    forge(calls)
    assert before != {place: tuple(held) for place, held in calls.log.partitions.items()}
    found = calls.judge()
    assert (found.different, found.first_difference) == (0, None)
    assert any(claim in sentence for sentence in found.as_json()["not_proved"])
