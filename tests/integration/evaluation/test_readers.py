"""Readers of data sets, on samples of our own."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.errors import UsageError
from streams.evaluation.readers.forms import read_datasets
from streams.evaluation.readers.lettered_options import lettered_options


def _lines(path: Path, *rows: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_mmlu_csv_without_header(tmp_path: Path) -> None:
    """A subject's CSV has no header; the subject is in its name, and the answer is a letter."""
    file = tmp_path / "college_physics_test.csv"
    file.write_text('"What falls, and\nwhat stays?",feather,"stone, wet",both,none,C\nWhy?,a,b,c,d,A\nshort,row\n')
    found = read_datasets([file])
    first, second = found.questions.values()
    assert first == {
        "question_id": "mmlu-college_physics-test-0",
        "text": "What falls, and\nwhat stays?",
        "options": ["feather", "stone, wet", "both", "none"],
        "gold": "C",
        "subject": "college physics",
    }
    assert second["question_id"] == "mmlu-college_physics-test-1"
    assert [problem.line for problem in found.problems] == [3]


def test_mmlu_of_hugging_face_counts_from_zero(tmp_path: Path) -> None:
    """The answer of a Hugging Face row is an index from 0; one beyond the choices is refused."""
    row = {"question": "Q", "subject": "anatomy", "choices": ["w", "x", "y", "z"], "answer": 3}
    found = read_datasets([_lines(tmp_path / "test.jsonl", row, {**row, "answer": 4})])
    assert [(q["question_id"], q["gold"]) for q in found.questions.values()] == [("mmlu-anatomy-test-0", "D")]
    assert "no index" in found.problems[0].reason


def test_the_same_rows_in_any_file_form(tmp_path: Path) -> None:
    """JSON Lines, gzip, a JSON array and Parquet of the same rows give the same questions."""
    rows = [{"question": f"Q{n}", "subject": "s", "choices": ["a", "b", "c", "d"], "answer": n % 4} for n in range(5)]
    plain = _lines(tmp_path / "a" / "test.jsonl", *rows)
    zipped = tmp_path / "b" / "test.jsonl.gz"
    zipped.parent.mkdir()
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    array = tmp_path / "c" / "test.json"
    array.parent.mkdir()
    array.write_text(json.dumps(rows, indent=1))
    parquet = tmp_path / "d [x]" / "test.parquet"
    parquet.parent.mkdir()
    copy = f"COPY (SELECT question, subject, choices, answer::INTEGER AS answer FROM '{plain}') TO '{parquet}'"
    duckdb.sql(f"{copy} (FORMAT parquet)")
    expected = read_datasets([plain]).questions
    assert len(expected) == 5
    for file in (zipped, array, parquet):
        assert read_datasets([file]).questions == expected


def test_mmlu_pro(tmp_path: Path) -> None:
    """MMLU-Pro's own number names the question; fillers are no options; letter and index must agree."""
    row = {
        "question_id": 70,
        "question": "Q",
        "options": ["a", "b", "c", "N/A", "N/A"],
        "answer": "B",
        "answer_index": 1,
        "cot_content": "",
        "category": "business",
        "src": "ori_mmlu",
    }
    found = read_datasets([_lines(tmp_path / "test.jsonl", row, {**row, "question_id": 71, "answer_index": 2})])
    assert list(found.questions.values()) == [
        {"question_id": "mmlu-pro-00070", "text": "Q", "options": ["a", "b", "c"], "gold": "B", "subject": "business"}
    ]
    assert "different options" in found.problems[0].reason


def test_gsm8k(tmp_path: Path) -> None:
    """The number after the four hashes is the right answer."""
    row = {"question": "How many?", "answer": "6 times 7 is <<6*7=42>>42.\n#### 1,042"}
    (question,) = read_datasets([_lines(tmp_path / "test.jsonl", row)]).questions.values()
    assert question == {
        "question_id": "gsm8k-test-0",
        "text": "How many?",
        "answer_type": "number",
        "gold": "1,042",
    }


def test_gpqa_shuffles_by_id(tmp_path: Path) -> None:
    """The right answer is not always first, and the same file gives the same order."""
    header = "Record ID,Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n"
    file = tmp_path / "gpqa_diamond.csv"
    file.write_text(header + "".join(f"rec{n},Q{n},right,w1,w2,w3\n" for n in range(40)))
    questions = list(read_datasets([file]).questions.values())
    assert {q["gold"] for q in questions} == {"A", "B", "C", "D"}
    assert all(q["options"]["ABCD".index(q["gold"])] == "right" for q in questions)
    assert questions == list(read_datasets([file]).questions.values())


