"""The summary of a run: calls, right answers and cost."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.analyses import AnalysisPublished, Attempt
from schemas.decisions import Ballot, Conduct
from schemas.panels import PanelAssigned
from schemas.quantities import MAX_MS
from streams.audit.agent_stats import Latencies
from streams.audit.run_summary import RunSummary, known_answers, plain_vote, summarise
from streams.errors import DifferenceError
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import FAILED, Opener, analysis, gold, overdue, policy, question, retraction, said, verdict
from ..played_log import Played

ID = "0" * 64


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Played]:
    """A log whose policy asks a, b and c, and votes."""
    played = Played(tmp_path / "orch.db")
    played.put(policy("a", "b", "c", merge={"rule": "vote"}))
    yield played
    played.close()


def summed(log: Played, golds: dict[str, str | None]) -> RunSummary:
    """Sum up the log."""
    with EmbeddedReader(log.path) as reader:
        return summarise(reader, golds)


def test_counts_follow_from_the_decisions(log: Played) -> None:
    """Decided, right, calls and cost are those of the questions looked at, and of no others."""
    log.ask([question("q1")], said(a="A", b="A", c="B"))
    log.ask([question("q2")], said(a="A", b="C", c="C"))
    log.ask([question("q3")], said(a="A", b="A", c="A"))
    found = summed(log, {"q1": "A", "q2": "A", "q4": "D"})
    assert (found.questions, found.decided, found.undecided, found.waiting) == (3, 2, 0, 1)
    assert (found.graded, found.correct, found.accuracy) == (2, 1, 0.5)
    assert (found.calls, found.cost_nusd, found.unpriced_calls) == (6, 30_000, 0)
    assert {name: (agent.asked, agent.right) for name, agent in found.agents.items()} == {
        "a": (2, 2),
        "b": (2, 1),
        "c": (2, 0),
    }


def test_no_analysis_is_a_wrong_one(log: Played) -> None:
    """An agent that failed was asked and was not right; `undecided` is not right either."""
    log.ask([question("q1")], said(a=FAILED, b="B", c="B"))
    log.ask([question("q2")], said(a=FAILED, b=FAILED, c=FAILED))
    found = summed(log, {"q1": "B", "q2": "B"})
    assert (found.decided, found.undecided, found.accuracy) == (1, 1, 0.5)
    assert found.agents["a"].accuracy == 0.0
    assert found.agents["b"].accuracy == 0.5
    assert found.vote_accuracy == 0.5


def test_shares_of_nothing_are_unknown(log: Played) -> None:
    """Without right answers there is no accuracy, rather than one of 0."""
    log.ask([question("q1")], said(a="A", b="A", c="A"))
    found = summed(log, {"q1": None})
    assert found.as_json()["accuracy"] is None
    assert found.as_json()["vote_accuracy"] is None
    told = found.as_json()["agents"]["a"]
    assert (told["accuracy"], told["calls"], told["questions"]) == (None, 1, 1)


def test_calls_of_a_merge_agent_count(tmp_path: Path) -> None:
    """Who merged has its calls in the sums, though it has no ballot."""
    log = Played(tmp_path / "merged.db")
    log.put(policy("a", "b", "c", merge={"rule": "agent"}, routing={"merger": "c", "panel_size": 2}))
    log.ask([question("q1")], said(a="A", b="B", c="B"))
    found = summed(log, {"q1": "B"})
    log.close()
    assert found.calls == sum(agent.calls for agent in found.agents.values()) == 3
    assert (found.agents["c"].calls, found.agents["c"].asked) == (1, 0)


def attempts(opener: Opener, agent: str, *made: Attempt) -> AnalysisPublished:
    """Build an analysis with these attempts, failed unless the last one gave something."""
    ok = made[-1].outcome == "ok"
    said = analysis(opener, agent, "A" if ok else FAILED)
    return AnalysisPublished.model_validate({**said.model_dump(exclude={"event_id"}), "attempts": made})


def test_what_each_agent_did_is_told(log: Played) -> None:
    """Calls, failures by class, refusals, tokens, cost and latencies are those of the attempts of each agent."""
    limited = Attempt(outcome="error", error="rate_limited", latency_ms=20, cost_nusd=0)
    late = Attempt(outcome="timeout", latency_ms=60_000)
    good = Attempt(outcome="ok", latency_ms=1_234, cost_nusd=700, input_tokens=300, output_tokens=40)
    refused = Attempt(outcome="refused", error="run_budget", latency_ms=0, cost_nusd=0)
    script = {"a": (limited, limited, good), "b": (late, late), "c": (refused,)}
    log.ask([question("q1"), question("q2")], lambda opener, agent: attempts(opener, agent, *script[agent]))
    found = summed(log, {"q1": "A", "q2": "A"})
    told = found.as_json()["agents"]
    assert told["a"] == {
        "accuracy": 1.0,
        "calls": 6,
        "shadow_calls": 0,
        "questions": 2,
        "failed": {"rate_limited": 4},
        "refused": 0,
        "input_tokens": 600,
        "output_tokens": 80,
        "cost_usd": 1_400 / 10**9,
        "unpriced_calls": 0,
        "latency_ms": {"p50": 1_230, "p95": 1_230},
    }
    assert (told["b"]["calls"], told["b"]["failed"], told["b"]["unpriced_calls"]) == (4, {"timeout": 4}, 4)
    assert told["b"]["latency_ms"] == {"p50": None, "p95": None}
    assert (told["c"]["calls"], told["c"]["refused"], told["c"]["failed"]) == (0, 2, {})
    assert found.calls == sum(agent.calls for agent in found.agents.values())
    assert found.cost_nusd == sum(agent.cost_nusd for agent in found.agents.values())
    assert found.unpriced_calls == sum(agent.unpriced_calls for agent in found.agents.values())


def test_what_came_after_the_decision_is_not_counted(log: Played) -> None:
    """An analysis that came too late is in no sum, so that those of the agents are those of the decisions."""
    opener, *_ = log.put(question("q1"))
    assert isinstance(opener, PanelAssigned)
    log.put(analysis(opener, "a"), overdue("q1"), analysis(opener, "b"))
    found = summed(log, {"q1": "A"})
    assert {name: (agent.asked, agent.calls) for name, agent in found.agents.items()} == {
        "a": (1, 1),
        "b": (1, 0),
        "c": (1, 0),
    }
    assert found.calls == 1


@given(st.lists(st.integers(0, MAX_MS), min_size=1, max_size=200), st.sampled_from([50, 95]))
def test_percentiles_are_within_half_a_percent(given_ms: list[int], percent: int) -> None:
    """A percentile is that of all latencies to three digits, in whatever order they came, from few counters."""
    latencies, reverse = Latencies(), Latencies()
    for latency_ms in given_ms:
        latencies.add(latency_ms)
    for latency_ms in reversed(given_ms):
        reverse.add(latency_ms)
    assert latencies.at(percent) == reverse.at(percent)
    exact = sorted(given_ms)[-(-len(given_ms) * percent // 100) - 1]
    found = latencies.at(percent)
    assert found is not None
    assert abs(found - exact) * 200 <= exact
    assert all(len(str(latency_ms).rstrip("0")) <= 3 for latency_ms in latencies.counts)


@pytest.mark.parametrize(
    ("votes", "decided"),
    [
        ("", None),
        ("aX", "X"),
        ("aX bY cY", "Y"),
        ("cX bY", "Y"),
        ("bX cY", "X"),
        ("bX dY", "X"),
        ("aX aY bY cY", "Y"),
    ],
)
def test_plain_vote_gives_ties_to_the_priority_list(votes: str, decided: str | None) -> None:
    """Most votes win; a tie goes to the answer whose supporter comes first in the list; an agent votes once."""
    conduct = Conduct(attempts=1, latency_ms=1, cost_nusd=0, unpriced_calls=0)
    ballots = [
        Ballot(agent=vote[0], analysis_id=ID, answer=vote[1], weight=1, stage=0, read_as="statement", conduct=conduct)
        for vote in votes.split()
    ]
    assert plain_vote(ballots, ("a", "b", "c")) == decided


def test_right_answers_are_those_that_stand(log: Played) -> None:
    """Of a whole log every question is listed; gold that was taken back, and verdicts, tell no right answer."""
    taken_back = gold("B", "q2")
    log.put(question("q1"), question("q2"), question("q3"))
    log.put(gold("b", "q1"), taken_back, retraction(taken_back), verdict("right", "q3"), gold("C", "q1", at=2_500))
    with EmbeddedReader(log.path) as reader:
        assert known_answers(reader) == {"q1": "b", "q2": None, "q3": None}


@pytest.mark.parametrize(
    ("topic", "damage"),
    [("orch.decisions", b"{}"), ("orch.decisions", b"\xff"), ("orch.policies", b'{"kind":"policy.adopted.v1"}')],
)
def test_changed_record_is_named_by_its_place(topic: str, damage: bytes, log: Played) -> None:
    """A record that is not what was written there is a difference, with its topic, partition and offset."""
    log.ask([question("q1")], said(a="A", b="A", c="B"))
    with closing(sqlite3.connect(log.path)) as connection, connection:
        find = 'SELECT seq, partition, "offset" FROM log WHERE topic = ?'
        seq, partition, offset = connection.execute(find, (topic,)).fetchone()
        connection.execute("UPDATE records SET value = ? WHERE seq = ?", (damage, seq))
    with pytest.raises(DifferenceError) as caught:
        summed(log, {"q1": "A"})
    place: dict[str, Any] = {"topic": topic, "partition": partition, "offset": offset}
    assert caught.value.place.items() >= place.items()
    assert f"{topic}, partition {partition}, offset {offset}" in caught.value.message
    assert len(str(caught.value)) < 400


def test_subjects_have_counts_of_their_own(log: Played) -> None:
    """Each subject counts its graded questions; a question without a subject counts for none."""
    log.ask([question("q1", subject="law")], said(a="A", b="A", c="B"))
    log.ask([question("q2", subject="law")], said(a="B", b="B", c="C"))
    log.ask([question("q3", subject="art")], said(a="A", b="A", c="A"))
    log.ask([question("q4"), question("q5", subject="art")], said(a="A", b="A", c="A"))
    found = summed(log, {"q1": "A", "q2": "A", "q3": "A", "q4": "A", "q5": None})
    assert {name: (part.graded, part.correct) for name, part in found.subjects.items()} == {
        "law": (2, 1),
        "art": (1, 1),
    }
