"""
The independent checker of trials.

It lets a correct log pass, and finds each way in which a log can be wrong.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import pytest

from infra.chaos.check_decisions import answer_of
from infra.chaos.checker import Report, check
from infra.chaos.reading import TOPICS, FoundRecord, canonical, hash_of
from schemas.event import Event
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
from streams.topology import TOPICS as TOPOLOGY

from ..worlds import FAILED, SILENT, UNREADABLE, World, gold, moment, overdue, policy, question, said

HOME = 3
"""The partition of all these questions, so that one can have seen more of the router than the next."""


class Written(NamedTuple):
    """A record that has no offset yet."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    @property
    def fields(self) -> dict[str, Any]:
        """What it says."""
        return dict(json.loads(self.value))

    def with_fields(self, **changes: Any) -> "Written":
        """Change what it says, and its id with it."""
        fields = {**self.fields, **changes}
        del fields["event_id"]
        event_id = hash_of(fields)
        headers = (("ce_id", event_id.encode()),)
        return self._replace(value=canonical({**fields, "event_id": event_id}), headers=headers)


ASKED = tuple(
    name for name in (f"q{n}" for n in range(100)) if partition_of(name.encode(), QUESTION_PARTITIONS) == HOME
)[:6]
AGREED, RESERVED, OVERDUE, TIED, UNREAD, LAST = ASKED


def written(event: Event) -> Written:
    """Write an event as the program does."""
    partition = partition_of(event.key.encode(), TOPOLOGY[event.topic].partitions)
    headers = (("ce_id", event.event_id.encode()),)
    return Written(event.topic, partition, event.key.encode(), event.encode(), headers)


def right_log() -> list[Written]:
    """
    Write the log of a few questions, by topic.

    Decided by all; with an agent of the reserve; by the deadline; by a tie-break; with a text that has no answer; and
    once more by all. There are right answers for half of them.
    """
    merge = {"rule": "vote", "quorum": 3, "reserve": 1}
    world = World(policy("ann", "bob", "cat", "dan", merge=merge, routing={"rule": "static"}))
    replies = {
        AGREED: said(ann="A", bob="B", cat="A", dan="A"),
        RESERVED: said(ann="A", bob=FAILED, cat="B", dan="B"),
        OVERDUE: said(ann="A", bob="A", cat=SILENT, dan="A"),
        TIED: said(ann="C", bob="B", cat="A", dan="D"),
        UNREAD: said(ann="C", bob="B", cat=UNREADABLE, dan="B"),
        LAST: said(ann="A", bob="A", cat="A", dan="A"),
    }
    for number, (name, script) in enumerate(replies.items()):
        world.put(question(name, at=100 * number, subject="law" if number % 2 else None))
        world.play(script)
        if name == OVERDUE:
            world.put(overdue(name, at=100 * number + 50))
        if number % 2 == 0:
            world.put(gold("A", name, at=100 * number + 60))
    return sorted(map(written, world.log), key=lambda one: TOPICS.index(one.topic))


def laid_out(log: Iterable[Written]) -> list[FoundRecord]:
    """Give records their offsets."""
    ends: Counter[tuple[str, int]] = Counter()
    laid = []
    for one in log:
        laid.append(FoundRecord(one.topic, one.partition, ends[one.topic, one.partition], 0, *one[2:]))
        ends[one.topic, one.partition] += 1
    return laid


def found(log: Iterable[Written], *asked: str) -> Report:
    """Check a log in which these were asked; all by default."""
    return check(laid_out(log), asked or ASKED)


def place(log: list[Written], topic: str, about: str = "", nth: int = 0, **fields: Any) -> int:
    """Find a record by its topic and what it says."""
    wanted = {**fields, **({"question_id": about} if about else {})}
    places = [
        at
        for at, one in enumerate(log)
        if one.topic == topic and all(one.fields.get(name) == value for name, value in wanted.items())
    ]
    return places[nth]


def changed(log: list[Written], at: int, **changes: Any) -> list[Written]:
    """Replace a record by one that says something else under an id of its own."""
    return [*log[:at], log[at].with_fields(**changes), *log[at + 1 :]]


def added(log: list[Written], at: int, *, before: bool = False, **changes: Any) -> list[Written]:
    """Add a changed copy of a record behind it, or before."""
    copy, where = log[at].with_fields(**changes), at if before else at + 1
    return [*log[:where], copy, *log[where:]]


