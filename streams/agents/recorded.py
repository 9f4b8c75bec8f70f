"""Agents that play back recorded outputs, and the file format."""

import sys
from collections.abc import Iterable
from typing import Any, NamedTuple

from schemas.agents import RecordedAgent
from schemas.canonical import MAX_INTEGER
from schemas.panels import Role
from schemas.quantities import MAX_CALL_NUSD, MAX_MS
from streams.agents.agent import AgentError, Reply, Task, read_sub_questions
from streams.agents.asked_again import earlier_ids
from streams.jsonlines import LineProblem, Source, read_objects, source_name

VERDICT_SUFFIX = "#merger"
_SUFFIXES: dict[Role, str] = {"analyst": "", "dispatcher": "#dispatcher", "merger": VERDICT_SUFFIX}
_NAMES = ("question_id", "model")
_COUNTS = {"latency_ms": MAX_MS, "cost_nusd": MAX_CALL_NUSD, "input_tokens": MAX_INTEGER, "output_tokens": MAX_INTEGER}
"""Optional integer fields of a line, with the largest value an event can hold."""
_FIELDS = frozenset({*_NAMES, "text", "answer", *_COUNTS})
_FOREIGN = {
    # Names that other programs give to the fields of a line.
    **dict.fromkeys(("id", "qid", "uid"), "question_id"),
    **dict.fromkeys(("model_name", "model_id", "engine"), "model"),
    **dict.fromkeys(("response", "output", "completion", "generation", "content", "reply"), "text"),
    **dict.fromkeys(("prediction", "pred", "extracted_answer"), "answer"),
}


class RecordedOutput(NamedTuple):
    """Recorded output of one model for one question."""

    text: str
    answer: str | None
    latency_ms: int | None
    cost_nusd: int | None
    input_tokens: int | None
    output_tokens: int | None


class RecordedOutputs(NamedTuple):
    """Outputs of all files, and the lines that could not be used."""

    by_model: dict[str, dict[str, RecordedOutput]]
    """Outputs by model, then question id, each in order of first appearance."""
    problems: list[LineProblem]
    """Lines that could not be used, in the order of the files."""


def read_outputs(sources: Iterable[Source]) -> RecordedOutputs:
    """
    Read files of recorded outputs, in any form that `read_objects` reads.

    A line holds `question_id`, `model` and `text`, and may hold `answer`, `latency_ms`, `cost_nusd`, `input_tokens`
    and `output_tokens`; null counts as absent. Outputs of a model as dispatcher or as merger have the ids
    `<question_id>#dispatcher` and `<question_id>#merger`. A line that breaks a rule becomes a problem; so does a
    second, different output of a model for a question. A repeated output is ignored.

    Raises:
        UsageError: A file cannot be read to its end; see `jsonlines.read_lines`.
    """
    by_model: dict[str, dict[str, RecordedOutput]] = {}
    problems: list[LineProblem] = []
    for source in sources:
        file = source_name(source)
        for number, fields in read_objects(source, problems, integers=_COUNTS):
            problem = _problem(fields) or _keep(by_model, fields)
            if problem is not None:
                problems.append(LineProblem(file, number, problem))
    return RecordedOutputs(by_model, problems)


def _problem(fields: dict[str, Any]) -> str | None:
    """Describe what is wrong with an output line; None if it is valid."""
    unknown = fields.keys() - _FIELDS
    if unknown:
        meant = [f"{name} -> {_FOREIGN[name.lower()]}" for name in fields if name.lower() in _FOREIGN]
        if meant:
            return f"{', '.join(meant)}: rename them; a line may hold {', '.join(sorted(_FIELDS))}"
        return f"{min(unknown)}: unknown field; a line may hold {', '.join(sorted(_FIELDS))}"
    for name in _NAMES:
        if not isinstance(fields.get(name), str) or not fields[name]:
            return f"{name}: missing, or not a text"
    if not isinstance(fields.get("text"), str):
        return "text: missing, or not a text"
    if not isinstance(fields.get("answer"), str | None):
        return 'answer: not a text; write a number as "18"'
    for name, most in _COUNTS.items():
        value = fields.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= most):
            return f"{name}: {value!r} is not an integer from 0 to {most}"
    return None


def _keep(by_model: dict[str, dict[str, RecordedOutput]], fields: dict[str, Any]) -> str | None:
    """Store an output; return the reason if the model already has a different one for the question."""
    question_id, model = sys.intern(fields["question_id"]), fields["model"]
    output = RecordedOutput(
        fields["text"],
        fields.get("answer"),
        fields.get("latency_ms"),
        fields.get("cost_nusd"),
        fields.get("input_tokens"),
        fields.get("output_tokens"),
    )
    first = by_model.setdefault(model, {}).setdefault(question_id, output)
    if first != output:
        return f"{model!r} has another output for {question_id!r} before this line; the first one counts"
    return None


class RecordedPlayer:
    """
    Plays one model's recorded outputs back, matched by question id; a recorded answer is passed on beside the text.

    Args:
        spec: The agent in the policy.
        outputs: The model's outputs by question id; without a latency an output counts as 0 ms.
    """

    virtual = True
    live = None

    def __init__(self, spec: RecordedAgent, outputs: dict[str, RecordedOutput]) -> None:
        self.spec = spec
        self._outputs = outputs

    def _recorded(self, task: Task) -> RecordedOutput | None:
        """Find the output for a question; for one that is asked again, else that of the question it repeats."""
        for question_id in (task.question_id, *earlier_ids(task.question_id)):
            output = self._outputs.get(question_id + _SUFFIXES[task.role])
            if output is not None:
                return output
        return None

    async def reply(self, task: Task) -> Reply:
        """
        Return the recorded output; each line of a dispatcher's text is a sub-question.

        Raises:
            AgentError: `not_recorded`: there is no output for this question and role.
        """
        output = self._recorded(task)
        if output is None:
            raise AgentError("not_recorded", retriable=False, latency_ms=0)
        return Reply(
            output.text,
            output.answer,
            read_sub_questions(output.text) if task.role == "dispatcher" else (),
            output.latency_ms or 0,
            output.input_tokens,
            output.output_tokens,
            output.cost_nusd,
        )
