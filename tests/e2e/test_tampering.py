"""
Replay of logs that were tampered with.

Replay names the place of a change; the tests also state which changes it cannot find.

Replay derives again what processors wrote, so it proves that a log follows from its inputs. It cannot know that the
inputs are those that once were: whoever rewrites an input and all that follows from it, or cuts off the end of the log,
has another log that is as good. Against that there are only copies, and signatures kept elsewhere.

Of a topic with many records a seeded sample is changed, with ORCH_TAMPERING=all each of them.
"""

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.canonical import canonical_json, content_id
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEAD_LETTERS,
    DEADLINES,
    DECISIONS,
    INPUT_TOPICS,
    OBSERVATIONS,
    POLICIES,
    QUESTIONS,
    ROUTER,
    TOPICS,
    partition_of,
)

from ..worlds import question
from .command import Place
from .tampering import Row, Tampering, place

SEED = 20_260_301
DERIVED = (ASSIGNMENTS, DECISIONS, OBSERVATIONS, ROUTER, DEAD_LETTERS)
SAMPLE = 10_000 if os.environ.get("ORCH_TAMPERING") == "all" else 24
"""Most records of a topic that one test changes, each in turn."""

EVERY_TOPIC = (*INPUT_TOPICS, *DERIVED)
"""All but the checkpoints: nobody derives these, and no command signs any yet."""


@pytest.fixture
def log(original: Path, tmp_path: Path) -> Iterator[Tampering]:
    """A copy of that log, to change."""
    tampering = Tampering(original, tmp_path)
    yield tampering
    tampering.close()


def each(log: Tampering, topic: str) -> list[Row]:
    """List the records of a topic to change in turn: at most `SAMPLE`, the first and the last among them."""
    rows = log.rows(topic)
    if len(rows) <= SAMPLE:
        return rows
    return [rows[0], *random.Random(f"{SEED} {topic}").sample(rows[1:-1], SAMPLE - 2), rows[-1]]


def flipped(value: bytes, draw: random.Random) -> bytes:
    """Change one byte."""
    at = draw.randrange(len(value))
    return value[:at] + bytes([(value[at] + draw.randrange(1, 256)) % 256]) + value[at + 1 :]


def test_log_holds_records_of_every_topic(log: Tampering) -> None:
    """The log proves itself before it is changed, and there is something to change in every topic."""
    assert log.first() is None
    assert {row.topic for row in log.rows()} == set(EVERY_TOPIC)
    kinds = {row.event["kind"] for row in log.rows()}
    assert kinds >= {"stage.opened.v1", "feedback.retracted.v1", "deadline.passed.v2", "record.rejected.v1"}


@pytest.mark.slow
@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_changed_byte_is_found_at_its_record(log: Tampering, topic: str) -> None:
    """Whichever record has one byte changed, the first difference names its topic, partition, offset and a field."""
    draw = random.Random(f"{SEED} {topic}")
    missed = []
    for number, row in enumerate(each(log, topic)):
        for _ in range(4 if number % 8 == 0 else 1):
            value = flipped(row.value, draw)
            log.change(row.seq, value=value)
            found = log.first()
            if place(found) != place(row) or not found.field or found.expected == found.actual:
                missed.append((value, found))
        log.change(row.seq, value=row.value)
    assert missed == []


@pytest.mark.parametrize("name", ["panel.assigned", "stage.opened"])
def test_changed_kind_is_found_at_its_record(log: Tampering, name: str) -> None:
    """An assignment whose kind can no longer be read is found where it lies, not where it is missed."""
    for row in log.rows(ASSIGNMENTS):
        kind = row.event["kind"]
        if kind.startswith(name):
            log.change(row.seq, value=row.value.replace(kind.encode(), kind.upper().encode()))
            assert place(log.first()) == place(row)
            log.change(row.seq, value=row.value)


