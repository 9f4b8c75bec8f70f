"""
Replay of forged logs whose topics have no common order.

Replay names the place of each forgery, and accepts every order that is possible.
"""

import json
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import canonical_json, content_id
from schemas.panels import PanelAssigned
from streams.audit.replay.replay import Replay
from streams.processors.fold import Tables
from streams.processors.route import assign
from streams.runtimes.kafka.raw_record import RawRecord, read_input
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DECISIONS,
    FEEDBACK,
    OBSERVATIONS,
    POLICIES,
    QUESTION_PARTITIONS,
    QUESTIONS,
    ROUTER,
    partition_of,
)

from ...worlds import SILENT, Opener, analysis, gold, overdue, policy, question, said
from .scattered_log import Scattered, View

VOTE = policy("ada", "bo", "cy", merge={"rule": "vote"})
Replayed = Callable[..., Replay]


@pytest.fixture
def replayed(tmp_path: Path) -> Replayed:
    """Replay a log through a snapshot."""

    def replay(log: Scattered, view: View | None = None) -> Replay:
        return log.replay(tmp_path / "mirror.db", view)

    return replay


def asked(*names: str, **replies: str) -> Scattered:
    """Ask questions one after the other; agents answer as they are told, or all of them A."""
    log = Scattered(random.Random(0), count().__next__)
    log.put(VOTE)
    for name in names or ("q",):
        log.put(question(name))
        log.play(said(**(replies or {"ada": "A", "bo": "A", "cy": "A"})))
    return log


def taught() -> Scattered:
    """Ask one question, and say what was right."""
    log = asked()
    log.put(gold("A"))
    log.settle()
    return log


def opener(log: Scattered) -> Opener:
    """Give the panel of the first question."""
    panel = read_input(held(log, ASSIGNMENTS)[0])
    assert isinstance(panel, PanelAssigned)
    return panel


def held(log: Scattered, topic: str) -> list[RawRecord]:
    """List the records of a topic, each event once."""
    records = [one for place, records in log.partitions.items() for one in records if place[0] == topic]
    return list({one.value: one for one in reversed(records)}.values())[::-1]


def without(log: Scattered, *topics: str) -> None:
    """Take everything out of some topics."""
    for place, records in log.partitions.items():
        if place[0] in topics:
            records.clear()


def forged(record: RawRecord, **fields: Any) -> bytes:
    """Change fields of an event, and give it the id that it then has."""
    content = {**json.loads(record.value), **fields}
    del content["event_id"]
    return canonical_json({**content, "event_id": content_id(canonical_json(content))})


def behind(log: Scattered, stage: str, topic: str) -> View:
    """Take a view in which nothing says that a stage has folded anything of a topic."""
    view = log.view()
    places = {place: 0 if place[0] == topic else end for place, end in view.committed[stage].items()}
    return view._replace(committed={**view.committed, stage: places})


def first(found: Replay) -> tuple[tuple[str, int, int], str, Any, Any]:
    """Give place, field and both values of the first difference."""
    one = found.first_difference
    assert one is not None
    return (one.topic, one.partition, one.offset), one.field, one.expected, one.actual


def test_whole_log_proves_itself(replayed: Replayed) -> None:
    """What the tests below change differs nowhere before."""
    found = replayed(taught())
    assert (found.first_difference, found.pending, found.unproved) == (None, 0, 0)


def test_repeats_are_counted_and_change_nothing_else(replayed: Replayed) -> None:
    """Repeats of derived events and of inputs are among the events, and counted, and nothing is derived for them."""
    log = taught()
    before = replayed(log)
    log.repeat(5)
    log.put(question())
    log.settle()
    found = replayed(log)
    assert before.repeats is not None
    assert (found.events, found.repeats) == (before.events + 6, before.repeats + 6)
    assert (found.derived, found.different) == (before.derived, 0)
    assert found.as_json()["repeats"] == found.repeats


def test_missing_panel_is_found_at_its_question(replayed: Replayed) -> None:
    """A question that route has folded has a panel."""
    log = asked(ada=SILENT)
    without(log, ASSIGNMENTS)
    place, field, expected, actual = first(replayed(log))
    assert place == held(log, QUESTIONS)[0][:3]
    assert (field, expected, actual) == ("record", "a panel for 'q'", None)
    assert replayed(log, behind(log, "route", QUESTIONS)).different == 0


def test_missing_decision_is_found_at_its_last_analysis(replayed: Replayed) -> None:
    """Where merge has folded all analyses there is a decision; before that, the question waits."""
    log = asked()
    decision = json.loads(held(log, DECISIONS)[0].value)
    without(log, DECISIONS, OBSERVATIONS, ROUTER)
    found = replayed(log)
    place, field, expected, actual = first(found)
    assert (found.different, found.pending, place) == (1, 1, held(log, ANALYSES)[-1][:3])
    assert (field, expected, actual) == ("record", f"decision.made.v1 {decision['event_id']}", None)
    waiting = replayed(log, behind(log, "merge", ANALYSES))
    assert (waiting.different, waiting.pending) == (0, 1)


