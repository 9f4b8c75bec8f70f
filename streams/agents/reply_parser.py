"""
Parser of live agents' replies: text, answer and sub-questions.

Replies are taken apart by the rules that read recorded ones, so that the same bytes give the same answer.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from schemas.questions import LETTERS
from streams.agents.agent import AgentError, Reply, Task, read_sub_questions
from streams.agents.providers.completion import Completion
from streams.processors.answers.reading import Options
from streams.processors.answers.v2.choices import normal_choice, read_choice
from streams.processors.answers.v2.numbers import read_number
from streams.processors.answers.v2.structured import Said, objects_in, taken_apart, values_of
from streams.processors.answers.v2.thoughts import spoken

MOST_SUB_QUESTION_CHARACTERS = 2_000
"""Longest sub-question that is kept; it becomes part of an analyst's prompt."""


def read_reply(task: Task, completion: Completion, mask: Callable[[str], str]) -> Reply:
    """
    Parse a completion into a reply.

    The model's thoughts are removed (see `spoken`), so an answer that stands only in them does not count; of a thought
    that is never closed an explicit final answer at its end is kept.

    If the text is one JSON object, fenced or not, its `analysis` is the reply's text and its `answer` the answer. If
    prose surrounds an object with an answer, the whole text is the reply's text. A statement after the object takes
    precedence over it: the object may be a quotation. An answer that is no option is kept as it is; the ballot
    excludes it.

    Args:
        task: The task of the agent.
        completion: The provider's completion; of its metadata only the finish reason `length` changes the result.
        mask: Masks secrets; applied to the whole text, and again to strings after JSON unescaped them.

    Returns:
        Text, answer, a dispatcher's sub-questions (at most one a seat), and tokens.

    Raises:
        AgentError: `empty_reply`: there is no text. Retriable, unless the output limit was reached: the same request
            would be cut off again.
    """
    used = Reply("", input_tokens=completion.input_tokens, output_tokens=completion.output_tokens)
    text = mask(spoken(completion.text))
    if not text.strip():
        raise AgentError("empty_reply", retriable=completion.finish_reason != "length", spent=used)
    if task.role == "dispatcher":
        return replace(used, text=text, sub_questions=tuple(_sub_questions(task, text, mask)))
    said = taken_apart(text)
    answer = _answer(task, said)
    return replace(used, text=mask(said.text), answer=None if answer is None else mask(answer))


def _answer(task: Task, said: Said) -> str | None:
    """Give the answer apart from the text: the letter of the option it names, else as it was written."""
    values = values_of(said)
    if not values:
        return _stated(task, said.text) if '"answer"' in said.text else None
    if task.answer_type == "number":
        return values[0]
    return normal_choice(values[0], Options.of(task.options)) or values[0]


def _stated(task: Task, text: str) -> str | None:
    """Give the answer that a text states after an object; the first extractor would read the object instead."""
    if task.answer_type == "number":
        return read_number(text).answer
    # Every letter counts as an option here: one that is none still outweighs the object.
    others = len(LETTERS) - len(task.options)
    known = Options.of(task.options)
    equals = (*known.equals, *range(len(task.options), len(LETTERS)))
    return read_choice(text, Options((*known.words, *(None,) * others), equals)).answer


def _sub_questions(task: Task, text: str, mask: Callable[[str], str]) -> Iterator[str]:
    lists = [found["sub_questions"] for found, _ in objects_in(text) if isinstance(found.get("sub_questions"), list)]
    # Masked before the cut: half a key would not be recognised.
    listed = [mask(part).strip() for part in lists[0] if isinstance(part, str)] if lists else None
    parts = read_sub_questions(text) if listed is None else filter(None, listed)
    for _, part in zip(range(task.seats), parts, strict=False):
        yield part[:MOST_SUB_QUESTION_CHARACTERS]
