"""
Answers in JSON objects, or beside a text.

Live and recorded agents' replies are taken apart here, and only here, so that both are read alike.
"""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.characters import end_of, plain
from streams.processors.answers.v2.cues import answer_cues
from streams.processors.answers.v2.thoughts import spoken

MOST_OBJECTS = 64
"""Most places in a text at which a JSON object is parsed; each costs up to the length of the text."""

_FIELDS = frozenset({"analysis", "answer", "sub_questions"})
_OBJECT_START = compile_ascii(r'\{\s*"')
_FENCE = "```"
_AFTER_OBJECT = compile_ascii(r"[\s`*.]{0,20}(?i:(?:is|was)\s(?:not|wrong|incorrect)|(?:is|was)n't|\?)")


class Said(NamedTuple):
    """What an agent said: its text, and its answer if that stands apart from the text."""

    text: str
    answer: str | None


def taken_apart(text: str, answer: str | None = None) -> Said:
    """
    Take a reply apart: without thoughts; of one JSON object, fenced or not, the `analysis` and the `answer`.

    What is taken apart stays as it is when it is taken apart again.

    Args:
        text: What an agent wrote.
        answer: The answer, if the agent gave it beside the text; it takes precedence.
    """
    text = spoken(text)
    # Ends soon: an object within another's string is escaped, so each is less than half as long as the one around it.
    while (found := whole_object(text)) is not None:
        answer = _answer(found) if answer is None else answer
        analysis = found.get("analysis")
        if not isinstance(analysis, str) or not (said := spoken(analysis)).strip():
            break
        text = said
    return Said(text, answer)


def structured_values(text: str, structured: str | None) -> list[str]:
    """Give the answers outside the prose of a reply, the weightiest first: see `values_of`."""
    return values_of(taken_apart(text, structured))


def values_of(said: Said) -> list[str]:
    """
    Give the answers outside the prose of what was said, the weightiest first.

    Returns:
        The answer apart from the text; then the last `"answer"` of an object within the text, unless a statement or a
        denial follows it: an object above the answer may be a quotation.
    """
    values = [] if said.answer is None else [_unwrapped(end_of(said.answer))]
    quoted = _quoted_answer(end_of(said.text))
    return [value for value in (*values, quoted) if value]


def _unwrapped(given: str) -> str:
    said = taken_apart(given)
    return said.answer or said.text


def _quoted_answer(text: str) -> str | None:
    if '"answer"' not in text:
        return None
    last = None
    for found, end in objects_in(text):
        last = (found, end) if "answer" in found else last
    if last is None or _AFTER_OBJECT.match(text, last[1]) or any(answer_cues(plain(text[last[1] :]))):
        return None
    return _answer(last[0])


def _answer(found: dict[str, Any]) -> str | None:
    """Give an object's answer as text: several are joined, and no single one; None if there is none."""
    given = found.get("answer")
    if isinstance(given, list) and all(isinstance(each, str) for each in given):
        given = ", ".join(given)
    if isinstance(given, bool):
        given = "true" if given else "false"
    return given if isinstance(given, str) and given.strip() else None


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
    """Parse the JSON object at *start*; give it and its end if it has a requested field."""
    try:
        value, end = _JSON.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return (value, end) if isinstance(value, dict) and not _FIELDS.isdisjoint(value) else None


def whole_object(text: str) -> dict[str, Any] | None:
    """Give the object that a text consists of, fenced or not."""
    text = text.strip()
    if text.startswith(_FENCE) and text.endswith(_FENCE):
        text = text.removesuffix(_FENCE).partition("\n")[2].strip()
    if not text.startswith("{"):
        return None
    found = _object_at(text, 0)
    return found[0] if found is not None and found[1] == len(text) else None


def objects_in(text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """Give the outermost objects in a text with their ends; none if more than `MOST_OBJECTS` places could begin one."""
    starts = [match.start() for match in _OBJECT_START.finditer(text)]
    end = 0
    for start in starts if len(starts) <= MOST_OBJECTS else ():
        found = _object_at(text, start) if start >= end else None
        if found is not None:
            yield found
            end = found[1]