def test_decision_that_a_deadline_called_for_is_missed(replayed: Replayed) -> None:
    """A deadline that merge has folded closes the question, whatever came after it."""
    log = asked(ada="A")
    log.put(overdue())
    log.settle()
    for agent in ("bo", "cy"):
        log.put(analysis(opener(log), agent, "A"))
    without(log, DECISIONS, OBSERVATIONS, ROUTER)
    assert replayed(log).different == 1


def test_missing_observation_is_found_at_what_taught_it(replayed: Replayed) -> None:
    """Where learn has folded decision and feedback, all observations are there; before that, none need be."""
    log = taught()
    without(log, OBSERVATIONS, ROUTER)
    found = replayed(log)
    assert found.different == 6
    assert first(found)[0] in {held(log, DECISIONS)[0][:3], held(log, FEEDBACK)[0][:3]}
    assert replayed(log, behind(log, "learn", FEEDBACK)).different == 3
    assert replayed(log, behind(log, "learn", DECISIONS)).different == 0


def test_missing_newest_router_entry_is_found_at_its_observation(replayed: Replayed) -> None:
    """Of each line the newest entry is there once rank has folded what called for it; older ones need not be."""
    log = taught()
    entries = [one for one in held(log, ROUTER) if one.key == b"*/ada"]
    log.replace(entries[0], None)
    assert replayed(log).different == 0
    log.replace(entries[1], None)
    observation = [one for one in held(log, OBSERVATIONS) if one.key == b"ada"][-1]
    place, field, expected, actual = first(replayed(log))
    assert (place, field, actual) == (observation[:3], "record", None)
    assert expected == f"router entry {json.loads(entries[1].value)['event_id']} of */ada"
    assert replayed(log, behind(log, "rank", OBSERVATIONS)).different == 0


def test_decision_from_a_later_analysis_of_a_seat_is_found(replayed: Replayed) -> None:
    """Of two analyses of one seat, the first in the partition counts; a log in which they were swapped differs."""
    log = asked(ada="A", bo="B", cy="C")
    log.put(analysis(opener(log), "ada", "B"))
    log.settle()
    assert replayed(log).different == 0
    records = log.partitions[ANALYSES, held(log, ANALYSES)[0].partition]
    one, other = records[0], records[-1]
    log.replace(one, other.value)
    log.replace(other, one.value)
    found = replayed(log)
    assert first(found)[0] == held(log, DECISIONS)[0][:3]


@pytest.mark.parametrize(("agents", "differences"), [(("ada", "bo"), 0), (("bo", "ada"), 1)])
def test_decision_that_left_out_an_earlier_analysis_is_found(
    replayed: Replayed, agents: tuple[str, str], differences: int
) -> None:
    """An analysis that came too late lies behind all that counted; one that lies before them was left out."""
    used, unused = agents
    log = asked(**{used: "A"})
    log.put(overdue())
    log.settle()
    log.put(analysis(opener(log), unused, "B"))
    log.settle()
    assert replayed(log).different == 0
    records = log.partitions[ANALYSES, held(log, ANALYSES)[0].partition]
    if differences:
        records[0], records[1] = (records[1]._replace(offset=0), records[0]._replace(offset=1))
        assert first(replayed(log))[0] == held(log, DECISIONS)[0][:3]


@pytest.mark.parametrize(
    ("topic", "fields"),
    [
        (ASSIGNMENTS, {"explored": "ada"}),
        (DECISIONS, {"answer": "D"}),
        (OBSERVATIONS, {"weight_ppb": 1}),
        (ROUTER, {"stability_ppb": 123}),
    ],
)
def test_forged_record_is_found_by_its_field(replayed: Replayed, topic: str, fields: dict[str, Any]) -> None:
    """A derived event with another content and the id for it is compared with the one it should have been."""
    log = taught()
    record = held(log, topic)[-1]
    log.replace(record, forged(record, **fields))
    ((name, value),) = fields.items()
    assert first(replayed(log)) == (record[:3], name, json.loads(record.value)[name], value)


@pytest.mark.parametrize("topic", [ASSIGNMENTS, DECISIONS, OBSERVATIONS, ROUTER])
def test_added_record_is_found(replayed: Replayed, topic: str) -> None:
    """A derived event more than follows is found where it lies, though all that follows is there too."""
    log = taught()
    record = held(log, topic)[-1]
    assert record.key is not None
    other = forged(record, question_id="q", occurred_at="2030-01-01T00:00:00.000Z")
    added = log.put_bytes(topic, other, record.key.decode())
    found = replayed(log)
    assert found.different >= 1
    assert first(found)[0] == added[:3]


