"""Other people's question files: names, options and answers."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from streams.app.feedback_file import read_feedback
from streams.app.foreign_fields import parse_map
from streams.app.line_problems import told_once
from streams.app.question_file import FIELDS, LineReading, QuestionLine, read_questions
from streams.errors import UsageError
from streams.jsonlines import LineProblem
from streams.runtimes.embedded.reader import EmbeddedReader

from ...worlds import policy, question
from ..played_log import Played

GAS = "Which gas?"
MMLU = {"question": GAS, "subject": "bio", "choices": ["Oxygen", "CO2", "Helium"], "answer": 1}
MMLU_PRO = {"question_id": 70, "question": GAS, "options": ["O", "C"], "answer": "B", "answer_index": 1, "src": "x"}
ARC = {"id": "a1", "question": GAS, "choices": {"text": ["O", "C"], "label": ["1", "2"]}, "answerKey": "2"}
ARC_NESTED = {
    "id": "a1",
    "question": {"stem": GAS, "choices": [{"text": "O", "label": "A"}, {"text": "C", "label": "B"}]},
    "answerKey": "B",
}
HELLASWAG = {"ind": 4, "ctx": GAS, "endings": ["O", "C"], "label": "1", "activity_label": "gas"}
MEDQA = {"question": GAS, "options": {"A": "O", "B": "C"}, "answer": "C", "answer_idx": "B"}
MEDMCQA = {"id": "m", "question": GAS, "opa": "O", "opb": "C", "cop": 1, "exp": "long"}
SIQA = {"context": "Plants.", "question": GAS, "answerA": "O", "answerB": "C", "label": "2"}
GSM8K = {"question": GAS, "answer": "Working <<1+1=2>>.\n#### 1,018"}
PROMPTED = {"uid": "p", "prompt": GAS, "options": ["O", "C"], "target": "C"}


def read(*lines: dict[str, Any], names: str | None = None) -> tuple[list[QuestionLine], list[LineProblem]]:
    """Read a file of these lines."""
    problems: list[LineProblem] = []
    source = io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode())
    given = None if names is None else parse_map(names, FIELDS)
    return list(read_questions(source, problems, lambda: 0, LineReading(given))), problems


@pytest.mark.parametrize(
    ("line", "names", "question_id", "options", "gold"),
    [
        (MMLU, "line=question_id,question=text,choices=options,answer=gold_index", "1", 3, "B"),
        (MMLU_PRO, "question=text,answer=gold", "70", 2, "B"),
        (ARC, "id=question_id,question=text,choices=options,answerKey=gold", "a1", 2, "B"),
        (ARC_NESTED, "id=question_id,question.stem=text,question.choices=options,answerKey=gold", "a1", 2, "B"),
        (HELLASWAG, "ind=question_id,ctx=text,endings=options,label=gold_index", "4", 2, "B"),
        (MEDQA, "line=question_id,question=text,answer=gold", "1", 2, "B"),
        (MEDMCQA, "id=question_id,question=text,cop=gold_index,opa=options,opb=options", "m", 2, "B"),
        (SIQA, "line=question_id,question=text,label=gold_place,answerA=options,answerB=options", "1", 2, "B"),
        (GSM8K, "line=question_id,question=text,answer=gold,answer_type=number", "1", 0, "1018"),
        (PROMPTED, "uid=question_id,prompt=text,target=gold", "p", 2, "B"),
    ],
    ids=["mmlu", "mmlu-pro", "arc", "arc nested", "hellaswag", "medqa", "medmcqa", "siqa", "gsm8k", "prompt"],
)
def test_public_data_sets_are_read_with_their_map(
    line: dict[str, Any], names: str, question_id: str, options: int, gold: str
) -> None:
    """A foreign file is refused with its map; with that map, or the other way to count, it is read."""
    taken, (problem,) = read(line)
    assert taken == []
    proposed = names.replace("gold_place", "gold_index")
    assert f"read it with --map {proposed}" in problem.reason
    (taken_line,), problems = read(line, names=names)
    assert problems == []
    asked = taken_line.question
    assert (asked.question_id, asked.text, len(asked.options)) == (question_id, GAS, options)
    assert taken_line.gold == gold


def test_one_message_is_enough_for_a_file() -> None:
    """However many lines have the foreign names, the map is told once."""
    lines = [dict(MMLU, question=f"Which gas {number}?") for number in range(500)]
    del lines[7]["subject"]
    _, problems = read(*lines)
    told: dict[tuple[str, str], int] = {}
    first, second = told_once(problems[:200], told)
    assert "choices -> options" in first
    assert second == "stream:2-200: the same as in line 1 (199 lines)"
    assert list(told_once(problems[200:], told)) == ["stream:201-500: the same as in line 1 (300 lines)"]


@pytest.mark.parametrize("name", ["answer", "answer_index"])
def test_answer_points_to_gold(name: str) -> None:
    """A line of ours with the right answer under another name is told `gold`, not `answer_type`."""
    _, (problem,) = read({"question_id": "h", "text": "?", "options": ["x", "y"], name: "B"})
    assert problem.reason == f"{name} -> gold; read it with --map {name}=gold"


def test_place_of_an_option_is_not_guessed() -> None:
    """A number as right answer counts from 0 or from 1; the message names both ways to say which."""
    _, (problem,) = read({"question_id": "h", "text": "?", "options": ["x", "y"], "gold": 1})
    assert "--map gold=gold_index (from 0) or --map gold=gold_place (from 1)" in problem.reason
    for names, gold in (("gold=gold_index", "B"), ("gold=gold_place", "A")):
        ((*_, given, _),), _ = read({"question_id": "h", "text": "?", "options": ["x", "y"], "gold": 1}, names=names)
        assert given == gold


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"gold_index": 3}, "gold_index: 3 is no place from 0 to 2"),
        ({"gold_place": 0}, "gold_place: 0 is no place from 1 to 3"),
        ({"gold_index": True}, "gold_index: True is no place"),
        ({"options": {"one": "x", "two": "y"}}, "options: an object with one, two; its names must be A, B, C..."),
        ({"options": {"text": ["x"], "label": ["A", "B"]}}, "options: 1 texts and 2 labels"),
        ({"options": "x or y"}, "options: a text; give a JSON array"),
        ({"options": None, "A": "x", "C": "z"}, "options: number 2 is empty, and a later one is not"),
        ({"options": ["x", 0.5]}, 'options.1: 0.5 is not an integer; write it as text, "0.5"'),
        ({"subject": 1e3}, "subject: 1000.0 is not an integer"),
        ({"subject": 12345678901234567890}, "subject: 12345678901234567890 exceeds the 53-bit range"),
    ],
)
def test_forms_that_are_not_read_name_the_field(fields: dict[str, Any], words: str) -> None:
    """Options in no known form, a place that does not exist, and numbers no event holds are told with their field."""
    _, (problem,) = read({"question_id": "h", "text": "?", "options": ["x", "y", "z"], **fields})
    assert words in problem.reason


@pytest.mark.parametrize(("gold", "number"), [(0.5, "0.5"), (16, "16"), (1.50, "1.5"), (-2.25, "-2.25")])
def test_number_is_a_right_answer(gold: float, number: str) -> None:
    """A right answer that JSON writes as a number, with decimals or without, is taken as its digits."""
    (line,), problems = read({"question_id": "f1", "text": "?", "answer_type": "number", "gold": gold})
    assert (line.gold, problems) == (number, [])


def test_number_is_feedback(tmp_path: Path) -> None:
    """The same holds for feedback; a number in another field is refused by its name."""
    log = Played(tmp_path / "orch.db")
    log.put(policy("a"), question("n", options=0))
    lines = [{"question_id": "n", "source": "gold", "answer": 0.5}, {"question_id": "n", "source": 0.5, "answer": "1"}]
    problems: list[LineProblem] = []
    source = io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode())
    with EmbeddedReader(log.path) as view:
        ((_, event, _),) = read_feedback(source, problems, view, lambda: 0)
    log.close()
    assert getattr(event, "answer", None) == "0.5"
    assert problems[0].reason.startswith("source: 0.5 is not an integer")


def test_columns_are_options() -> None:
    """Fields A, B, C are options in order; those at the end may be empty."""
    source = io.BytesIO(b"question_id,text,A,B,C,gold\nq1,?,x,y,,B\nq2,?,x,y,z,z\n")
    lines = list(read_questions(source, [], lambda: 0))
    assert [line.question.options for line in lines] == [("x", "y"), ("x", "y", "z")]
    assert [line.gold for line in lines] == ["B", "C"]


def test_cell_may_hold_a_list() -> None:
    """In a table, options may be the text of a JSON array."""
    source = io.BytesIO(b'question_id\ttext\toptions\nq1\t?\t"[""x"", ""y"", 3]"\n')
    (line,) = read_questions(source, [], lambda: 0)
    assert line.question.options == ("x", "y", "3")


def test_unnamed_fields_are_left_out() -> None:
    """With a map, fields that are neither ours nor in it are left out, and listed for a remark."""
    names = parse_map("question=text,answer=gold", FIELDS)
    source = io.BytesIO(json.dumps(MMLU_PRO).encode())
    assert len(list(read_questions(source, [], lambda: 0, LineReading(names)))) == 1
    assert list(names.left_out) == ["answer_index", "src"]


@pytest.mark.parametrize("text", ["id", "id=", "=text", "id=colour", "a=text,b=text", "answer_type=essay"])
def test_map_that_cannot_be_meant_is_refused(text: str) -> None:
    """A pair that is none, a field that does not exist, or one field twice."""
    with pytest.raises(UsageError, match="--map"):
        parse_map(text, FIELDS)
