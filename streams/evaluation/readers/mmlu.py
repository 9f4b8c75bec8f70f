"""MMLU: the authors' CSV, and Hugging Face's rows."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.questions import LETTERS
from streams.evaluation.readers.found import Found, RowForm, RowPlace, Unusable, has, text_of
from streams.jsonlines import MAX_LINE_BYTES

_SPLITS = re.compile(r"_(test|dev|val|validation|train)$")
"""The authors' files are called SUBJECT_test.csv."""


def is_mmlu_csv(path: Path) -> bool:
    """Whether a CSV file has the authors' form: question, A, B, C, D, and the letter of the answer; no header."""
    if not path.name.endswith(".csv"):
        return False
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            first = next(csv.reader(stream), [])
    except (UnicodeDecodeError, csv.Error):
        return False
    return len(first) == 6 and first[5].strip() in ("A", "B", "C", "D")


def read_mmlu_csv(path: Path, found: Found) -> None:
    """Read one subject's file; the subject is in its name."""
    subject = _SPLITS.sub("", RowPlace(path, 0).stem)
    split = _SPLITS.search(RowPlace(path, 0).stem)
    csv.field_size_limit(MAX_LINE_BYTES)
    with open(path, encoding="utf-8-sig", newline="") as stream:
        for place, row in _numbered(stream, path, found):
            if len(row) != 6 or row[5].strip() not in ("A", "B", "C", "D"):
                found.refuse(place, "a row of MMLU is question, A, B, C, D and the letter of the answer")
                continue
            question_id = f"mmlu-{subject}-{split[1] if split else 'test'}-{place.row}"
            line = _line(question_id, row[0], row[1:5], row[5].strip(), subject)
            try:
                found.question(line)
            except Unusable as error:
                found.refuse(place, str(error))


def _numbered(stream: Any, path: Path, found: Found) -> Iterator[tuple[RowPlace, list[str]]]:
    """Number the rows from 1; a question may go over several lines."""
    reader = csv.reader(stream, strict=True)
    number = 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError) as error:
            found.refuse(RowPlace(path, number), f"not CSV in UTF-8: {error}")
            return
        if row:
            yield RowPlace(path, number, number - 1), row


def _line(question_id: str, text: str, options: list[str], gold: str, subject: str | None) -> dict[str, Any]:
    named = subject.replace("_", " ") if subject else None
    return {"question_id": question_id, "text": text, "options": options, "gold": gold, "subject": named}


def _fits(row: Mapping[str, Any]) -> bool:
    return (
        has(row, "question", "choices", "answer")
        and isinstance(row["choices"], list)
        and (type(row["answer"]) is int or row["answer"] in ("A", "B", "C", "D"))
    )


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    found.question(hugging_face_question(row, f"mmlu-{row.get('subject') or 'all'}-{place.stem}-{place.row}"))


def hugging_face_question(row: Mapping[str, Any], question_id: str) -> dict[str, Any]:
    """
    Make a question of a row with `question`, `choices`, `answer` (index from 0, or letter) and maybe `subject`.

    Raises:
        Unusable: There are no options, or the answer is none of them.
    """
    options = [str(choice) for choice in row["choices"]]
    answer = row["answer"]
    if type(answer) is int:
        if not 0 <= answer < min(len(options), len(LETTERS)):
            raise Unusable(f"answer: {answer} is no index of {len(options)} choices, which count from 0")
        answer = LETTERS[answer]
    return _line(question_id, text_of(row, "question"), options, answer, row.get("subject") or None)


HUGGING_FACE = RowForm("MMLU (Hugging Face)", _fits, _read)
