"""The sums over a log: who was asked, who was right, and at what cost."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from schemas.decisions import Ballot, Conduct
from streams.audit.summary import Summary, known_answers, plain_vote, summarise
from streams.errors import DifferenceError
from streams.runtimes.embedded.reader import EmbeddedReader

from ..worlds import FAILED, gold, policy, question, retraction, said, verdict
from .logs import Played

ID = "0" * 64


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Played]:
    """A log whose policy asks a, b and c, and votes."""
    played = Played(tmp_path / "orch.db")
    played.put(policy("a", "b", "c", merge={"rule": "vote"}))
    yield played
    played.close()


def summed(log: Played, golds: dict[str, str | None]) -> Summary:
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
    assert found.as_json()["agents"]["a"] == {"accuracy": None, "calls": 1, "questions": 1}


def test_calls_of_a_merge_agent_count(tmp_path: Path) -> None:
    """Who merged has its calls in the sums, though it has no ballot."""
    log = Played(tmp_path / "merged.db")
    log.put(policy("a", "b", "c", merge={"rule": "agent"}, routing={"merger": "c", "panel_size": 2}))
    log.ask([question("q1")], said(a="A", b="B", c="B"))
    found = summed(log, {"q1": "B"})
    log.close()
    assert found.calls == sum(agent.calls for agent in found.agents.values()) == 3
    assert (found.agents["c"].calls, found.agents["c"].asked) == (1, 0)


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
        assert known_answers(reader) == {"q1": "B", "q2": None, "q3": None}


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