@pytest.mark.parametrize(
    "row",
    [
        {"id": "X_1", "question": "Q", "choices": {"text": ["a", "b"], "label": ["1", "2"]}, "answerKey": "2"},
        {
            "id": "X_1",
            "question": {"stem": "Q", "choices": [{"text": "a", "label": "A"}, {"text": "b", "label": "B"}]},
            "answerKey": "B",
        },
    ],
    ids=["hugging face", "as released"],
)
def test_arc(tmp_path: Path, row: dict[str, Any]) -> None:
    """Labels may be digits or letters, flat or nested; the right answer becomes a letter."""
    (question,) = read_datasets([_lines(tmp_path / "ARC-Easy.jsonl", row)]).questions.values()
    assert question == {"question_id": "arc-X_1", "text": "Q", "options": ["a", "b"], "gold": "B"}


def _lm_sample(doc: dict[str, Any], resps: Any, **more: Any) -> dict[str, Any]:
    return {
        "doc_id": 7,
        "doc": doc,
        "target": "x",
        "arguments": {"gen_args_0": {"arg_0": "prompt"}},
        "resps": resps,
        "filtered_resps": [],
        "filter": "none",
        "acc": 0.5,
        **more,
    }


def test_lm_harness_generated_texts(tmp_path: Path) -> None:
    """A sample gives question and outputs; its repeats become further agents, and a second filter adds nothing new."""
    doc = {"question": "How many?", "answer": "so\n#### 5"}
    sample = _lm_sample(doc, [["first text", "second text"]])
    file = tmp_path / "org__model" / "samples_gsm8k_cot_2025-01-02T03-04-05.678901.jsonl"
    found = read_datasets([_lines(file, sample, {**sample, "filter": "flexible-extract"})])
    assert list(found.questions) == ["gsm8k_cot-7"]
    outputs = {(o["model"], o["text"]) for o in found.outputs}
    assert outputs == {("org__model", "first text"), ("org__model@2", "second text")}


@pytest.mark.parametrize(
    "resps",
    [
        [[[-3.5, False]], [[-0.25, True]], [[-9.0, False]]],
        [[["-3.5", "False"]], [["-0.25", "True"]], [["-9", "False"]]],
    ],
    ids=["numbers", "texts"],
)
def test_lm_harness_log_likelihoods(tmp_path: Path, resps: Any) -> None:
    """Of a multiple choice by log-likelihood the likeliest option is the answer."""
    doc = {"question": "Q", "choices": ["a", "b", "c"], "answer": 1, "subject": "law"}
    found = read_datasets(
        [_lines(tmp_path / "m" / "samples_mmlu_law_2025-01-02T03-04-05.6.jsonl", _lm_sample(doc, resps))]
    )
    (output,) = found.outputs
    assert (output["model"], output["answer"]) == ("m", "B")
    assert found.questions["mmlu_law-7"]["gold"] == "B"


def test_lm_harness_of_an_unknown_task(tmp_path: Path) -> None:
    """A document in no known form is refused with the names of its fields."""
    found = read_datasets([_lines(tmp_path / "m" / "samples_x.jsonl", _lm_sample({"code": "def"}, [["t"]]))])
    assert not found.questions
    assert "code" in found.problems[0].reason


def _inspect_sample(**more: Any) -> dict[str, Any]:
    return {
        "id": 3,
        "epoch": 1,
        "input": "Which?",
        "choices": ["a", "b"],
        "target": "B",
        "output": {
            "model": "openai/m",
            "completion": "ANSWER: B",
            "usage": {"input_tokens": 5, "output_tokens": 2},
            "time": 1.5,
        },
        **more,
    }


def test_inspect_archive_and_json_give_the_same(tmp_path: Path) -> None:
    """An .eval archive and the JSON form of a log hold the same questions, outputs, tokens and epochs."""
    spec = {"eval": {"task": "t/quiz", "model": "openai/m"}}
    messages = [{"role": "system", "content": "be"}, {"role": "user", "content": [{"type": "text", "text": "Which?"}]}]
    second = _inspect_sample(epoch=2, input=messages)
    second["output"] = {"choices": [{"message": {"content": "attachment://k"}}]}
    second["attachments"] = {"k": "ANSWER: A"}
    samples = [_inspect_sample(), second]
    archive = tmp_path / "log.eval"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("header.json", json.dumps(spec))
        for sample in samples:
            out.writestr(f"samples/3_epoch_{sample['epoch']}.json", json.dumps(sample))
    plain = tmp_path / "log.json"
    plain.write_text(json.dumps({**spec, "samples": samples}))
    one, two = read_datasets([archive]), read_datasets([plain])
    assert (one.questions, one.outputs) == (two.questions, two.outputs)
    assert one.questions["quiz-3"]["gold"] == "B"
    assert [(o["model"], o["text"], o.get("latency_ms")) for o in one.outputs] == [
        ("openai/m", "ANSWER: B", 1500),
        ("openai/m@2", "ANSWER: A", None),
    ]


def test_a_damaged_archive_is_named(tmp_path: Path) -> None:
    """A cut .eval file is refused with a way on, not with a traceback."""
    file = tmp_path / "log.eval"
    file.write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(UsageError, match="Inspect log"):
        read_datasets([file])


