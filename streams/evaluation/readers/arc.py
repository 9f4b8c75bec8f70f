"""ARC: questions with labelled choices, flat or nested."""

from collections.abc import Mapping
from typing import Any

from streams.evaluation.readers.found import Found, RowForm, RowPlace, Unusable, has, text_of


def _fits(row: Mapping[str, Any]) -> bool:
    return has(row, "answerKey", "question") and (
        isinstance(row.get("choices"), dict) or isinstance(row["question"], dict)
    )


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question(arc_question(row, f"arc-{place.stem}-{place.row}"))


def arc_question(row: Mapping[str, Any], question_id: str) -> dict[str, Any]:
    """
    Make a question of a row; the labels may be letters or digits.

    Raises:
        Unusable: The answer is none of the labels.
    """
    question = row["question"]
    if isinstance(question, dict):
        text, choices = text_of(question, "stem"), question.get("choices")
        pairs = [(str(choice.get("label")), str(choice.get("text"))) for choice in choices or ()]
    else:
        text, choices = text_of(row, "question"), row["choices"]
        pairs = list(zip(map(str, choices.get("label", ())), map(str, choices.get("text", ())), strict=False))
    labels = [label for label, _ in pairs]
    if row["answerKey"] not in labels:
        raise Unusable(f"answerKey {row['answerKey']!r} is none of the labels {', '.join(labels)}")
    name = row.get("id")
    return {
        "question_id": f"arc-{name}" if name else question_id,
        "text": text,
        "options": [option for _, option in pairs],
        "gold": chr(ord("A") + labels.index(row["answerKey"])),
    }


ARC = RowForm("ARC", _fits, _read)