def without(log: list[Written], at: int) -> list[Written]:
    """Leave a record out."""
    return [*log[:at], *log[at + 1 :]]


def replaced(log: list[Written], at: int, **parts: Any) -> list[Written]:
    """Replace parts of a record as they are, whatever it says."""
    return [*log[:at], log[at]._replace(**parts), *log[at + 1 :]]


def swapped(log: list[Written], first: int, second: int) -> list[Written]:
    """Exchange two records."""
    new = list(log)
    new[first], new[second] = new[second], new[first]
    return new


def newest_entry(log: list[Written]) -> int:
    """Find the last entry of ann's line over all subjects."""
    return place(log, ROUTER, nth=-1, scope="*", agent="ann")


def without_ballot(log: list[Written], *, excluded: bool) -> list[Written]:
    """Take a ballot out of the decision by all; it may be called silent instead."""
    at = place(log, DECISIONS, AGREED)
    *counted, ballot = log[at].fields["counted"]
    silent = {name: ballot[name] for name in ("agent", "stage", "conduct")}
    silent |= {"reason": "no_reply", "analysis_id": None}
    return changed(log, at, counted=counted, excluded=[silent] if excluded else [])


def with_answer(log: list[Written], answer: str) -> list[Written]:
    """Let the first ballot of the decision by all say something else than its agent."""
    at = place(log, DECISIONS, AGREED)
    first, *others = log[at].fields["counted"]
    return changed(log, at, counted=[{**first, "answer": answer}, *others])


def looking_back(log: list[Written]) -> list[Written]:
    """Let the last panel know nothing."""
    at = place(log, ASSIGNMENTS, LAST)
    candidates = log[at].fields["candidates"]
    blind = [{**one, "sequences": [0] * len(one["sequences"])} for one in candidates]
    return changed(log, at, candidates=blind)


def seeing_another(log: list[Written]) -> list[Written]:
    """Let the last panel name other entries than there are."""
    at = place(log, ASSIGNMENTS, LAST)
    candidates = log[at].fields["candidates"]
    others = [{**one, "entry_ids": [some and "0" * 64 for some in one["entry_ids"]]} for one in candidates]
    return changed(log, at, candidates=others)


def without_deadline(log: list[Written]) -> list[Written]:
    """Let the overdue decision not name the deadline."""
    at = place(log, DECISIONS, OVERDUE)
    return changed(log, at, causes=log[at].fields["causes"][:-1])


def spaced(log: list[Written]) -> list[Written]:
    """Write a decision in another form of JSON."""
    at = place(log, DECISIONS)
    return replaced(log, at, value=json.dumps(log[at].fields).encode())


def with_other_bytes(log: list[Written]) -> list[Written]:
    """Change what a decision cost, and leave its id."""
    at = place(log, DECISIONS)
    return replaced(log, at, value=log[at].value.replace(b'"calls":3', b'"calls":4'))


def entered_twice(log: list[Written]) -> list[Written]:
    """Apply the newest observation once more."""
    at = newest_entry(log)
    entry = log[at].fields
    return added(
        log,
        at,
        sequence=entry["sequence"] + 1,
        previous=entry["event_id"],
        causes=[entry["causes"][0], entry["event_id"]],
    )


