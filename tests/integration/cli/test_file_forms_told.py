"""Commands on files of other forms and with other names."""

import json

import pytest

from ...e2e.command import Place, outputs, prepare, question, run
from ...e2e.conftest import RECORDED

FOREIGN = [
    {"id": f"q{n}", "question": f"Which option of question {n}?", "choices": ["first", "second", "third"], "answer": n}
    for n in range(3)
]


def test_foreign_file_is_told_once_and_read_with_its_map(place: Place) -> None:
    """The message holds the map that reads the file; fields that it does not name are told."""
    place.write("f.jsonl", [{**line, "src": "x"} for line in FOREIGN] * 700)
    done = place.orch("produce", "f.jsonl")
    assert done.code == 2
    assert len(done.err.splitlines()) <= 5
    assert "id -> question_id, question -> text, choices -> options, answer -> gold_index; read it with" in done.err
    names = "id=question_id,question=text,choices=options,answer=gold_index"
    assert names in done.err
    done = place.orch("--format", "json", "produce", "f.jsonl", "--map", names)
    assert (done.code, done.object["appended"]) == (0, 3)
    assert "Left out, because --map does not name them: src" in done.err
    place.write("outputs.jsonl", outputs(3))
    done = place.orch(
        "--format", "json", "run", "f.jsonl", "--outputs", "outputs.jsonl", "--map", names, "--feedback", "gold"
    )
    assert (done.code, done.object["graded"]) == (0, 3)
    assert len(place.events("feedback")) == 3


def test_map_of_nothing_is_a_usage_error(place: Place) -> None:
    """A pair that is none ends the command with exit code 2, before anything is read."""
    done = place.orch("produce", "missing.jsonl", "--map", "id")
    assert done.code == 2
    assert "--map: 'id' is no pair NAME=FIELD" in done.err


@pytest.mark.parametrize("form", ["array", "pretty", "csv", "marks"])
def test_run_reads_every_form_alike(form: str, recorded: Place) -> None:
    """The same questions and outputs in another form are known to the log: nothing is asked again."""
    path = recorded.path / "questions.jsonl"
    given = [question(number) for number in range(RECORDED)]
    if form == "csv":
        names = ("question_id", "text", "options", "subject", "gold", "occurred_at")
        rows = [";".join(";".join(one[n]) if n == "options" else one[n] for n in names) for one in given]
        path.write_text("\r\n".join(["question_id;text;A;B;C;subject;gold;occurred_at", *rows]))
        lines = outputs(RECORDED)
        columns = list(lines[0])
        table = [columns, *([str(line[name]) for name in columns] for line in lines)]
        (recorded.path / "outputs.jsonl").write_text("\n".join("\t".join(row) for row in table))
    elif form == "marks":
        path.write_text("".join("\ufeff" + json.dumps(one) + "\n" for one in given))
    else:
        path.write_text(json.dumps(given, indent=2 if form == "pretty" else None))
    done = run(recorded, "--feedback", "gold")
    assert done.code == 0, done.err
    assert (done.object["already_asked"], done.object["questions"]) == (RECORDED, RECORDED)
    assert len(recorded.events("policies")) == 1


def test_compressed_file_says_what_it_is(place: Place) -> None:
    """One message names the format and the remedy, for questions and for outputs."""
    prepare(place, 1)
    (place.path / "x.zst").write_bytes(b"\x28\xb5\x2f\xfd\x04\x00")
    for command in (
        ("produce", "x.zst"),
        ("feedback", "x.zst"),
        ("run", "x.zst", "--outputs", "outputs.jsonl"),
        ("run", "questions.jsonl", "--outputs", "x.zst"),
    ):
        done = place.orch(*command)
        assert done.code == 2
        assert "x.zst is compressed with Zstandard" in done.err
        assert "zstd -d x.zst" in done.err
    assert len(done.err.splitlines()) == 2


def test_foreign_outputs_say_what_they_mean(place: Place) -> None:
    """Other names in a file of outputs are told with ours."""
    place.write("questions.jsonl", [question(0)])
    place.write("o.jsonl", [{"id": "q0", "model_name": "m", "response": "A"}])
    done = place.orch("run", "questions.jsonl", "--outputs", "o.jsonl")
    assert done.code == 2
    assert "id -> question_id, model_name -> model, response -> text: rename them" in done.err


def test_feedback_may_be_a_table(recorded: Place) -> None:
    """Columns are the fields of feedback, and an empty cell is none."""
    table = (
        "question_id;source;author;answer;verdict\r\nq1;human;eve;second;\r\nq2;human;eve;;right\r\nq3;judge;;Z;\r\n"
    )
    (recorded.path / "f.csv").write_text(table)
    done = recorded.orch("--format", "json", "feedback", "f.csv")
    assert done.code == 2
    assert (done.object["appended"], done.object["rejected"]) == (2, 1)
    assert "f.csv:4: answer: 'Z' is neither" in done.err
    given = {event["question_id"]: event for event in recorded.events("feedback") if event["author"] == "eve"}
    assert (given["q1"]["answer"], given["q2"]["verdict"]) == ("B", "right")
