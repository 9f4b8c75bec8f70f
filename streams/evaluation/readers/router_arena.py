"""RouterArena: `cached_results/MODEL.jsonl`."""

import re
from collections.abc import Mapping
from typing import Any

from streams.evaluation.readers.found import Found, RowForm, RowPlace, has, nusd_of, repeated, text_of, whole
from streams.evaluation.readers.lettered_options import as_question

_ASKED = re.compile(r"Question:(.*?)\n+Options:", re.DOTALL)


def _fits(row: Mapping[str, Any]) -> bool:
    return has(row, "global_index", "question", "llm_selected", "generated_answer")


def _read(row: Mapping[str, Any], place: RowPlace, found: Found) -> None:
    """
    Read one result; a right answer is there once the project has graded it.

    `global_index` is the data set's name and a number, such as `ArcMMLU_655`. Failed calls have no output.

    Raises:
        Unusable: The question is neither a choice nor numeric, such as one on code.
    """
    question_id, prompt = text_of(row, "global_index"), text_of(row, "question")
    graded = row.get("evaluation_result") or {}
    gold = graded.get("ground_truth")
    question = as_question(prompt, gold if isinstance(gold, str) else None)
    asked = _ASKED.search(prompt)
    if "options" in question and asked:
        question["text"] = asked[1].strip()
    subject = question_id.rpartition("_")[0] or None
    found.question({"question_id": question_id, **question, "subject": subject})
    if row.get("success") is False or not isinstance(row["generated_answer"], str):
        return
    usage = row.get("token_usage") or {}
    found.output(
        question_id,
        repeated(text_of(row, "llm_selected"), whole(row.get("run_number")) or 1),
        row["generated_answer"],
        input_tokens=whole(usage.get("input_tokens")),
        output_tokens=whole(usage.get("output_tokens")),
        cost_nusd=nusd_of(graded.get("inference_cost")),
    )


ROUTER_ARENA = RowForm("RouterArena", _fits, _read)