WRONG: tuple[tuple[str, Callable[[list[Written]], list[Written]]], ...] = (
    ("lost", lambda log: without(log, place(log, DECISIONS, AGREED))),
    ("panels", lambda log: added(log, place(log, ASSIGNMENTS, AGREED), deadline_ms=1)),
    ("panels", lambda log: without(log, place(log, ASSIGNMENTS, AGREED))),
    ("decided differently", lambda log: added(log, place(log, DECISIONS, AGREED), calls=99)),
    ("wrong id", with_other_bytes),
    ("no event", lambda log: replaced(log, place(log, DECISIONS), value=b"{")),
    ("no event", lambda log: replaced(log, place(log, ROUTER), value=b"[]")),
    ("not canonical", spaced),
    ("wrong header", lambda log: replaced(log, place(log, DECISIONS), headers=())),
    ("unknown cause", lambda log: without(log, place(log, POLICIES))),
    ("unknown cause", lambda log: without(log, place(log, QUESTIONS, AGREED))),
    ("not the first", lambda log: added(log, place(log, ANALYSES, AGREED), before=True, text="Or rather", answer="D")),
    ("nobody's seat", lambda log: added(log, place(log, ANALYSES, AGREED), stage=7)),
    ("nobody's seat", lambda log: added(log, place(log, ANALYSES, AGREED), agent="dan")),
    ("wrong seats", lambda log: without_ballot(log, excluded=False)),
    ("left out", lambda log: without_ballot(log, excluded=True)),
    ("misread", lambda log: with_answer(log, "D")),
    ("miscounted", lambda log: with_answer(log, "B")),
    ("miscounted", lambda log: changed(log, place(log, DECISIONS, TIED), answer="A")),
    ("miscounted", lambda log: changed(log, place(log, DECISIONS, AGREED), tally={"A": 2, "B": 2})),
    ("miscounted", lambda log: changed(log, place(log, DECISIONS, OVERDUE), answer="A", status="decided")),
    ("unnamed cause", without_deadline),
    ("unnamed cause", lambda log: changed(log, place(log, DECISIONS, AGREED), causes=[])),
    ("scattered", lambda log: replaced(log, place(log, ANALYSES, AGREED), partition=HOME - 1)),
    ("scattered", lambda log: replaced(log, place(log, DECISIONS, AGREED), key=LAST.encode())),
    (
        "out of order",
        lambda log: swapped(log, place(log, ASSIGNMENTS, RESERVED), place(log, ASSIGNMENTS, RESERVED, 1)),
    ),
    ("out of order", lambda log: swapped(log, newest_entry(log), place(log, ROUTER, scope="*", agent="ann"))),
    ("out of order", lambda log: swapped(log, place(log, ASSIGNMENTS, AGREED), place(log, ASSIGNMENTS, TIED))),
    ("never asked", lambda log: without(log, place(log, QUESTIONS, AGREED))),
    ("went backwards", looking_back),
    ("fork", seeing_another),
    ("not observed", lambda log: without(log, place(log, OBSERVATIONS, AGREED))),
    ("not observed", lambda log: without(log, place(log, OBSERVATIONS, AGREED, source="gold"))),
    ("observed for nothing", lambda log: added(log, place(log, OBSERVATIONS, AGREED), question_id=LAST)),
    ("observed for nothing", lambda log: without(log, place(log, FEEDBACK, AGREED))),
    ("applied unseen", lambda log: without(log, place(log, OBSERVATIONS, AGREED))),
    ("not applied", lambda log: without(log, newest_entry(log))),
    ("applied twice", entered_twice),
    ("fork", lambda log: added(log, newest_entry(log), quality_ppb=1)),
    ("broken chain", lambda log: without(log, place(log, ROUTER, nth=2, scope="*", agent="ann"))),
    ("broken chain", lambda log: changed(log, place(log, ROUTER, nth=2, scope="*", agent="ann"), previous="0" * 64)),
    ("broken chain", lambda log: changed(log, place(log, ROUTER, scope="*", agent="ann"), previous="0" * 64)),
)


def test_a_right_log_passes() -> None:
    """Nothing is wrong in a log as the processors write it, and its figures are those of the questions."""
    report = found(right_log())
    assert (report.wrong, report.examples) == ({}, {})
    assert report.right
    figures = report.figures
    assert (figures["asked"], figures["decided"], figures["later_stages"]) == (6, 6, 2)
    assert figures["reasons"] == {"deadline": 1, "panel complete": 5}
    assert figures["repeats"] == {}
    # How the calls went, of three or four agents each; and in three, the quality of those who said something.
    assert figures["observations"] == (3 + 4 + 3 + 3 + 4 + 3) + (3 + 2 + 4)


@pytest.mark.parametrize(("kind", "change"), WRONG, ids=[f"{kind} {n}" for n, (kind, _) in enumerate(WRONG)])
def test_what_is_wrong_is_found(kind: str, change: Callable[[list[Written]], list[Written]]) -> None:
    """Each single thing that is wrong is called by its name, with an example."""
    report = found(change(right_log()))
    assert kind in report.wrong, report.wrong
    assert report.examples[kind]
    assert not report.right


def test_a_question_without_any_trace_is_lost() -> None:
    """What a broker has acknowledged and nobody has seen is found."""
    assert found(right_log(), *ASKED, "acknowledged").wrong == {"lost": 1}


def test_an_answer_to_nothing_is_found() -> None:
    """A decision on what nobody asked is found."""
    assert found(right_log(), *ASKED[1:]).wrong == {"never asked": 1}


