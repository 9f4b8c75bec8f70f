"""Question files: accepted lines, refusals and separate right answers."""

import io
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from schemas.quantities import instant_of_ms
from schemas.questions import QuestionAsked
from streams.app.question_file import QuestionLine, normal_gold, read_questions, survey
from streams.app.rereadable import attended, rereadable
from streams.jsonlines import LineProblem, read_objects

from ...worlds import question

NOW = 1_700_000_000_000


def clock() -> int:
    """Stand still."""
    return NOW


def line(question_id: str = "q", **fields: Any) -> dict[str, Any]:
    """Make one question line."""
    return {"question_id": question_id, "text": "?", "options": ["yes", "no", "perhaps"], **fields}


def written(*lines: dict[str, Any]) -> io.BytesIO:
    """Write lines as a file would hold them."""
    return io.BytesIO(b"".join(json.dumps(fields).encode() + b"\n" for fields in lines))


def read(*lines: dict[str, Any]) -> tuple[list[QuestionLine], list[LineProblem]]:
    """Read a file of these lines."""
    problems: list[LineProblem] = []
    return list(read_questions(written(*lines), problems, clock)), problems


def reason(**fields: Any) -> str:
    """Say why a line with these fields is refused."""
    taken, (problem,) = read(line(**fields))
    assert not taken
    return problem.reason


def test_right_answer_stays_outside_the_question() -> None:
    """The gold of a line is given beside the question, as decisions write it."""
    (with_text, with_letter, without), _ = read(line("a", gold="no"), line("b", gold=" b "), line("c", gold=None))
    assert (with_text.gold, with_letter.gold, without.gold) == ("B", "B", None)
    assert "gold" not in with_text.question.model_dump()


def test_line_without_a_time_takes_the_clock() -> None:
    """A question that names no time was asked now, and the line says that it was not timed."""
    (untimed, timed), _ = read(line("a"), line("b", occurred_at="2026-01-01T00:00:00Z"))
    assert (untimed.question.occurred_at, untimed.timed) == (instant_of_ms(NOW), False)
    assert (timed.question.occurred_at, timed.timed) == ("2026-01-01T00:00:00.000Z", True)


def test_name_of_the_collection_is_passed_over() -> None:
    """A line may say from which collection it is."""
    assert len(read(line(dataset="mmlu"))[0]) == 1


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"colour": "red"}, "colour: unknown field; a line may hold answer_type, "),
        ({"option": ["a", "b"]}, "option: unknown field; did you mean options?"),
        ({"options": ["one"]}, "options: 1 given, a choice needs 2 to 26"),
        ({"gold": "D"}, "gold: 'D' is neither a letter from A to C nor the text of one option"),
        ({"gold": 1}, "gold: 1 is a place, and may count from 0 or from 1"),
        ({"gold": True, "options": [], "answer_type": "number"}, "gold: True is not one exact number"),
        ({"text": "t" * 899_900}, "shorten the text"),
        ({"answer_type": "essay"}, "answer_type: Input should be 'choice' or 'number', not 'essay'"),
    ],
)
def test_line_that_cannot_be_used_says_why(fields: dict[str, Any], words: str) -> None:
    """A refused line is told with the field, the wrong value and what belongs there."""
    assert words in reason(**fields)


def test_problems_come_in_the_order_of_the_lines() -> None:
    """Lines that are no JSON and lines that are no question are listed together."""
    source = io.BytesIO(b'{\n{"question_id": "q"}\n' + json.dumps(line()).encode() + b"\n[]\n")
    problems: list[LineProblem] = []
    (good,) = read_questions(source, problems, clock)
    assert good.number == 3
    assert [problem.line for problem in problems] == [1, 2, 4]


@pytest.mark.parametrize(("gold", "normal"), [("19", "19"), (18, "18"), ("1,800", "1800"), (" 17.0 ", "17")])
def test_number_is_written_as_decisions_write_it(gold: str | int, normal: str) -> None:
    """Text and integers are the same number."""
    assert normal_gold(gold, question(options=0)) == normal


def test_equal_options_are_one_answer() -> None:
    """Text that two options share names the first of them; a letter stays what was given."""
    asked = QuestionAsked(
        occurred_at="2026-01-01T00:00:00.000Z", question_id="q", text="?", options=("same", "same", "other")
    )
    assert normal_gold("other", asked) == "C"
    assert normal_gold("same", asked) == "A"
    assert normal_gold("B", asked) == "B"


def test_survey_keeps_ids_and_right_answers() -> None:
    """A first reading lists the questions in order with their right answers; of two golds the first counts."""
    heard: list[int] = []
    source = written(line("a", gold="A"), line("b"), line("a", gold="B"), line("a", gold="A"))
    found = survey(source, clock, heard.append)
    assert found.golds == {"a": "A", "b": None}
    assert list(found.golds) == ["a", "b"]
    assert found.first is not None
    assert found.first.number == 1
    assert [problem.line for problem in found.problems] == [3]
    assert sum(heard) == 4


def test_file_and_pipe_can_be_read_twice(tmp_path: Path) -> None:
    """A pipe is copied, so that a second reading finds what the first found."""
    file, pipe = tmp_path / "file", tmp_path / "pipe"
    file.write_bytes(written(line("a"), line("b")).getvalue())
    os.mkfifo(pipe)
    writing = threading.Thread(target=lambda: pipe.write_bytes(file.read_bytes()), daemon=True)
    writing.start()
    with rereadable(str(pipe)) as again:
        for _ in range(2):
            assert [fields["question_id"] for _, fields in read_objects(again(), [])] == ["a", "b"]
    writing.join(10)
    with rereadable(str(file)) as again:
        assert again() == again() == str(file)


def test_slow_pipe_is_told_before_it_is_waited_for(tmp_path: Path) -> None:
    """Whatever a pipe gave has been taken when the next read would wait; a file never waits."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = os.open(pipe, os.O_RDWR)
    taken: list[str] = []
    pauses: list[int] = []

    def paused() -> None:
        pauses.append(len(taken))
        if len(pauses) == 1:
            os.write(writing, written(line("c")).getvalue())
        else:
            os.close(writing)

    os.write(writing, written(line("a"), line("b")).getvalue())
    limit = time.monotonic() + 120
    with attended(str(pipe), paused) as source:
        for _, fields in read_objects(source, []):
            taken.append(fields["question_id"])
            assert time.monotonic() < limit
    assert taken == ["a", "b", "c"]
    assert pauses == [2, 3]
    file = tmp_path / "file"
    file.write_bytes(b"{}\n")
    with attended(str(file), paused) as source:
        assert len(list(read_objects(source, []))) == 1
    assert pauses == [2, 3]
