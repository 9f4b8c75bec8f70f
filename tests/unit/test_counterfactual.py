"""Counterfactual changes of decisions, by example."""

from typing import Any

from streams.audit.explain.counterfactual.ballot_margin import ballot_margin
from streams.audit.explain.counterfactual.rederivation import DecidedQuestion
from streams.audit.explain.counterfactual.sentences import apart
from streams.audit.explain.counterfactual.would_change import WouldChange, would_change

from ..worlds import FAILED, UNREADABLE, Script, World, decide, entry, merged, merging, newest, policy, question, said

NAMES = ("ann", "bob", "cyd")


def told(world: World) -> WouldChange:
    """Say what would have changed the one decision of a world."""
    return would_change(world.assignment(), world.log, world.decision())


def asked(rule: str, script: Script, *names: str, options: int = 4, **merge: Any) -> World:
    """Ask one question of agents of differing quality."""
    qualities = [entry(name, quality_ppb=(800 - 50 * place) * 10**6) for place, name in enumerate(names)]
    return decide(newest(merging(rule, *names, **merge)), script, question(options=options), qualities)


def changed(found: WouldChange) -> list[tuple[str, str | None, str | None]]:
    """List the ballots of the smallest change."""
    assert found["ballots"] is not None
    smallest = found["ballots"]["smallest"]
    return [] if smallest is None else [(b["agent"], b["before"], b["after"]) for b in smallest["ballots"]]


def test_vote() -> None:
    """Of three equal votes two must change; a vote has no weight to change."""
    found = told(asked("vote", said(ann="B", bob="B", cyd="B"), *NAMES))
    assert changed(found) == [("ann", "B", "A"), ("bob", "B", "A")]
    assert found["ballots"] is not None
    assert found["ballots"]["nothing_below"] == 2
    assert [one["changes"] for one in found["missing"]] == [False] * 3
    assert found["weights"] is not None
    assert found["weights"]["not_derived"] == "every ballot counts one under `vote`"


def test_verdict() -> None:
    """A merge agent's verdict is the one ballot that counts; what it would say to other analyses is open."""
    found = told(asked("agent", merged("C", ann="A", bob="B", cyd="A"), *NAMES))
    assert changed(found) == [("ann", "C", "A")]
    assert [(one["role"], one["follows"]["state"]) for one in found["missing"]] == [
        ("analyst", "open"),
        ("analyst", "open"),
        ("analyst", "open"),
        ("merger", "decided"),
    ]
    assert found["missing"][-1]["follows"]["answer"] == "A"
    assert found["weights"] is not None
    assert found["weights"]["not_derived"] is not None


def test_unread_verdict() -> None:
    """Behind a verdict that nobody can read, other analyses would have been judged anew; a readable one decides."""
    found = told(asked("agent", merged(UNREADABLE, ann="A", bob="B", cyd="A"), *NAMES))
    assert found["ballots"] is not None
    assert found["ballots"]["smallest"] is None
    assert found["ballots"]["opens"] is not None
    assert {(one["role"], one["answer"]) for one in found["added"]} == {("merger", "B"), ("merger", "C")}


def test_early_exit() -> None:
    """A change that would have asked somebody else is told beside the one that gives another answer."""
    found = told(asked("cascade", said(ann="A", bob="A", cyd="B"), *NAMES, stages=(2, 1), accept_ppb=700_000_000))
    assert changed(found) == [("ann", "A", "B"), ("bob", "A", "B")]
    assert found["ballots"] is not None
    opens = found["ballots"]["opens"]
    assert opens is not None
    assert (len(opens["ballots"]), opens["follows"]["asked"]) == (1, ["cyd"])


def test_quorum() -> None:
    """A missing ballot may leave the question undecided; an undecided one lacks so many answers."""
    found = told(asked("vote", said(ann="A", bob="A", cyd=FAILED), *NAMES, quorum=2))
    assert [one["follows"]["state"] for one in found["missing"]] == ["undecided", "undecided"]
    found = told(asked("vote", said(ann="A", bob=FAILED, cyd=FAILED), *NAMES, quorum=3))
    assert changed(found) == [("bob", None, "A"), ("cyd", None, "A")]


def test_excluded() -> None:
    """An excluded agent whose answer would have turned a tie is told, with that answer."""
    found = told(asked("vote", said(ann="A", bob="B", cyd=FAILED), *NAMES))
    assert [(one["agent"], one["answer"]) for one in found["added"]] == [("cyd", "B")]


def test_weight() -> None:
    """The nearest weight is exact to the part per billion, and the least of all agents is named."""
    world = asked("weighted", said(ann="A", bob="B", cyd="B"), *NAMES)
    found = told(world)
    assert found["weights"] is not None
    assert found["weights"]["exact"]
    told_of = {one["agent"]: one for one in found["weights"]["agents"]}
    least = min(found["weights"]["agents"], key=lambda one: abs((one["weight_there"] or 10**9) - one["weight"]))
    assert found["weights"]["smallest"] == least["agent"]
    for one in told_of.values():
        assert one["flips_at"] is not None
        assert one["follows"] is not None
        assert one["follows"]["answer"] == "A"


def test_step_of_one_unit_is_seen() -> None:
    """Two numbers that differ are written with as many decimals as tell them apart; nothing is a negative zero."""
    assert apart(693_147, 693_146, 10**6) == ("0.693147", "0.693146")
    assert apart(500_000_000, 540_000_000, 10**9) == ("0.500", "0.540")
    assert apart(0, -1, 10**6) == ("0.000000", "-0.000001")
    assert apart(-400, -400, 10**6) == ("0.000", "0.000")


def test_decision_that_does_not_follow() -> None:
    """Of a decision that the events do not give, nothing is derived, and it says so."""
    world = asked("vote", said(ann="B", bob="B", cyd="A"), *NAMES)
    forged = world.decision().model_copy(update={"answer": "A"})
    found = would_change(world.assignment(), world.log, forged)
    assert found["not_derived"] is not None
    assert "orch replay" in found["not_derived"]
    assert found["ballots"] is None


def test_large_panel_gives_a_bound() -> None:
    """Where there are too many changes to try, the search stops, and tells the bound that it proved."""
    names = [f"a{number}" for number in range(14)]
    given = policy(*names, routing={"panel_size": 14}, merge={"rule": "cascade", "stages": (14,)})
    world = decide(given, said(**dict.fromkeys(names, "A")), question(options=26))
    record = DecidedQuestion.of(world.assignment(), world.log, world.decision())
    margin = ballot_margin(record, world.decision(), list(record.analyses), most=300)
    assert margin.tried <= 300 + 14 * 26
    assert margin.smallest is not None
    assert 2 <= margin.nothing_below <= len(margin.smallest.changes)
