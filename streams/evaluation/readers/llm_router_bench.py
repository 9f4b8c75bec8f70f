"""LLMRouterBench: `results/bench/DATASET/SPLIT/MODEL/....json`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from streams.evaluation.readers.found import Found, RowPlace, Unusable, has, nusd_of, text_of, whole
from streams.evaluation.readers.lettered_options import as_question

NAME = "LLMRouterBench"


def is_llm_router_bench(whole_file: Mapping[str, Any]) -> bool:
    """Whether a JSON object is one model's results on one data set."""
    return has(whole_file, "model_name", "dataset_name", "records") and isinstance(whole_file["records"], list)


def read_llm_router_bench(path: Path, results: Mapping[str, Any], found: Found) -> None:
    """
    Read the records of a file.

    The options of a choice are in its prompt. Records whose right answer is neither a letter nor a number (code, free
    text) cannot be decided by a panel and are refused.
    """
    model, dataset = str(results["model_name"]), str(results["dataset_name"])
    split = str(results.get("split") or "test")
    for number, record in enumerate(results["records"], 1):
        place = RowPlace(path, number)
        try:
            _read(record, f"{dataset}-{split}-{record.get('index', number)}", model, dataset, found)
        except (Unusable, AttributeError) as error:
            found.refuse(place, str(error))


def _read(record: Mapping[str, Any], question_id: str, model: str, dataset: str, found: Found) -> None:
    prompt = record.get("origin_query") or text_of(record, "prompt")
    gold = record.get("ground_truth")
    question = as_question(prompt, str(gold) if isinstance(gold, str | int) else None)
    found.question({"question_id": question_id, **question, "subject": dataset})
    raw, prediction = record.get("raw_output"), record.get("prediction")
    text = raw if isinstance(raw, str) else prediction if isinstance(prediction, str) else None
    if text is None:
        return
    found.output(
        question_id,
        model,
        text,
        answer=prediction if isinstance(prediction, str) and prediction else None,
        input_tokens=whole(record.get("prompt_tokens")),
        output_tokens=whole(record.get("completion_tokens")),
        # Models that ran on the authors' machines cost 0 there, which is no price.
        cost_nusd=nusd_of(record["cost"]) if record.get("cost") else None,
    )
