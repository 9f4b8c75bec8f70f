"""Real questions found in prompts, and real outputs played."""

import json
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from infra.models.library import Library
from infra.models.matching import QuestionIndex
from infra.models.prompt import read_prompt
from infra.models.server import ModelServer
from schemas.prompts import Prompts
from streams.agents.agent import Task
from streams.agents.prompts import messages_of
from streams.jsonlines import read_objects

from ...unit.test_models_matching import block
from .test_models_http import ask, prompt


def _rows(file: Path) -> list[dict[str, Any]]:
    return [fields for _, fields in read_objects(file, [])]


@pytest.mark.parametrize(("dataset", "count"), [("mmlu-pro", 2_000), ("gsm8k", 600)])
def test_every_question_is_matched_to_itself(recorded_data: Path, dataset: str, count: int) -> None:
    """Each question is found in the prompt that the program writes, and in a bare one."""
    rows = _rows(recorded_data / dataset / "questions.jsonl.gz")
    index = QuestionIndex(Library(rows, []).questions.values())
    around = "You are one of several experts. " * 20
    prompts = [(row["question_id"], _asked(row)) for row in rows]
    prompts += [(row["question_id"], "\n".join([around, row["text"], *row["options"]])) for row in rows]
    wrong = [question_id for question_id, text in prompts if _found(index, text) != question_id]
    assert len(rows) == count
    assert not wrong


def _asked(row: dict[str, Any]) -> str:
    task = Task(
        question_id=row["question_id"],
        text=row["text"],
        options=tuple(row["options"]),
        answer_type=row["answer_type"],
        subject=row["subject"],
        role="analyst",
        stage=0,
    )
    return "\n".join(message.content for message in messages_of(task, Prompts(), alone=False))


def _found(index: QuestionIndex, text: str) -> str | None:
    question = index.find(read_prompt(text))
    return question and question.question_id


def test_recorded_outputs_are_played(recorded_data: Path) -> None:
    """What a model gave to a question comes back over HTTP, and a merger goes with what the analyses say."""
    folder = recorded_data / "mmlu-pro"
    questions = {row["question_id"]: row for row in _rows(folder / "questions.jsonl.gz")}
    outputs = _rows(folder / "outputs.jsonl.gz")
    with ModelServer(folder / "questions.jsonl.gz", folder / "outputs.jsonl.gz") as server:
        for output in islice(outputs, 0, None, 400):
            question = prompt(questions[output["question_id"]])
            answer = ask(server, output["model"], question, response_format={"type": "json_object"})
            assert json.loads(answer.content) == {"analysis": output["text"], "answer": output["answer"]}
            if output["answer"] is not None:
                merged = ask(server, output["model"], f"{question}\n{block('analysis', output['text'])}")
                assert merged.content.endswith(f"The answer is ({output['answer']}).")
