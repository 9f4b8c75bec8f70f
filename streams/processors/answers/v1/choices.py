"""Reader of the option that a text chooses."""

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
    read_last,
    structured_values,
    words_before,
)

# --- one option ----------------------------------------------------------------------------------------------------

# What may stand between "is" and the letter. "Either" and "both" announce several options, which are read as such.
_FILLER = (
    r"(?i:(?:the|option|choice|letter|answer|either|both|therefore|thus|most|likely|probably|clearly"
    r"|I\s+(?:think|believe)|opción|la)\b)"
)
_GLUE = rf"(?:{MARK}|-|{_FILLER}){{0,40}}+"
_CLOSE = r"""(?:[)\]}*_$"'`\u201d\u2019\uff09]|\\[)\]]){0,8}"""
_AND_OR = r"and/or|and|or|und|oder|et|ou|y|o"

# A bare capital is an option only where it cannot be a word, a symbol or an initial: "A cat", "I think", "J. S. Bach".
_ALONE = (
    r"""(?=[)\]}*_$"`\u201d\uff09<]|['\u2019](?!\w)|\.(?!\w|\s[A-Z]\.)|[,;:!?/。、\uff0c\uff1a](?!\d)"""
    r"""|\s*(?:\Z|\n|\\[)\]]|[&<\u2013\u2014]|-\s)|\s+\("""
    rf"""|\s+(?i:because|since|as|which|due|based|but|is\s+(?:the|correct|right)|{_AND_OR})\b)"""
)
_OPTION = rf"(?P<option>[A-Z]{_ALONE}|(?<=[(\[{{\uff08])[a-z](?=[)\]}}\uff09]))"

# --- statements ----------------------------------------------------------------------------------------------------

# A set of first letters lets re skip to the candidates, five times faster than to ignore case. It takes "onswer" too.
_CUE = compile_ascii(
    rf"[AaRr答OoCcSsPpGg](?:案|(?<!\w.)(?:{ANSWER_WORDS}|(?i:ption|hoice|losest"
    r"|(?P<verb>hoose|hose|elect|ick|o\s+with)))\b)"
)
_NONE = r"(?i:none|not\s+(?:listed|given|provided|among))\b(?![^.\n]{0,60}\([A-Z]\))"
_STATES = compile_ascii(rf"{IS}{_GLUE}(?:{_OPTION}|{_NONE})")
_CHOOSES = compile_ascii(rf"{_GLUE}{_OPTION}")
_CHOOSER = compile_ascii(r"(?:i|we)(?:'\w+)?")
_ANOTHER = compile_ascii(rf"{_CLOSE}\s*+,?\s*+(?:(?i:{_AND_OR})\b|[&/,、和或]){_GLUE}{_OPTION}")
_NEXT_LABEL = compile_ascii(r"[.):][^\n]*\n[ \t*(-]*[A-Z][.):]")
_TAKEN_BACK = compile_ascii(rf"{_CLOSE}\s*(?:\?|(?i:is\s+(?:not|incorrect|wrong|false))\b)")
_OPTION_IS_THE = compile_ascii(
    r"(?:(?<![Ii]f )\((?P<wrapped>[A-Za-z])\)|(?:\A|[.,;:\n]|\b(?i:option|choice|so|thus|therefore)\s)"
    r"[\s*]{0,4}(?P<bare>[A-Z])\b)[*_]{0,4}\s+is\s+the\s+(?:\w+\s+){0,3}\Z"
)


def _stated_option(text: str, cue: re.Match[str]) -> str | None:
    chosen = cue["verb"] is not None
    match = (_CHOOSES if chosen else _STATES).match(text, cue.end())
    if match is None:
        return None if chosen else _option_before(text, cue)
    if chosen and not any(_CHOOSER.fullmatch(word) for word in words_before(text, cue.start())[:3]):
        return None
    if is_denied(text, cue.start()) or _TAKEN_BACK.match(text, match.end()):
        return None
    several = _ANOTHER.match(text, match.end()) or ("\n" in match[0] and _NEXT_LABEL.match(text, match.end()))
    return NO_SINGLE_ANSWER if several or match["option"] is None else match["option"].upper()


def _option_before(text: str, cue: re.Match[str]) -> str | None:
    # "(C) is the best choice".
    start = max(0, cue.start() - 60)
    if text.find(" is ", start, cue.start()) < 0:
        return None
    match = _OPTION_IS_THE.search(text, start, cue.start())
    if match is None or is_denied(text, cue.start()):
        return None
    return (match["wrapped"] or match["bare"]).upper()


# --- boxes, endings and labels -------------------------------------------------------------------------------------