def test_dead_letters_are_told_unless_expected() -> None:
    """A record that was refused is found, up to those that should be."""
    letter = Written(DEAD_LETTERS, 0, b"", b'{"event_id":""}').with_fields(
        reason="invalid", detail="no JSON", causes=[]
    )
    log = [*right_log(), letter]
    assert found(log).examples == {"refused": ["orch.dead-letters/0@0: invalid: no JSON"]}
    assert check(laid_out(log), ASKED, refused=1).right


def test_repeats_are_counted_and_nothing_else() -> None:
    """The same events once more, anywhere behind the first, are no error; each is counted by its topic."""
    log = right_log()
    log = [*log, *(one for one in log if one.topic not in (QUESTIONS, FEEDBACK, POLICIES))]
    report = found(sorted(log, key=lambda one: TOPICS.index(one.topic)))
    assert report.right, report.examples
    assert report.figures["repeats"][DECISIONS] == len(ASKED)
    assert report.figures["repeats"][ROUTER] == report.figures["router_entries"]


def test_moved_questions_and_feedback_count_where_they_belong() -> None:
    """A record in another partition and its copy in the right one are one event, and no repeat."""
    log = []
    for one in right_log():
        if one.topic in (QUESTIONS, FEEDBACK):
            log.append(one._replace(partition=HOME - 1))
            one = one._replace(headers=(("orch_moved_from", b"2@0"),))
        log.append(one)
    report = found(log)
    assert report.right, report.examples
    assert report.figures["moved"] == len(ASKED) + 3
    assert report.figures["repeats"] == {}


def test_ids_of_plain_records_are_those_of_the_whole_event() -> None:
    """A question of three fields has the id that its panel names, with all defaults and the record's time."""
    log = laid_out(right_log())
    at = next(n for n, one in enumerate(log) if one.topic == QUESTIONS)
    fields = json.loads(log[at].value or b"")
    plain = {name: fields[name] for name in ("question_id", "text", "options")}
    assert fields["occurred_at"] == moment(0)
    asked_at_ms = 1_767_225_600_000
    log[at] = log[at]._replace(value=json.dumps(plain, indent=2).encode(), timestamp_ms=asked_at_ms)
    assert check(log, ASKED).right
    log[at] = log[at]._replace(timestamp_ms=asked_at_ms + 1)
    assert set(check(log, ASKED).wrong) == {"unknown cause"}


def test_a_second_call_for_a_seat_is_no_error() -> None:
    """A call made again after a crash is counted; the decision rests on the first."""
    log = right_log()
    report = found(added(log, place(log, ANALYSES, AGREED), latency_ms=1))
    assert report.right, report.examples
    assert report.figures["second_calls"] == 1


def test_what_is_asked_and_told_again_is_counted() -> None:
    """A question at another time is one asked again, and feedback behind a decision is late; neither is an error."""
    log = right_log()
    at = place(log, QUESTIONS, AGREED)
    again = log[at].with_fields(occurred_at=moment(70))
    assert found(log).figures["asked_again"] == 0
    assert found([*log[: at + 1], again, *log[at + 1 :]]).figures["asked_again"] == 1
    laid = laid_out(log)
    assert check(laid, ASKED).figures["late_feedback"] == 0
    late = [one._replace(timestamp_ms=1) if one.topic == FEEDBACK else one for one in laid]
    assert check(late, ASKED).figures["late_feedback"] == 3


def test_a_question_asked_again_has_one_panel() -> None:
    """A second panel is found, also where it is the same but for the asking that it rests on."""
    log = right_log()
    at = place(log, QUESTIONS, AGREED)
    again = log[at].with_fields(occurred_at=moment(70))
    first = place(log, ASSIGNMENTS, AGREED)
    causes = [again.fields["event_id"], *log[first].fields["causes"][1:]]
    assert log[first].fields["causes"][0] == log[at].fields["event_id"]
    second = log[first].with_fields(causes=causes)
    log = [*log[: at + 1], again, *log[at + 1 :]]
    first += 1
    assert "panels" in found([*log[: first + 1], second, *log[first + 1 :]]).wrong


def test_answers_are_read_as_simulated_agents_write_them() -> None:
    """The answer is that of its field, else the last one stated, else none."""
    assert answer_of({"answer": "B", "text": "The answer is (A)."}) == "B"
    assert answer_of({"answer": None, "text": "The answer is (A). No: the answer is C."}) == "C"
    assert answer_of({"answer": None, "text": "Thus spoke the agent."}) is None