def test_llm_router_bench(tmp_path: Path) -> None:
    """Letters and numbers become questions with outputs and costs; code and free text are refused."""
    record = {
        "index": 4,
        "origin_query": "Pick one.\nA. red\nB. blue",
        "prompt": "p",
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "cost": 0.0000125,
        "score": 1.0,
        "prediction": "B",
        "ground_truth": "B",
        "raw_output": "It is B.",
    }
    number = {
        **record,
        "index": 5,
        "origin_query": "6*7?",
        "ground_truth": "42",
        "prediction": "42",
        "raw_output": ["x"],
    }
    code = {**record, "index": 6, "origin_query": "Write it", "ground_truth": "def f(): ..."}
    file = tmp_path / "quiz-test-m.json"
    file.write_text(
        json.dumps({"model_name": "m", "dataset_name": "quiz", "split": "test", "records": [record, number, code]})
    )
    found = read_datasets([file])
    assert found.questions["quiz-test-4"]["options"] == ["red", "blue"]
    assert found.questions["quiz-test-5"]["answer_type"] == "number"
    assert found.outputs[0] == {
        "question_id": "quiz-test-4",
        "model": "m",
        "text": "It is B.",
        "answer": "B",
        "input_tokens": 10,
        "output_tokens": 3,
        "cost_nusd": 12_500,
    }
    assert [problem.line for problem in found.problems] == [3]


def test_router_arena_merges_right_answers(tmp_path: Path) -> None:
    """A right answer that one model's file lacks is taken from another's; failed calls have no output."""
    asked = "Please read.\n\nContext: None\n\nQuestion: Which?\n\nOptions: \nA. x\nB. y\n\n\nProvide the letter."
    row = {"global_index": "Quiz_1", "question": asked, "generated_answer": "\\boxed{B}", "success": True}
    usage = {"input_tokens": 9, "output_tokens": 4}
    _lines(tmp_path / "a.jsonl", {**row, "llm_selected": "a", "token_usage": usage, "evaluation_result": None})
    graded = {"ground_truth": "B", "score": 1.0, "inference_cost": 0.00025}
    _lines(tmp_path / "b.jsonl", {**row, "llm_selected": "b", "success": False, "evaluation_result": graded})
    found = read_datasets([tmp_path])
    (question,) = found.questions.values()
    assert (question["text"], question["options"], question["gold"]) == ("Which?", ["x", "y"], "B")
    assert [(o["model"], o["input_tokens"]) for o in found.outputs] == [("a", 9)]


def test_a_question_that_changed_is_refused(tmp_path: Path) -> None:
    """Two texts under one id would compare models on different questions; the second is refused."""
    row = {"question_id": 1, "question": "Q", "options": ["a", "b"], "answer": "A", "answer_index": 0, "category": "c"}
    found = read_datasets([_lines(tmp_path / "x.jsonl", row, {**row, "question": "another"})])
    assert len(found.questions) == 1
    assert "another question" in found.problems[0].reason


def test_an_unknown_form_names_those_that_are_read(tmp_path: Path) -> None:
    """Rows in no form that is read end in an error with the fields, and the forms that are."""
    with pytest.raises(UsageError, match="foo") as raised:
        read_datasets([_lines(tmp_path / "x.jsonl", {"foo": 1})])
    assert "MMLU-Pro" in (raised.value.remedy or "")


def test_a_pickle_is_never_read(tmp_path: Path) -> None:
    """A pickle is refused by its first bytes."""
    file = tmp_path / "results.jsonl"
    file.write_bytes(b"\x80\x04\x95" + b"x" * 20)
    with pytest.raises(UsageError, match="pickle"):
        read_datasets([file])


@given(st.lists(st.text(st.characters(exclude_characters="\n\r", codec="utf-8"), min_size=1), min_size=2, max_size=20))
def test_lettered_options_are_found_again(options: list[str]) -> None:
    """Options written one a line under their letters are split from the question, whatever they hold."""
    clean = [option.strip() or "-" for option in options]
    clean = ["".join(option.splitlines()) or "-" for option in clean]
    prompt = "What?\n" + "\n".join(f"{chr(65 + place)}. {option}" for place, option in enumerate(clean))
    assert lettered_options(prompt) == ("What?", [option.strip() for option in clean])


_FIELDS = (
    *("question", "choices", "options", "answer", "answer_index", "doc_id", "doc", "resps", "question_id", "model"),
    *("text", "global_index", "llm_selected", "generated_answer", "answerKey", "evaluation_result"),
)
_VALUES = st.recursive(
    st.none() | st.integers(-3, 30) | st.text(max_size=6) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["text", "label", "answer", "question"]), inner)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(_FIELDS), _VALUES, min_size=1))
def test_no_row_stops_a_reader(tmp_path_factory: pytest.TempPathFactory, row: dict[str, Any]) -> None:
    """Whatever a row holds, it is used, refused with its line, or the file is refused as a form that is not read."""
    file = _lines(tmp_path_factory.mktemp("rows") / "x.jsonl", row)
    try:
        found = read_datasets([file])
    except UsageError:
        return
    assert found.questions or found.outputs or found.problems
