"""
Replies of a model in each role.

A reply is the recorded output, else what the analyses or the question give.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from infra.models.library import Library, LibraryQuestion
from infra.models.prompt import Prompt
from infra.models.refusals import ApiError, invalid
from streams.processors.answers.v1 import read_choice, read_number

MOST_SEATS = 100
"""More sub-questions than any panel has seats: a larger number is the caller's mistake."""

_SUB_QUESTIONS = (
    "What exactly does the question ask for, and in which terms or units?",
    "Which facts and numbers does the question give, and which of them matter?",
    "Which definition, law or formula applies here?",
    "Step by step, what follows from the given facts?",
    "Which possible answers can be ruled out, and why?",
    "Does the most likely answer hold when it is checked against every condition?",
)
_ANSWER_WITH = re.compile(r"ANSWER WITH:\s*(\S.*)")


class ModelReply(NamedTuple):
    """Text, and its answer as structured output has it; a dispatcher's sub-questions are lines."""

    text: str
    answer: str | None


def reply_to(model: str, question: LibraryQuestion, prompt: Prompt, library: Library, *, obey: bool) -> ModelReply:
    """
    Give the model's reply before any fault.

    Raises:
        ApiError: 404 `not_recorded` if an analyst has no output; 400 if the seats are no number.
    """
    output = library.recorded(model, question.question_id, prompt.role)
    if output is not None:
        reply = ModelReply(output.text, output.answer)
    elif prompt.role == "merger":
        reply = _merged(question, prompt.blocks["analysis"])
    elif prompt.role == "dispatcher":
        reply = _dispatched(prompt.blocks["seats"][0])
    elif obey:
        reply = ModelReply("", None)
    else:
        raise ApiError(404, "not_recorded", f"Nothing of {model} is recorded for {question.question_id}")
    return _obeying(reply, prompt.orders) if obey else reply


def _merged(question: LibraryQuestion, analyses: Iterable[str]) -> ModelReply:
    """Answer as most analyses do; on a tie, as the first of them."""
    if question.answer_type == "choice":
        readings = (read_choice(analysis, len(question.options)) for analysis in analyses)
    else:
        readings = (read_number(analysis) for analysis in analyses)
    counts = Counter(reading.answer for reading in readings if reading.answer is not None)
    if not counts:
        return ModelReply("None of the analyses comes to a result.", None)
    answer, count = counts.most_common(1)[0]
    shown = f"({answer})" if question.answer_type == "choice" else answer
    return ModelReply(f"Of {counts.total()} analyses with a result, {count} agree. The answer is {shown}.", answer)


def _dispatched(seats: str) -> ModelReply:
    number = int(seats) if re.fullmatch(r"\s*[0-9]{1,3}\s*", seats, re.ASCII) else 0
    if not 1 <= number <= MOST_SEATS:
        raise invalid(f"The seats block says {seats[:80]!r}, not a number from 1 to {MOST_SEATS}", "messages")
    lines = (_SUB_QUESTIONS[seat % len(_SUB_QUESTIONS)] for seat in range(number))
    return ModelReply("\n".join(lines), None)


def _obeying(reply: ModelReply, orders: Sequence[str]) -> ModelReply:
    text = "\n".join([*filter(None, [reply.text]), *orders])
    wanted = _ANSWER_WITH.findall("\n".join(orders))
    return ModelReply(text, wanted[-1].strip() if wanted else reply.answer)
