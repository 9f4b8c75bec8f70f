"""
Tolerant parser of live agents' replies: text, answer and sub-questions.

A reply that is not JSON is text.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from schemas.questions import LETTERS
from streams.agents.agent import AgentError, Reply, Task, read_sub_questions
from streams.agents.providers.completion import Completion
from streams.processors.answers.v1 import read_choice, read_number

MOST_SUB_QUESTION_CHARACTERS = 2_000
"""Longest sub-question that is kept; it becomes part of an analyst's prompt."""

MOST_OBJECTS = 64
"""Most places in a text at which a JSON object is parsed; each costs up to the length of the text."""

_OURS = frozenset({"analysis", "answer", "sub_questions"})
_OBJECT_START = re.compile(r'\{\s*"')
_FENCE = "```"

# Decoration around a letter: "(C)", "C.", "**C**".
_LETTER = re.compile(r"[\W_]{0,8}([A-Za-z])[\W_]{0,8}")

_THOUGHT_STARTS, _THOUGHT_ENDS = "<think>", "</think>"


def read_reply(task: Task, completion: Completion, mask: Callable[[str], str]) -> Reply:
    """
    Parse a completion into a reply.

    The model's reasoning is removed: the text before the last `</think>`, or after a `<think>` at the start that is
    never closed. So an answer that stands only in the reasoning does not count.

    If the text is one JSON object, fenced or not, its `analysis` is the reply's text and its `answer` the answer. If
    prose surrounds the only object with an answer, the whole text is the reply's text. An answer in the last line, in
    the requested form, takes precedence over an object above it, which may be a quotation. An answer that is no option
    is kept as it is; the ballot excludes it.

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
    text = mask(_spoken(completion.text))
    if not text.strip():
        raise AgentError("empty_reply", retriable=completion.finish_reason != "length", spent=used)
    if task.role == "dispatcher":
        return replace(used, text=text, sub_questions=tuple(_sub_questions(task, text, mask)))
    said, answer = _said(task, text)
    return replace(used, text=mask(said), answer=None if answer is None else mask(answer))


def _spoken(text: str) -> str:
    _, closed, spoken = text.rpartition(_THOUGHT_ENDS)
    if closed:
        text = spoken.lstrip()
    return "" if text.lstrip().startswith(_THOUGHT_STARTS) else text


def _said(task: Task, text: str) -> tuple[str, str | None]:
    """Split a reply into its text and the separately stated answer."""
    whole = _whole_object(text)
    if whole is not None:
        analysis = whole.get("analysis")
        return analysis if isinstance(analysis, str) and analysis.strip() else text, _answer(task, whole)
    if '"answer"' not in text:
        return text, None
    stated = _stated_last(task, text)
    if stated is not None:
        return text, stated
    answers = [found for found in _objects(text) if "answer" in found]
    return text, _answer(task, answers[0]) if len(answers) == 1 else None


def _stated_last(task: Task, text: str) -> str | None:
    line = text.rstrip().rpartition("\n")[2]
    if '"answer"' in line:
        return None
    # All letters count as options here: a stated letter that is no option still overrides an object above it.
    reading = read_choice(line, len(LETTERS)) if task.answer_type == "choice" else read_number(line)
    return reading.answer if reading.source == "statement" else None


def _answer(task: Task, found: dict[str, Any]) -> str | None:
    """Return an object's answer as text: the letter of the option it names, else the answer unchanged."""
    given = found.get("answer")
    if isinstance(given, bool):
        given = "true" if given else "false"
    if not isinstance(given, str) or not given.strip():
        return None
    return _option(task.options, given) if task.answer_type == "choice" else given


def _option(options: tuple[str, ...], given: str) -> str:
    letters = LETTERS[: len(options)]
    decorated = _LETTER.fullmatch(given.strip())
    letter = decorated[1].upper() if decorated else ""
    if letter and letter in letters:
        return letter
    words = given.strip().casefold()
    named = [letter for letter, option in zip(letters, options, strict=True) if option.strip().casefold() == words]
    return named[0] if len(named) == 1 else letter or given


def _sub_questions(task: Task, text: str, mask: Callable[[str], str]) -> Iterator[str]:
    objects = [found for found in _objects(text) if isinstance(found.get("sub_questions"), list)]
    # Masked before the cut: half a key would not be recognised.
    listed = [mask(part).strip() for part in objects[0]["sub_questions"] if isinstance(part, str)] if objects else None
    parts = read_sub_questions(text) if listed is None else filter(None, listed)
    for _, part in zip(range(task.seats), parts, strict=False):
        yield part[:MOST_SUB_QUESTION_CHARACTERS]


# --- JSON ----------------------------------------------------------------------------------------------------------


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is there twice: parsers disagree about which one counts")
    return found


# Numbers stay text, so that no digits are lost and no number is too long. Unescaped line ends in strings, a common
# mistake of models, are accepted.
_JSON = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_int=str, parse_float=str, parse_constant=str, strict=False
)


def _object_at(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Parse the JSON object at *start*; return it and its end if it has a requested field."""
    try:
        value, end = _JSON.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) and not _OURS.isdisjoint(value) else None


def _whole_object(text: str) -> dict[str, Any] | None:
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE):
        text = text.removesuffix(_FENCE).partition("\n")[2].strip()
    found = _object_at(text, 0)
    return found[0] if found is not None and found[1] == len(text) else None


def _objects(text: str) -> list[dict[str, Any]]:
    """List the outermost objects in a text; none if more than `MOST_OBJECTS` places could begin one."""
    starts = [match.start() for match in _OBJECT_START.finditer(text)]
    objects, end = [], 0
    for start in starts if len(starts) <= MOST_OBJECTS else ():
        found = _object_at(text, start) if start >= end else None
        if found is not None:
            objects.append(found[0])
            end = found[1]
    return objects
