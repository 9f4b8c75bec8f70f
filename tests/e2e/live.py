"""
Live agents played by a recorded-model server, and their attempts.

The attempts are those that the log holds.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .command import Place, question

KEY = "sk-planted-9f8e7d6c5b4a39281706"
MODELS = ("able", "brisk", "crude")
"""The first is always right, the others every second and every third time."""


def questions(count: int) -> list[dict[str, Any]]:
    """Write question lines, every fifth with a number for an answer."""
    return [
        question(number)
        if number % 5
        else {
            "question_id": f"q{number}",
            "text": f"How many are {number} and {number}?",
            "answer_type": "number",
            "gold": str(2 * number),
            "occurred_at": "2026-03-01T10:00:00Z",
        }
        for number in range(count)
    ]


def outputs(asked: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write what each model says to each question; nothing but text, as models give it."""
    return [
        {"question_id": line["question_id"], "model": model, "text": _says(place, model, line)}
        for place, line in enumerate(asked)
        for model in MODELS
    ]


def _says(place: int, model: str, line: Mapping[str, Any]) -> str:
    right = place % (MODELS.index(model) + 1) == 0
    if line.get("answer_type") == "number":
        return f"Let me count.\nThe answer is {line['gold'] if right else 7}."
    return f"I think so.\nThe answer is ({line['gold'] if right else 'ABC'['BCA'.index(line['gold'])]})."


def config(kinds: Mapping[str, str], url: str, *more: str, limits: str = "timeout_ms = 20_000, backoff_ms = 20") -> str:
    """Write a configuration: agents by name and kind, panels of all in their order, a vote."""
    agents = "".join(
        f'[[agents]]\nkind = "{kind}"\nname = "{name}"\nkey_env = "PLANTED_KEY"\n'
        f'model = "{"openai/" if kind == "litellm" else ""}{name}"\nbase_url = "{url}"\n'
        f"price = {{ input_nusd_per_ktoken = 100_000, output_nusd_per_ktoken = 400_000 }}\nlimits = {{ {limits} }}\n"
        for name, kind in kinds.items()
    )
    rules = f'[routing]\nrule = "static"\npanel_size = {len(kinds)}\n[merge]\nrule = "vote"\n'
    return "\n".join([*more, rules, agents])


def write(place: Place, count: int) -> list[dict[str, Any]]:
    """Write the files of questions and outputs; give the questions."""
    asked = questions(count)
    place.write("questions.jsonl", asked)
    place.write("outputs.jsonl", outputs(asked))
    return asked


def analyses(place: Place, log: str = "orch.db") -> list[dict[str, Any]]:
    """List the analyses of a log."""
    return place.events("analyses", log)


def answers(place: Place, log: str = "orch.db") -> dict[str, tuple[str | None, str]]:
    """Give the answer and the tally of each decision."""
    return {
        event["question_id"]: (event["answer"], json.dumps(event["tally"])) for event in place.events("decisions", log)
    }


def attempts(place: Place) -> Iterator[tuple[str, dict[str, Any]]]:
    """Iterate the attempts in a log, each with its agent."""
    for analysis in analyses(place):
        for attempt in analysis["attempts"]:
            yield analysis["agent"], attempt


def fates(place: Place) -> Counter[str]:
    """Count attempts by outcome."""
    return Counter(attempt["error"] or attempt["outcome"] for _, attempt in attempts(place))


def leaks(place: Place, *said: str) -> list[str]:
    """List the files of the directory, and the outputs of commands, that hold the key."""
    files = [
        str(path.relative_to(place.path))
        for path in place.path.rglob("*")
        if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    return [*files, *(text for text in said if KEY in text)]
