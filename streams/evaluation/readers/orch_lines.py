"""Question lines and output lines of `orch run`."""

from collections.abc import Mapping
from typing import Any

from streams.evaluation.readers.found import Found, RowForm, RowPlace, has, text_of


def _is_output(row: Mapping[str, Any]) -> bool:
    return has(row, "question_id", "model", "text") and not row.keys() & {"options", "answer_type"}


def _read_output(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.outputs.append(dict(row))


def _is_question(row: Mapping[str, Any]) -> bool:
    return has(row, "question_id", "text") and bool(row.keys() & {"options", "answer_type", "A"})


def _read_question(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question({**row, "question_id": text_of(row, "question_id")})


OUTPUTS = RowForm("outputs of orch", _is_output, _read_output)
QUESTIONS = RowForm("questions of orch", _is_question, _read_question)
