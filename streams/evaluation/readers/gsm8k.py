"""GSM8K: worked solutions that end with a number."""

from collections.abc import Mapping
from typing import Any

from streams.evaluation.readers.found import Found, RowForm, RowPlace, Unusable, has, text_of


def _fits(row: Mapping[str, Any]) -> bool:
    return (
        has(row, "question", "answer")
        and not row.keys() & {"options", "choices"}
        and isinstance(row["answer"], str)
        and "####" in row["answer"]
    )


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question(gsm8k_question(row, f"gsm8k-{place.stem}-{place.row}"))


def gsm8k_question(row: Mapping[str, Any], question_id: str) -> dict[str, Any]:
    """
    Make a question of a row with `question` and `answer`.

    Raises:
        Unusable: The solution has no `####`.
    """
    _, mark, gold = text_of(row, "answer").rpartition("####")
    if not mark:
        raise Unusable("answer: no number after ####")
    return {
        "question_id": question_id,
        "text": text_of(row, "question"),
        "answer_type": "number",
        "gold": gold.strip(),
    }


GSM8K = RowForm("GSM8K", _fits, _read)
