"""GPQA: one correct and three incorrect answers, to be shuffled."""

import hashlib
from collections.abc import Mapping
from typing import Any

from schemas.questions import LETTERS
from streams.evaluation.readers.found import Found, RowForm, RowPlace, has, text_of

_WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def _fits(row: Mapping[str, Any]) -> bool:
    return has(row, "Question", "Correct Answer", *_WRONG)


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question(gpqa_question(row, f"gpqa-{place.stem}-{place.row}"))


def gpqa_question(row: Mapping[str, Any], question_id: str) -> dict[str, Any]:
    """
    Make a question of a row.

    The file lists the right answer first. The options are put in the order of the SHA-256 of question id and option,
    so they stand in the same order in every evaluation.

    Raises:
        Unusable: The question or an answer is missing.
    """
    name = row.get("Record ID")
    question_id = f"gpqa-{name}" if isinstance(name, str) and name.strip() else question_id
    right = text_of(row, "Correct Answer").strip()
    options = sorted(
        (right, *(text_of(row, wrong).strip() for wrong in _WRONG)),
        key=lambda option: hashlib.sha256(f"{question_id}/{option}".encode()).digest(),
    )
    return {
        "question_id": question_id,
        "text": text_of(row, "Question").strip(),
        "options": options,
        "gold": LETTERS[options.index(right)],
        "subject": row.get("High-level domain") or row.get("Subdomain") or None,
    }


GPQA = RowForm("GPQA", _fits, _read)
