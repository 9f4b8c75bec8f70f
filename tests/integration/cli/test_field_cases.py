"""Cases from the field, typed as their reporters did."""

import errno
import fcntl
import json
import os
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from ...e2e.command import outputs, question
from ..command_in_process import Inside

RUN = ("run", "questions.jsonl", "--outputs", "outputs.jsonl")
TIDES = {"question_id": "tides", "text": "What moves the tides?", "options": ["Wind", "The moon", "Rivers"]}


def said(question_id: str, text: str, **more: Any) -> dict[str, Any]:
    """What the one recorded agent answered."""
    return {"question_id": question_id, "model": "ann", "text": text, **more}


def test_pretty_printed_array_is_one_matter(place: Inside) -> None:
    """An array over many lines is read as the questions that it holds, not complained of line by line."""
    numbers = range(40)
    questions = [{**TIDES, "question_id": f"tides-{number}", "gold": "B"} for number in numbers]
    (place.path / "questions.json").write_text(json.dumps(questions, indent=2))
    place.write("outputs.jsonl", [said(f"tides-{number}", "The answer is (B).") for number in numbers])
    done = place.orch("--format", "json", "run", "questions.json", "--outputs", "outputs.jsonl")
    assert done.code == 0, done.err
    assert done.object["decided"] == done.object["questions"] == len(numbers)
    assert len(done.err.splitlines()) < 5


def test_equal_options_are_one_answer(place: Inside) -> None:
    """Two agents that choose the same words under two letters agree, and both are right by either letter."""
    options = ["Warmer", "Colder", "The same", "Warmer"]
    place.write("questions.jsonl", [{"question_id": "wind", "text": "And then?", "options": options, "gold": "D"}])
    letters = {"ann": "A", "bob": "D", "cyd": "B"}
    place.write("outputs.jsonl", [said("wind", f"The answer is ({it}).", model=who) for who, it in letters.items()])
    done = place.orch("--format", "json", *RUN, "--feedback", "gold")
    assert done.code == 0, done.err
    assert {who: one["accuracy"] for who, one in done.object["agents"].items()} == {"ann": 1.0, "bob": 1.0, "cyd": 0.0}
    decision = place.orch("--format", "json", "consume", "decisions").object
    assert (decision["answer"], decision["agreement"]) == ("A", {"agreeing": 2, "counted": 3})


@pytest.mark.parametrize("answer", ["The moon", "B"])
def test_recorded_answer_may_be_the_words_of_an_option(place: Inside, answer: str) -> None:
    """The field `answer` of an output names an option by its words or its letter, whatever the text leaves open."""
    place.write("questions.jsonl", [TIDES])
    place.write("outputs.jsonl", [said("tides", "It is seen from the shore.", answer=answer)])
    assert place.orch(*RUN).code == 0
    assert place.orch("--format", "json", "consume", "decisions").object["answer"] == "B"


def test_foreign_name_of_the_right_answer_is_mapped(place: Inside) -> None:
    """A file that calls it `answer` or `answer_index` is told which of our fields each is, in one command to repeat."""
    place.write("questions.jsonl", [TIDES | {"answer": "B"}, TIDES | {"question_id": "moon", "answer_index": 1}])
    done = place.orch("produce", "questions.jsonl")
    assert done.code == 2
    assert "answer=gold" in done.err
    assert "answer_index=gold_index" in done.err
    assert "answer_type" not in done.err


def test_decimal_right_answer_is_taken_as_its_text(place: Inside) -> None:
    """A number with a fraction is a right answer, as an integer is."""
    place.write("questions.jsonl", [{"question_id": "half", "text": "1 / 2?", "answer_type": "number", "gold": 0.5}])
    place.write("outputs.jsonl", [said("half", "The answer is 0.5.")])
    done = place.orch("--format", "json", *RUN, "--feedback", "gold")
    assert done.code == 0, done.err
    assert (done.object["decided"], done.object["correct"]) == (1, 1)


def test_byte_order_mark_inside_is_none_of_the_text(place: Inside) -> None:
    """Two files that begin with a mark, joined by `cat`, are read to their end."""
    marked = [json.dumps(TIDES | {"question_id": name}) for name in ("ebb", "flood")]
    (place.path / "questions.jsonl").write_bytes(b"".join(f"\ufeff{line}\n".encode() for line in marked))
    place.write("outputs.jsonl", [said(name, "The answer is (B).") for name in ("ebb", "flood")])
    done = place.orch("--format", "json", *RUN)
    assert done.code == 0, done.err
    assert done.object["decided"] == 2


def test_file_system_without_locks_is_no_other_writer(place: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flock` that ends with ENOLCK is told as what it is, with the way out."""

    def refused(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    place.write("questions.jsonl", [TIDES])
    place.write("outputs.jsonl", [said("tides", "The answer is (B).")])
    monkeypatch.setattr(fcntl, "flock", refused)
    done = place.orch("--log", "sqlite:///l.db", *RUN)
    assert done.code == 3
    assert "local disk" in done.err
    assert "another process" not in done.err


def test_left_wal_under_a_restored_file_is_named(place: Inside) -> None:
    """
    A backup that was copied over a log whose later run was killed is refused, with the files to remove first.

    The reporter's run was killed; here a reader keeps the -wal of one that ended.
    """
    place.write("outputs.jsonl", outputs(90))
    log, wal = place.path / "orch.db", place.path / "orch.db-wal"
    for number in (10, 60):
        place.write("questions.jsonl", [question(one) for one in range(number)])
        assert place.orch(*RUN).code == 0
        if number == 10:
            backup = log.read_bytes()
    place.write("questions.jsonl", [question(number) for number in range(90)])
    with closing(sqlite3.connect(log)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM records").fetchone()
        assert place.orch(*RUN).code == 0
        left = wal.read_bytes()
    assert len(left) > 100_000
    log.write_bytes(backup)
    wal.write_bytes(left)
    done = place.orch("--log", "sqlite:///orch.db", "replay")
    assert done.code in (3, 4)
    assert "orch.db-wal" in done.err
    assert "orch.db-shm" in done.err
    assert "remove" in done.err.lower()