def middle(log: Tampering, topic: str, kind: str = "") -> Row:
    """Choose a record from the middle of a topic, or of those of one kind in it."""
    rows = [row for row in log.rows(topic) if row.event["kind"].startswith(kind)]
    return rows[len(rows) // 2]


@pytest.mark.parametrize("topic", DERIVED)
def test_removed_derived_record_is_missed(log: Tampering, topic: str) -> None:
    """Whichever derived record is taken out, the last one too, replay says what is missing or no longer follows."""
    unnoticed = []
    for row in each(log, topic):
        log.remove(row.seq)
        if log.first() is None:
            unnoticed.append(row)
        log.reset()
    assert unnoticed == []


def test_removed_decision_is_missed_at_its_cause(log: Tampering) -> None:
    """Of the last decision, taken out, the first difference is at the analysis that it should follow from."""
    decision = log.rows(DECISIONS)[-1]
    cause = [row for row in log.rows(ANALYSES) if row.key == decision.key][-1]
    log.remove(decision.seq)
    found = log.first()
    assert found is not None
    assert (place(found), found.field, found.actual) == (place(cause), "record", None)
    assert found.expected == f"{decision.event['kind']} {decision.event['event_id']}"


@pytest.mark.parametrize("topic", INPUT_TOPICS)
def test_removed_input_is_missed(log: Tampering, topic: str) -> None:
    """Whichever input is taken out, replay says what no longer follows; unless nothing ever followed from it."""
    named = {cause for row in log.rows() for cause in row.event["causes"]}
    unnoticed = []
    for row in each(log, topic):
        log.remove(row.seq)
        if log.first() is None:
            unnoticed.append(row.event["event_id"])
        log.reset()
    assert named.isdisjoint(unnoticed)


@pytest.mark.parametrize("topic", [topic for topic in EVERY_TOPIC if topic not in (DEADLINES, DEAD_LETTERS)])
def test_swapped_records_are_found_at_the_first(log: Tampering, topic: str) -> None:
    """Of two records about different things that were swapped, the first difference is at the one further up."""
    one = log.rows(topic)[0]
    two = next(row for row in log.rows(topic) if (row.key, row.correlation) != (one.key, one.correlation))
    log.change(one.seq, value=two.value)
    log.change(two.seq, value=one.value)
    assert place(log.first()) == place(one)


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_changed_key_is_found_at_its_record(log: Tampering, topic: str) -> None:
    """A record under another key is found where it lies."""
    row = middle(log, topic)
    log.change(row.seq, key="another")
    assert place(log.first()) == place(row)


@pytest.mark.parametrize("topic", [topic for topic in EVERY_TOPIC if TOPICS[topic].partitions > 1])
def test_changed_partition_is_found_at_its_record(log: Tampering, topic: str) -> None:
    """A record in a partition that is not its key's is found where it lies now."""
    row = middle(log, topic)
    partition = (row.partition + 1) % TOPICS[topic].partitions
    log.change(row.seq, stream=log.stream(topic, partition), offset=999)
    found = log.first()
    assert found is not None
    assert (place(found), found.field) == ((topic, partition, 999), "partition")
    assert (found.expected, found.actual) == (row.partition, partition)


@pytest.mark.parametrize("topic", [topic for topic in EVERY_TOPIC if TOPICS[topic].key == "question_id"])
def test_record_moved_to_another_question_is_found(log: Tampering, topic: str) -> None:
    """A record that is filed whole under another question is found; an input where it lies now, by its key."""
    unnoticed = []
    for row in each(log, topic):
        other = "n0" if row.key != "n0" else "n1"
        partition = partition_of(other.encode(), TOPICS[topic].partitions)
        log.change(row.seq, key=other, correlation=other, stream=log.stream(topic, partition), offset=999)
        found = log.first()
        if found is None or (topic in INPUT_TOPICS and (found.seq, found.field) != (row.seq, "key")):
            unnoticed.append((row, found))
        log.reset()
    assert unnoticed == []


FORGERIES = {
    "decision": (DECISIONS, "decision.made", {"answer": "D"}),
    "its count of calls": (DECISIONS, "decision.made", {"calls": 99}),
    "lesson": (OBSERVATIONS, "agent.observed", {"latency_ms": 999_999}),
    "router entry": (ROUTER, "router.entry", {"quality_ppb": 123_456_789}),
    "router entry's link": (ROUTER, "router.entry", {"previous": "0" * 64}),
    "panel": (ASSIGNMENTS, "panel.assigned", {"explored": "ada"}),
    "later stage": (ASSIGNMENTS, "stage.opened", {"occurred_at": "2026-12-31T00:00:00.000Z"}),
    "dead letter": (DEAD_LETTERS, "record.rejected", {"detail": "It was nothing."}),
}


@pytest.mark.parametrize(("topic", "kind", "fields"), FORGERIES.values(), ids=FORGERIES)
def test_forged_record_is_found_under_its_new_id(log: Tampering, topic: str, kind: str, fields: dict[str, Any]) -> None:
    """A derived event with other content is found, though it has the right id for it, and all that follows too."""
    row = middle(log, topic, kind)
    forged = log.forge(row.seq, **fields)
    assert forged.event["event_id"] != row.event["event_id"]
    found = log.first()
    assert found is not None
    ((name, value),) = fields.items()
    assert (place(found), found.field, found.actual) == (place(row), name, value)
    assert found.expected == row.event[name]


def test_forged_policy_is_found_at_the_first_panel(log: Tampering) -> None:
    """A policy that was altered is found where the first panel was chosen by the old one, though all ids fit."""
    policy = log.rows(POLICIES)[-1]
    learning = policy.event["learning"]
    learning["averaging"]["alpha_ppb"] += 1
    log.forge(policy.seq, learning=learning)
    panel = next(row for row in log.rows(ASSIGNMENTS) if row.seq > policy.seq)
    found = log.first()
    assert found is not None
    assert (place(found), found.field) == (place(panel), "learning.averaging.alpha_ppb")


def test_forged_analysis_is_found_at_its_decision(log: Tampering) -> None:
    """An analysis with another answer is found at the decision that counted it, though all ids fit."""
    decision = log.rows(DECISIONS)[-1]
    ballot = decision.event["counted"][-1]
    (row,) = (row for row in log.rows(ANALYSES) if row.event["event_id"] == ballot["analysis_id"])
    log.forge(row.seq, answer="D" if ballot["answer"] != "D" else "C")
    assert place(log.first()) == place(decision)


KINDS = sorted(
    {(topic, kind.rpartition(".")[0]) for topic in DERIVED for kind in TOPICS[topic].kinds if "carried" not in kind}
)
"""Names of kinds without their versions; integration/audit/test_origin.py has those that a log begins with."""


@pytest.mark.parametrize(("topic", "kind"), KINDS)
def test_repeated_derived_record_is_found(log: Tampering, topic: str, kind: str) -> None:
    """A derived record that is in the log a second time is found there."""
    row = middle(log, topic, kind)
    added = log.insert(topic, row.key, row.correlation, row.value)
    assert place(log.first()) == place(added)


def test_second_decision_is_found(log: Tampering) -> None:
    """Another decision of a question, with an id of its own, is found at the end of the log."""
    row = middle(log, DECISIONS)
    content = {**row.event, "answer": "D", "calls": 1}
    del content["event_id"]
    value = canonical_json({**content, "event_id": content_id(canonical_json(content))})
    added = log.insert(DECISIONS, row.key, row.correlation, value)
    found = log.first()
    assert found is not None
    assert (place(found), found.field, found.expected) == (place(added), "record", None)


def test_old_router_entry_is_found_at_the_panel_that_used_it(log: Tampering) -> None:
    """Where the router's table in the file was set back, a panel is found that saw less than one before it."""
    entry = next(row for row in log.rows(ROUTER) if row.key == "*/ada")
    log.connection.execute("UPDATE latest SET seq = ? WHERE key = '*/ada'", (entry.seq,))
    end = log.rows()[-1].seq
    # Of the questions that follow, one comes to the partition of an earlier one.
    log.go_on(question(f"n{number}", at=60 + number) for number in range(50, 66))
    found = log.first()
    assert found is not None
    assert found.seq > end
    assert (found.topic, found.field) == (ASSIGNMENTS, "sequences of */ada")


def test_rewritten_history_proves_itself(log: Tampering) -> None:
    """An input that changes nothing, rewritten with all ids after it, is not found: no signature holds it."""
    log.forge(middle(log, QUESTIONS).seq, text="Something else entirely?")
    assert log.first() is None


def cut(log: Tampering) -> Row:
    """Cut the log off before its last question, where all that came before was folded; give what is last then."""
    first_lost = log.rows(QUESTIONS)[-1].seq
    log.connection.execute("DELETE FROM records WHERE seq >= ?", (first_lost,))
    return log.rows()[-1]


def test_cut_log_is_found_by_its_checkpoint(log: Tampering) -> None:
    """A log that was folded further than it goes has lost its end; the first difference is at its last record."""
    lost = log.rows()[-1].seq - cut(log).seq
    found = log.first()
    assert found is not None
    assert (place(found), found.field, found.actual) == (place(log.rows()[-1]), "record", None)
    assert found.expected == f"{lost} more records, which were folded"


def test_cut_log_is_not_written_to(log: Tampering) -> None:
    """Nobody appends to a log that lost its end, for what is new would never be folded."""
    cut(log)
    log.connection.commit()
    (log.path.parent / "lines.jsonl").write_text('{"question_id": "new", "text": "Why?", "options": ["so", "thus"]}\n')
    done = Place(log.path.parent).orch("produce", "lines.jsonl")
    assert done.code == 4
    assert "its end was cut off" in done.err


def test_emptied_log_is_found_by_its_checkpoint(log: Tampering) -> None:
    """A log without any record, of which some were folded, is a difference too."""
    log.connection.execute("DELETE FROM records")
    assert place(log.first()) == (POLICIES, 0, 0)


def test_end_cut_off_with_the_checkpoint_is_not_found(log: Tampering) -> None:
    """What is left when the end and the tables beside it are set back together is a log as it once was."""
    log.connection.execute("UPDATE checkpoint SET seq = ?", (cut(log).seq,))
    assert log.first() is not None
    log.connection.execute("DELETE FROM latest")
    newest = "SELECT stream, key, max(seq) FROM records JOIN streams USING (stream) WHERE topic IN (?, ?) GROUP BY 1, 2"
    log.connection.execute(f"INSERT INTO latest {newest}", (POLICIES, ROUTER))
    assert log.first() is None


@pytest.mark.parametrize("topic", EVERY_TOPIC)
def test_command_names_the_place(log: Tampering, topic: str) -> None:
    """`orch replay` ends with exit code 4 and names the place of a changed record."""
    row = middle(log, topic)
    log.change(row.seq, value=flipped(row.value, random.Random(SEED)))
    log.connection.commit()
    done = Place(log.path.parent).orch("--format", "json", "replay")
    assert done.code == 4
    first = done.object["first_difference"]
    assert (first["topic"], first["partition"], first["offset"]) == place(row)
    assert first["field"]
    assert f" in {row.topic}, partition {row.partition}, offset {row.offset}, field {first['field']}" in done.err
