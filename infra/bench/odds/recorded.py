"""Recorded model outputs as questions with known answers."""

import gzip
import json
from pathlib import Path
from typing import Any

from infra.bench.odds.play import AT, Known
from schemas.questions import QuestionAsked
from streams.processors.answers import EXTRACTORS, Options
from streams.processors.odds.evidence import evidence_of
from streams.processors.odds.question_facts import facts_of
from streams.processors.odds.switches import Voice


def load(folder: Path, *, most: int | None = None) -> list[Known]:
    """
    Read a data set of recorded outputs.

    Args:
        folder: Holds `questions.jsonl.gz` and `outputs.jsonl.gz`.
        most: Number of questions; all if None.

    Returns:
        Answers as a recorded agent gives them: the recorded one, or else what `answers.v2` reads in the text.
    """
    questions = lines(folder / "questions.jsonl.gz")[:most]
    outputs: dict[str, dict[str, dict[str, Any]]] = {str(question["question_id"]): {} for question in questions}
    for output in lines(folder / "outputs.jsonl.gz"):
        if output["question_id"] in outputs:
            outputs[output["question_id"]][output["model"]] = output
    return [_known(question, outputs[question["question_id"]]) for question in questions]


def lines(path: Path) -> list[dict[str, Any]]:
    """Read a compressed file of JSON Lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def _known(given: dict[str, Any], outputs: dict[str, dict[str, Any]]) -> Known:
    asked = QuestionAsked(
        occurred_at=AT,
        question_id=given["question_id"],
        text=given["text"],
        options=tuple(given["options"]),
        answer_type=given["answer_type"],
    )
    facts = facts_of(asked, option_shapes=True)
    options = Options.of(asked.options) if asked.options else None
    voices: dict[str, Voice | None] = {}
    for model, output in sorted(outputs.items()):
        text = output["text"]
        answer = EXTRACTORS["answers.v2"].read(text, options, output.get("answer")).answer
        voices[model] = None
        if answer is not None:
            found = evidence_of(model, answer, text, facts)
            voices[model] = Voice(model, answer, found.grounds, found.uses, found.repeats)
    return Known(asked.question_id, len(asked.options), given["gold"], facts, voices)
