"""MMLU-Pro: up to ten options, letter and index."""

from collections.abc import Mapping
from typing import Any

from streams.evaluation.readers.found import Found, RowForm, RowPlace, Unusable, has, text_of


def _fits(row: Mapping[str, Any]) -> bool:
    return has(row, "question", "options", "answer", "answer_index")


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question(mmlu_pro_question(row, f"{place.stem}-{place.row}"))


def mmlu_pro_question(row: Mapping[str, Any], question_id: str) -> dict[str, Any]:
    """
    Make a question of a row; its own number names it, as `mmlu-pro-00070`.

    Options that say N/A fill the list of ten in the first release; they are no options.

    Raises:
        Unusable: Letter and index of the answer contradict each other.
    """
    number = row.get("question_id")
    options = row["options"]
    if isinstance(options, list):
        while options and options[-1] == "N/A":
            options = options[:-1]
    letter, index = text_of(row, "answer").strip(), row["answer_index"]
    if str(index).isdigit() and letter != chr(ord("A") + int(index)):
        raise Unusable(f"answer {letter!r} and answer_index {index} are different options")
    known = str(number).isdigit()
    return {
        "question_id": f"mmlu-pro-{int(str(number)):05}" if known else f"mmlu-pro-{question_id}",
        "text": text_of(row, "question"),
        "options": options,
        "gold": letter,
        "subject": row.get("category") or None,
    }


MMLU_PRO = RowForm("MMLU-Pro", _fits, _read)
