"""lm-evaluation-harness: `samples_TASK_DATE.jsonl` in a model's folder."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from schemas.questions import LETTERS
from streams.evaluation.readers.arc import ARC, arc_question
from streams.evaluation.readers.found import Found, Line, RowForm, RowPlace, Unusable, has, repeated
from streams.evaluation.readers.gpqa import GPQA, gpqa_question
from streams.evaluation.readers.gsm8k import GSM8K, gsm8k_question
from streams.evaluation.readers.mmlu import HUGGING_FACE, hugging_face_question
from streams.evaluation.readers.mmlu_pro import MMLU_PRO, mmlu_pro_question

_FILE = re.compile(r"samples_(.+?)(?:_[0-9]{4}-[0-9]{2}-[0-9]{2}T.*)?$")
_BY_DOC: tuple[tuple[RowForm, Callable[[Mapping[str, Any], str], Line]], ...] = (
    # A sample carries its document as the data set gives it, so the data set's own form reads it.
    (MMLU_PRO, mmlu_pro_question),
    (GPQA, gpqa_question),
    (ARC, arc_question),
    (HUGGING_FACE, hugging_face_question),
    (GSM8K, gsm8k_question),
)


def _fits(row: Mapping[str, Any]) -> bool:
    return has(row, "doc_id", "doc", "resps") and isinstance(row["doc"], dict)


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    """
    Read one sample.

    Generated answers are `resps[0]`, one text for each repeat. Of a multiple choice by log-likelihood `resps` holds one
    pair for each option, and the model's answer is the likeliest. One document is written once for each filter; the
    further ones repeat the output.

    Raises:
        Unusable: The document has no form that is known, or the sample holds no output.
    """
    named = _FILE.match(place.path.name.removesuffix(".gz").removesuffix(".jsonl"))
    task = named[1] if named else place.stem
    question = _question(row["doc"], f"{task}-{row['doc_id']}")
    gpqa_order = [row["doc"].get(f"choice{number}") for number in range(1, 5)]
    if "Correct Answer" in row["doc"] and all(isinstance(choice, str) for choice in gpqa_order):
        # The task shuffled the options itself, and the model saw that order.
        question["options"] = gpqa_order
        question["gold"] = str(row["doc"].get("answer", "")).strip("()")
    found.question(question)
    model = place.path.parent.name or "model"
    likelihoods = _likelihoods(row["resps"], len(question.get("options") or ()))
    if likelihoods is not None:
        best = LETTERS[max(range(len(likelihoods)), key=likelihoods.__getitem__)]
        listed = ", ".join(f"{LETTERS[place]} {value}" for place, value in enumerate(likelihoods))
        found.output(question["question_id"], model, f"Log-likelihoods: {listed}", answer=best)
        return
    for number, text in enumerate(_texts(row["resps"]), 1):
        found.output(question["question_id"], repeated(model, number), text)


def _question(doc: Mapping[str, Any], question_id: str) -> Line:
    for form, made in _BY_DOC:
        if form.fits(doc):
            return {**made(doc, question_id), "question_id": question_id}
    raise Unusable(f"doc has the fields {', '.join(sorted(doc)[:8])}, which is no form of a data set that is read")


def _likelihoods(resps: Any, options: int) -> list[Decimal] | None:
    """Give the log-likelihood of each option; None if the sample is generated text."""
    if not isinstance(resps, list) or len(resps) != options or not options:
        return None
    values = []
    for pair in resps:
        # [[-1.5, false]] of one request, as text or not; or the pair itself.
        while isinstance(pair, list) and len(pair) == 1:
            pair = pair[0]
        if not isinstance(pair, list) or len(pair) != 2 or str(pair[1]) not in ("True", "False", "true", "false"):
            return None
        try:
            values.append(Decimal(str(pair[0])))
        except InvalidOperation:
            return None
    return values


def _texts(resps: Any) -> list[str]:
    """List the texts of the repeats."""
    found = resps
    while isinstance(found, list) and len(found) == 1 and isinstance(found[0], list):
        found = found[0]
    texts = [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
    if not texts:
        raise Unusable("resps: neither a generated text nor one log-likelihood for each option")
    return texts


LM_HARNESS = RowForm("lm-evaluation-harness", _fits, _read)
