"""Tolerant parser of live agents' replies."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from schemas.questions import LETTERS
from streams.agents.agent import AgentError, Reply, Task, read_sub_questions
from streams.agents.providers.completion import Completion
from streams.processors.answers import read_choice, read_number

MOST_SUB_QUESTION_CHARACTERS = 2_000
"""Of one sub-question; it goes into the prompt of an analyst, and a page of it is no longer a side of the question."""

MOST_OBJECTS = 64
"""Places in a text at which a JSON object is looked for; each costs up to the length of the text."""

_OURS = frozenset({"analysis", "answer", "sub_questions"})
_OBJECT_START = re.compile(r'\{\s*"')
_FENCE = "```"

# Decoration around a letter: "(C)", "C.", "**C**".
_LETTER = re.compile(r"[\W_]{0,8}([A-Za-z])[\W_]{0,8}")

_THOUGHT_STARTS, _THOUGHT_ENDS = "<think>", "</think>"


def read_reply(task: Task, completion: Completion, mask: Callable[[str], str]) -> Reply:
    """
    Read what an agent gave.

    Thought, which some models write down before they speak, is no part of it: what stands before the last `</think>`,
    or after a `<think>` at the start that is never closed, is left out, as it is where a provider keeps it apart. So
    an answer that was only thought of does not count.

    A text that is one JSON object, in a fence or not, gives its `analysis` as the text and its `answer` as the answer.
    Where prose stands around the one object with an answer, the whole is the text. An answer in the last line, in the
    form that was asked for, comes before any object further up: that may be a quotation. An answer that is no option
    stays as it is, for the ballot to leave out.

    Args:
        task: What was asked.
        completion: What came; its reported words are not looked at, but for `length` as the finish reason.
        mask: Hides secrets; applied to all text, also to what JSON escapes had hidden from it.

    Returns:
        Text, answer, a dispatcher's sub-questions (at most one a seat), and tokens.

    Raises:
        AgentError: `empty_reply`: nothing was said. It may be tried again, unless the length ran out: the same request
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
    """Give the text that counts, and the answer apart from it."""
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
    # With all letters as options: one that is none here must not give way to an object further up.
    reading = read_choice(line, len(LETTERS)) if task.answer_type == "choice" else read_number(line)
    return reading.answer if reading.source == "statement" else None


def _answer(task: Task, found: dict[str, Any]) -> str | None:
    """Give an object's answer as text: an option's letter where it names one, else as it stands."""
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
    # Masked before they are cut: of a key cut in half nobody would see what it is.
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


# Numbers stay as they were written: no digits are lost, and none are too many. Line ends in strings, which models
# forget to escape, are let pass.
_JSON = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_int=str, parse_float=str, parse_constant=str, strict=False
)


def _object_at(text: str, start: int) -> tuple[dict[str, Any], int] | None:
    """Read the JSON object that starts at a place; give it and its end, if it says anything that was asked for."""
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
    """List the objects in a text that are in no other; none where there are more than `MOST_OBJECTS` places to look."""
    starts = [match.start() for match in _OBJECT_START.finditer(text)]
    objects, end = [], 0
    for start in starts if len(starts) <= MOST_OBJECTS else ():
        found = _object_at(text, start) if start >= end else None
        if found is not None:
            objects.append(found[0])
            end = found[1]
    return objects