_BOXED = compile_ascii(rf"\\boxed\{{{_GLUE}{_OPTION}")

# At the end of the text, where closing tags may follow: alone on its line, after "so", or in brackets.
_ENDING = compile_ascii(r"[A-Z](?=[\s.)*_$]{0,20}(?:<[^<>\s]{1,20}>\s*){0,9}\Z)")
_LINE_START = compile_ascii(r"(?:\A|\n|\b(?i:it\s+is|it['\u2019]s|so|thus|therefore),?\s)[\s*_#>$]{0,20}\Z")
_BRACKETED = compile_ascii(r"(?<!\w)\([A-Z]\)")

# "C. Paris" where a line or a sentence about the answer starts.
_LABEL = compile_ascii(r"[A-Z](?=[.)][.,:*\"\u201d]{0,3}\s(?![A-Z]\.))")
_LABEL_START = compile_ascii(r"(?:\A|\n|\b(?:is|are|as|be|a|by|therefore)\s|[:\"\u201c])[\s*\"\u201c(]{0,4}\Z")

_SET_ASIDE = compile_ascii(
    r"(?i:(?:\b(?:not|out|than|except|eliminates)|n['\u2019]t)(?:\s+be)?(?:\s+option)?"
    r"|\([A-Z]\),?(?:\s+(?:and|or))?)[\s*]*\(?\Z"
)


def _boxed_option(text: str, match: re.Match[str]) -> str | None:
    return None if is_denied(text, match.start()) else match["option"].upper()


def _ending_option(text: str, match: re.Match[str]) -> str | None:
    start, end = max(0, match.start() - 30), match.start()
    alone = _LINE_START.search(text, start, end) or _BRACKETED.match(text, end - 1)
    return match[0] if alone and not _dismissed(text, match) else None


def _labelled_option(text: str, match: re.Match[str]) -> str | None:
    # "The chemical symbol is J. Sb", where no other option is named by its label or in brackets.
    if not _starts_label(text, match) or _dismissed(text, match):
        return None
    for other in _LABEL.finditer(text):
        if other[0] != match[0] and (text.endswith("(", 0, other.start()) or _starts_label(text, other)):
            return NO_SINGLE_ANSWER
    return match[0]


def _starts_label(text: str, match: re.Match[str]) -> bool:
    return _LABEL_START.search(text, max(0, match.start() - 16), match.start()) is not None


def _dismissed(text: str, match: re.Match[str]) -> bool:
    # Ruled out, one of several, or the option of a statement that was passed over.
    start = max(0, match.start() - 80)
    if _SET_ASIDE.search(text, start, match.start()):
        return True
    if _TAKEN_BACK.match(text, match.end()) or _ANOTHER.match(text, match.end()):
        return True
    stated = (_STATES.match(text, cue.end()) for cue in _CUE.finditer(text, start, match.start()))
    return any(statement and statement.start("option") == match.start() for statement in stated)


# --- the whole text ------------------------------------------------------------------------------------------------

_RULES: Rules = (
    ("statement", _CUE, _stated_option),
    ("boxed", _BOXED, _boxed_option),
    ("ending", _ENDING, _ending_option),
    ("label", _LABEL, _labelled_option),
)


def read_choice(text: str, option_count: int, structured: str | None = None) -> Reading:
    """
    Read which option a text chooses.

    Structured output comes first: *structured*, then the last "answer" of a JSON object in the text. Then the last
    statement ("the answer is (C)", "I choose C", "C is the best option"), the last box, an option alone on the last
    line or in brackets at the end, and the only option that is named ("is C. Paris").

    Args:
        text: Text of the model; only its last 200,000 characters are read.
        option_count: How many options there are; those after the 26th cannot be read.
        structured: The answer, if the model gave it apart from the text; if it is no option, the text is read.

    Returns:
        The last statement counts even where it gives no answer: a letter past *option_count* is outside_options;
        several options, or none of them, are unreadable. A denied statement ("the answer is not (A)") or one under a
        condition is passed over.
    """
    text = end_of(text)
    for value in structured_values(text, structured):
        letter = value.strip()
        found = read_last(f"answer: {letter.upper() if len(letter) == 1 else letter}", _CUE, _stated_option)
        if found is not None:
            return _choice(found, "structured", option_count)
    return _choice(*read_by(_RULES, text), option_count)


def _choice(found: str, source: str, option_count: int) -> Reading:
    if found == NO_SINGLE_ANSWER:
        return UNREADABLE
    return Reading(found, source) if ord(found) - ord("A") < option_count else Reading(None, "outside_options")