def test_panel_that_names_nothing_is_found(replayed: Replayed) -> None:
    """A panel without causes is a difference, and no error."""
    log = asked(ada=SILENT)
    record = held(log, ASSIGNMENTS)[0]
    log.replace(record, forged(record, causes=[]))
    assert first(replayed(log))[0] == record[:3]


def test_panel_that_saw_less_than_the_one_before_it_is_found(replayed: Replayed) -> None:
    """Within a partition of the assignments, what was seen of a router line never goes backwards."""
    names = [name for name in map("q{}".format, range(99)) if not partition_of(name.encode(), QUESTION_PARTITIONS)]
    log = asked(*names[:2])
    one, other = held(log, ASSIGNMENTS)
    assert json.loads(one.value)["candidates"][0]["sequences"] == [0]
    assert json.loads(other.value)["candidates"][0]["sequences"] == [1]
    late = question(names[2])
    log.put(late)
    log.settle()
    panel = held(log, ASSIGNMENTS)[-1]
    log.replace(panel, assign(late, VOTE, Tables(VOTE, {})).encode())
    assert [first(replayed(log))[:2]] == [(panel[:3], "sequences of */ada")]


def test_letter_of_an_unreadable_record_is_there(replayed: Replayed) -> None:
    """What is no event has a letter as soon as its stage has folded it, byte for byte."""
    log = asked()
    bad = log.put_bytes(FEEDBACK, b"not JSON", None)
    assert replayed(log).different == 0
    log.settle()
    (letter,) = held(log, DEAD_LETTERS)
    assert replayed(log).different == 0
    log.replace(letter, forged(letter, detail="It was nothing."))
    assert first(replayed(log)) == (letter[:3], "detail", json.loads(letter.value)["detail"], "It was nothing.")
    without(log, DEAD_LETTERS)
    place, field, expected, _ = first(replayed(log))
    assert (place, field) == (bad[:3], "record")
    assert str(expected).startswith("record.rejected.v1 ")


def test_letter_of_nothing_is_found(replayed: Replayed) -> None:
    """A letter about a record that was taken is found where it lies."""
    log = asked()
    log.put_bytes(FEEDBACK, b"not JSON", None)
    log.settle()
    (letter,) = held(log, DEAD_LETTERS)
    other = forged(letter, source_topic=QUESTIONS, partition=held(log, QUESTIONS)[0].partition, offset=0)
    added = log.put_bytes(DEAD_LETTERS, other, QUESTIONS)
    assert first(replayed(log))[0] == added[:3]


def test_record_in_another_partition_counts_once_it_is_copied(replayed: Replayed) -> None:
    """A question whose producer hashes keys in a way of its own is copied, and decided; a lost copy is missed."""
    log = Scattered(random.Random(0), count().__next__)
    log.put(VOTE)
    moved = question()
    right = partition_of(b"q", QUESTION_PARTITIONS)
    original = log.put(moved, partition=(right + 1) % QUESTION_PARTITIONS)
    assert replayed(log).events == 2
    assert replayed(log).different == 0
    log.play(said(ada="A", bo="A", cy="A"))
    found = replayed(log)
    assert (found.first_difference, found.pending) == (None, 0)
    without(log, ASSIGNMENTS, ANALYSES, DECISIONS, OBSERVATIONS, ROUTER)
    log.partitions[QUESTIONS, right].clear()
    assert first(replayed(log)) == (original[:3], "record", f"a copy in partition {right}", None)


def readopted(at: int, **fields: Any) -> Scattered:
    """Ask a question under a policy, and another under one that takes its key."""
    log = asked("q0")
    log.put(policy("ada", "bo", at=at, merge={"rule": "weighted"}, **fields))
    log.put(question("q1"))
    log.play(said(ada="A", bo="B"))
    return log


def test_panel_under_a_removed_policy_is_unproved(replayed: Replayed) -> None:
    """Compaction leaves the last policy of a key, so of panels under an earlier one nobody can tell any more."""
    log = readopted(5)
    assert replayed(log).unproved == 0
    log.replace(held(log, POLICIES)[0], None)
    found = replayed(log)
    assert (found.first_difference, found.unproved) == (None, 1)
    log.replace(held(log, ASSIGNMENTS)[0], forged(held(log, ASSIGNMENTS)[0], policy_id="other"))
    assert replayed(log).different


def test_panel_under_a_removed_policy_of_another_key_is_found(replayed: Replayed) -> None:
    """Where nothing has taken the place of a policy, it was not compaction that removed it."""
    log = readopted(5, policy_id="other")
    assert replayed(log).different == 0
    log.replace(held(log, POLICIES)[0], None)
    assert replayed(log).different


def test_policy_may_come_into_force_again(replayed: Replayed) -> None:
    """The same policy adopted before and after another one is the one that it was."""
    log = readopted(5, policy_id="other")
    log.put(VOTE)
    for name in ("q2", "q3", "q4", "q5"):
        log.put(question(name))
        log.play(said(ada="A", bo="A", cy="A"))
    assert replayed(log).different == 0
