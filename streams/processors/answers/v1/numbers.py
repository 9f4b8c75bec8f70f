"""Reader of numeric answers, and their canonical form."""

import re

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.reading import UNREADABLE, Reading
from streams.processors.answers.v1.reading import (
    ANSWER_WORDS,
    IS,
    MARK,
    NO_SINGLE_ANSWER,
    Rules,
    end_of,
    is_denied,
    read_by,
    structured_values,
)

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]++)"

# A minus after a word or a closing bracket subtracts; of two the second is matched too, so that "--5" is not read as
# -5. No part of a number is one: not the 27 of "x4.27", nor the 1 of "1e5".
_NUMBER = (
    r"(?P<number>(?:(?<![\w)\]}%])[-+\u2212]?(?:\\?[$€£¥₹] ?)?[-\u2212]?|(?<!\w))"
    rf"(?:(?<!\w)(?<![0-9]\.){_INTEGER}(?:\.[0-9]++)?+|(?<![\w.])\.[0-9]++)(?![eE][-+]?[0-9]))"
)
# A slash starts a unit ("18 km/h") only before a letter; with any other operator the text is no single number.
_CANONICAL = compile_ascii(
    rf"[\s\\$€£¥₹]*+(?P<sign>[-+\u2212]?)[\s\\$€£¥₹]*+(?P<whole>{_INTEGER})?+(?:\.(?P<part>[0-9]*+))?+"
    r"(?:/(?=[A-Za-z])|[^0-9=+*/^<>()\[\]{}|])*+"
)

# What may stand before a number: marks, calculator notes as in GSM8K, "x =", and words that do not change it.
_ABOUT = r"(?i:(?:approximately|about|around|roughly|exactly|only|just|therefore|a\s+total\s+of)\b)"
_GLUE = rf"(?:{MARK}|<<[^<>\n]{{0,120}}>>|[A-Za-z]\s?=|{_ABOUT}){{0,40}}+"

# "A:" counts at the start of a line only.
_CUE = compile_ascii(rf"[AaRr答](?:案|(?<!\w.){ANSWER_WORDS}\b|(?<![^\n].)(?=:))")
_STATES = compile_ascii(rf"{IS}{_GLUE}{_NUMBER}")
_BOXED = compile_ascii(rf"\\boxed\{{{_GLUE}{_NUMBER}")
# "#### 1. First" is a heading with its number, not an answer.
_HASH_LINE = compile_ascii(rf"####[ *]*+{_NUMBER}(?!\.\s+\w)")

_ANY_NUMBER = compile_ascii(_NUMBER)
_OPERATION = compile_ascii(r"\s*(?:[-+*/^x×÷\u2212]|\\times|\\cdot)\s*[\\$€£¥₹(]{0,3}[0-9.]")
_RESULT = compile_ascii(rf"={_GLUE}{_NUMBER}")
# A fraction's lower half, or the end of a number with stray separators ("1,00").
_INSIDE_NUMBER = compile_ascii(r"(?:[0-9](?:,|\s?/\s?)|\}\{)\Z")


def canonical_number(text: str) -> str | None:
    """
    Write a number in its one canonical form, so that equal answers are equal strings.

    Args:
        text: One number, with or without sign, currency, thousands separators and a unit, as in "-$1,234.50 a year".

    Returns:
        Digits with at most one point and a minus before negatives; no zeros in front or behind, no "-0". None for
        anything else: words, an exponent, a fraction, a sum, separators that are not every three digits.
    """
    match = _CANONICAL.fullmatch(text)
    if match is None or not (match["whole"] or match["part"]):
        return None
    whole = (match["whole"] or "").replace(",", "").lstrip("0") or "0"
    part = (match["part"] or "").rstrip("0")
    number = f"{whole}.{part}" if part else whole
    return f"-{number}" if match["sign"] in ("-", "\u2212") and number != "0" else number


def _settled_number(text: str, match: re.Match[str]) -> str | None:
    # "3 * 6 = 18" answers 18; a sum, a range or a fraction with no result on its line answers nothing.
    last = match
    if _OPERATION.match(text, match.end()):
        line_end = text.find("\n", match.end())
        results = list(_RESULT.finditer(text, match.end(), len(text) if line_end < 0 else line_end))
        if not results:
            return NO_SINGLE_ANSWER
        last = results[-1]
    return canonical_number(last["number"]) or NO_SINGLE_ANSWER


def _stated_number(text: str, cue: re.Match[str]) -> str | None:
    match = _STATES.match(text, cue.end())
    return None if match is None or is_denied(text, cue.start()) else _settled_number(text, match)


def _last_number(text: str, match: re.Match[str]) -> str | None:
    if _INSIDE_NUMBER.search(text, max(0, match.start() - 4), match.start()):
        return NO_SINGLE_ANSWER
    return canonical_number(match["number"]) or NO_SINGLE_ANSWER


_RULES: Rules = (
    ("hash_line", _HASH_LINE, _settled_number),
    ("statement", _CUE, _stated_number),
    ("boxed", _BOXED, _settled_number),
    ("last_number", _ANY_NUMBER, _last_number),
)


def read_number(text: str, structured: str | None = None) -> Reading:
    """
    Read which number a text answers with.

    Structured output comes first, as in `read_choice`. Then the last "#### 18", the last statement ("the answer is
    18", "A: 18"), the last box, and the last number of the text.

    Args:
        text: Text of the model; only its last 200,000 characters are read.
        structured: The answer, if the model gave it apart from the text; if it is no number, the text is read.

    Returns:
        A canonical number. Of "5 dollars and 20 cents" it is the first, 5; of "3 * 6 = 18" the result. A fraction, as
        in "1/2", is unreadable: thirds have no decimal form, and numerator or denominator alone is no answer.

    Source: the answer lines of GSM8K (Cobbe et al. 2021).
    """
    text = end_of(text)
    for value in structured_values(text, structured):
        number = canonical_number(value)
        if number is not None:
            return Reading(number, "structured")
    number, source = read_by(_RULES, text)
    return UNREADABLE if number == NO_SINGLE_ANSWER else Reading(number, source)
