"""Read the answer out of a model's text: an option letter, or a decimal number."""

import re
from collections.abc import Callable
from dataclasses import dataclass

EXTRACTOR = "answers.v1"
"""Name of these rules, recorded in decisions. A change that alters any reading takes a new version."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    The answer a text gives, and the rule that read it.

    Attributes:
        answer: An option letter "A".."Z" or a canonical number; None where no single answer could be read.
        source: Choices: structured, statement, boxed, ending or label. Numbers: structured, hash_line, statement,
            boxed or last_number. With no answer: unreadable or outside_options.
    """

    answer: str | None
    source: str


_UNREADABLE = Reading(None, "unreadable")

# A reader returns None where a place in the text is no answer, and this where it is one but no single answer (several
# options, none of them, a fraction). The search ends there: what was said before has been given up.
_NO_SINGLE_ANSWER = ""

# In characters, about 50,000 tokens. Only the end of a longer text is read, so hostile input costs well under a second.
# The patterns are linear besides: each repeat is bounded, possessive (`++`), or runs over one class of characters.
_REACH = 200_000


def _compile(pattern: str) -> re.Pattern[str]:
    # ASCII: what is a letter elsewhere differs between Python versions, and a replay must read as the first run did.
    return re.compile(pattern, re.ASCII)


# Escapes stand for characters easily taken for others: 2018 2019 201c 201d quotes, 2013 2014 dashes, 2212 minus, and
# ff01 ff08 ff09 ff0c ff1a ff1b ff1f the full-width ! ( ) , : ; ?
_MARK = r"""[\s\xa0\u202f\u3000*_`"'\u2018\u201c#>$:\uff1a=({\[\uff08]|\\[(\[,;! ]|\\(?!d?frac)[A-Za-z]{2,10}\{"""
_FILLER = (
    r"(?i:(?:the|option|choice|letter|answer|either|both|between|one|of|therefore|thus|hence|then|most|likely|probably"
    r"|clearly|simply|indeed|best|correct|closest|to|I\s+(?:think|believe)|opci[oó]n|la|die)\b)"
)
_GLUE = rf"(?:{_MARK}|-|{_FILLER}){{0,40}}+"
_CLOSE = r"""(?:[)\]}*_$"'`\u201d\u2019\uff09]|\\[)\]]){0,8}"""

# A bare capital is an option only where it cannot be a word, a symbol or an initial: "A cat", "I think", "J. S. Bach".
_ALONE = (
    r"""(?=[)\]}*_$"`\u201d\uff09<]|['\u2019](?!\w)|\.(?!\w|\s[A-Z]\.)|[,;:!?/。、\uff01\uff0c\uff1a\uff1b\uff1f](?!\d)"""
    r"""|\s*(?:\Z|\n|\\[)\]]|[&<\u2013\u2014]|-\s)|\s+\("""
    r"""|\s+(?i:because|since|as|for|which|with|due|based|but|and|or|und|oder|et|ou|y|o|is\s+(?:the|correct|right))\b)"""
)
_OPTION = rf"(?P<option>[A-Z]{_ALONE}|(?<=[(\[{{\uff08])[a-z](?=[)\]}}\uff09]))"

# A set of first letters lets re skip to the candidates, five times faster than ignoring case. It also takes "onswer".
_ANSWER_WORDS = r"nswer|NSWER|ntwort|espuesta|esposta|isposta|éponse"
_CHOICE_CUE = _compile(
    rf"[AaRr答OoCcNnSsPpGg](?:案|(?<!\w.)(?:{_ANSWER_WORDS}|ption|PTION|hoice|HOICE|losest|earest"
    r"|(?P<verb>hoose|hose|elect|ick|o\s+with|oing\s+with|pt\s+for))\b)"
)
_NUMBER_CUE = _compile(rf"[AaRr答](?:案|(?<!\w.)(?:{_ANSWER_WORDS})\b|(?<![^\n].)(?=[ \t]*:))")

# "The answer", and then: "to this question", "is", "therefore option", "(C)".
_TO_BE = r"(?i:is|are|was|be|es|est|ist|lautet|é|è)(?!\w)"
_GAP = (
    r"(?:[\s*_,]+(?i:one|match|it|to|for|of|in|from|among|that|which|here|based|given|with|on|by|would|should|must"
    r"|will|has|seems|appears|therefore|then|correcta|correcte|correta)\b"
    rf"(?:\s+(?!{_TO_BE}|(?:not|never|cannot)\b|\w+n['\u2019]t\b)[^\s.:;!?=\uff1a]++){{0,12}}+)?"
)
_IS = rf"(?:[\s*_),]*+(?:[:\uff1a=>\u2013\u2014-]|应?该?[是为為]|{_TO_BE})|(?i:(?<=final answer)|(?<=closest)\s+to\b))"
_NONE = r"(?i:none|not\s+(?:listed|given|among|available|provided|in))\b(?![^.\n]{0,60}\([A-Z]\))"
_STATES = _compile(rf"{_GAP}{_IS}{_GLUE}(?:{_OPTION}|{_NONE})")
_CHOOSES = _compile(rf"{_GLUE}{_OPTION}")
_ANOTHER = _compile(rf"{_CLOSE}\s*,?\s*(?:(?i:and/or|and|or|und|oder|et|ou|y|o)\b|[&/,、和或]){_GLUE}{_OPTION}")
_NEXT_LABEL = _compile(r"[.):][^\n]*\n[ \t*(-]*[A-Z][.):]")
_TAKEN_BACK = _compile(rf"{_CLOSE}\s*(?:\?|(?i:is|was|would\s+be)\s+(?i:not|incorrect|wrong|false)\b)")
_OPTION_IS_THE = _compile(
    r"(?:(?<![Ii]f )\((?P<wrapped>[A-Za-z])\)|(?:\A|[.,;:\n]|\b(?i:option|choice|so|thus|therefore|hence|that)\s)"
    r"[\s*]{0,4}(?P<bare>[A-Z])\b)[*_]{0,4}\s+is\s+(?:(?:therefore|thus|then|clearly|indeed|likely|probably)\s+)?"
    r"(?:the|my|our)\s+(?:\w+\s+){0,3}\Z"
)
_DENIAL = _compile(
    r"\w+n't|if|whether|unless|suppose|assuming|not|never|neither|cannot|wrong|previous|initial|earlier"
    r"|original|tempting|each|every|any"
)
_NEUTRAL = _compile(r"think|believe|say|mean|sure|that|the|an?|my|our|be|correct|right|final|best|only|true")
_SUBJECT = _compile(r"(?:i|we)(?:'\w+)?|let's")

_BOXED_OPTION = _compile(rf"\\f?box(?:ed)?\{{{_GLUE}{_OPTION}")
_ENDING = _compile(r"[A-Z](?=[\s.):*_$]{0,20}(?:<[^<>\s]{1,20}>\s*){0,9}\Z)")
_LINE_START = _compile(r"(?:\A|\n|\b(?i:it\s+is|it['\u2019]s|so|thus|hence|therefore)[,:]?\s)[\s*_#>$]{0,20}\Z")
_BRACKETED = _compile(r"(?<!\w)\([A-Z]\)")
_SET_ASIDE = _compile(
    r"(?i:(?:\b(?:not|out|nor|than|except|excludes?|eliminates?)|n['\u2019]t)(?:\s+be)?(?:\s+option)?"
    r"|\([A-Z]\),?(?:\s+(?:and|or))?)[\s*]*\(?\Z"
)
_LABEL = _compile(r"[A-Z](?=[.)][.,:*\"\u201d]{0,3}\s(?!\s*[A-Z]\.))")
_LABEL_START = _compile(r"(?:\A|\n|\b(?:is|are|as|was|be|a|by|therefore)\s|[:\"\u201c]\s?)[\s*\"\u201c(]{0,4}\Z")

_JSON_ANSWER = _compile(r'[{,]\s*"answer"\s*:\s*(?:"([^"\n]*)"|(-?[0-9][^\s,}]*))')

_INTEGER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]++)"
_NUMBER = (
    r"(?P<number>(?:(?<![\w)\]}%])[-+\u2212]?(?:\\?[$€£¥₹] ?)?[-\u2212]?|(?<!\w))"
    rf"(?:(?<!\w)(?<![0-9]\.){_INTEGER}(?:\.[0-9]++)?+|(?<![\w.])\.[0-9]++)(?![eE][-+]?[0-9]))"
)
_CANONICAL = _compile(
    rf"[\s\\$€£¥₹]*+(?P<sign>[-+\u2212]?)[\s\\$€£¥₹]*+(?P<whole>{_INTEGER})?+(?:\.(?P<part>[0-9]*+))?+"
    r"(?:/(?=[A-Za-z])|[^0-9=+*/^<>()\[\]{}|])*+"
)
_ABOUT = r"(?i:(?:approximately|about|around|roughly|exactly|only|just|a\s+total\s+of|the|therefore|thus|so|now)\b)"
_NUMBER_GLUE = rf"(?:{_MARK}|<<[^<>\n]{{0,120}}>>|[A-Za-z]\s?=|{_ABOUT}){{0,40}}+"
_STATES_NUMBER = _compile(rf"{_GAP}{_IS}{_NUMBER_GLUE}{_NUMBER}")
_BOXED_NUMBER = _compile(rf"\\f?box(?:ed)?\{{{_NUMBER_GLUE}{_NUMBER}")
# "#### 1. First" is a heading with its number, not an answer.
_HASH_LINE = _compile(rf"####(?<!#####)[ \t*:=]*+{_NUMBER}(?!\.\s+\w)")
_ANY_NUMBER = _compile(_NUMBER)
_OPERATION = _compile(r"\s*(?:[-+*/^x×÷\u2212]|\\times\b|\\cdot\b)\s*[\\$€£¥₹(]{0,3}[0-9.]")
_RESULT = _compile(rf"={_NUMBER_GLUE}{_NUMBER}")
# A fraction's lower half, or the end of a number with stray separators ("1,00").
_INSIDE_NUMBER = _compile(r"(?:[0-9](?:,|\s?/\s?)|\}\{)\Z")

_Reader = Callable[[str, re.Match[str]], str | None]
_Rules = tuple[tuple[str, re.Pattern[str], _Reader], ...]


def _read_last(text: str, pattern: re.Pattern[str], read: _Reader) -> str | None:
    # An answer mostly stands in the last words, so these are tried alone first. Starting after a space splits nothing
    # that a pattern could match, and look-behinds still see what comes before.
    for start in (text.rfind(" ", 0, max(0, len(text) - 160)) + 1, 0):
        for match in reversed(list(pattern.finditer(text, start))):
            found = read(text, match)
            if found is not None:
                return found
    return None


def _read_by(rules: _Rules, text: str) -> tuple[str, str]:
    for source, pattern, read in rules:
        found = _read_last(text, pattern, read)
        if found is not None:
            return found, source
    return _NO_SINGLE_ANSWER, "unreadable"


def _words_before(text: str, position: int) -> list[str]:
    # Those of the same line, nearest first; no rule looks further than six.
    line = text[max(0, position - 64) : position].rpartition("\n")[2]
    return line.lower().replace("\u2019", "'").split()[:-7:-1]


def _denied(words: list[str]) -> bool:
    for word in words:
        if _DENIAL.fullmatch(word):
            return True
        if not _NEUTRAL.fullmatch(word):
            return False
    return False


def _stated_option(text: str, cue: re.Match[str]) -> str | None:
    chosen = cue["verb"] is not None
    match = (_CHOOSES if chosen else _STATES).match(text, cue.end())
    if match is None:
        return None if chosen else _option_before(text, cue)
    words = _words_before(text, cue.start())
    if chosen and not any(_SUBJECT.fullmatch(word) for word in words[:3]):
        return None
    if _denied(words) or _TAKEN_BACK.match(text, match.end()):
        return None
    several = _ANOTHER.match(text, match.end()) or ("\n" in match[0] and _NEXT_LABEL.match(text, match.end()))
    return _NO_SINGLE_ANSWER if several or match["option"] is None else match["option"].upper()


def _option_before(text: str, cue: re.Match[str]) -> str | None:
    # "(C) is the best choice".
    start = max(0, cue.start() - 60)
    if text.find(" is ", start, cue.start()) < 0:
        return None
    match = _OPTION_IS_THE.search(text, start, cue.start())
    if match is None or _denied(_words_before(text, cue.start())):
        return None
    return (match["wrapped"] or match["bare"]).upper()


def _boxed_option(text: str, match: re.Match[str]) -> str | None:
    return None if _denied(_words_before(text, match.start())) else match["option"].upper()


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
            return _NO_SINGLE_ANSWER
    return match[0]


def _dismissed(text: str, match: re.Match[str]) -> bool:
    # Ruled out, one of several, or the option of a statement that was passed over.
    start = max(0, match.start() - 80)
    if _SET_ASIDE.search(text, start, match.start()):
        return True
    if _TAKEN_BACK.match(text, match.end()) or _ANOTHER.match(text, match.end()):
        return True
    stated = (_STATES.match(text, cue.end()) for cue in _CHOICE_CUE.finditer(text, start, match.start()))
    return any(statement and statement.start("option") == match.start() for statement in stated)


def _starts_label(text: str, match: re.Match[str]) -> bool:
    return _LABEL_START.search(text, max(0, match.start() - 16), match.start()) is not None


_CHOICE_RULES: _Rules = (
    ("statement", _CHOICE_CUE, _stated_option),
    ("boxed", _BOXED_OPTION, _boxed_option),
    ("ending", _ENDING, _ending_option),
    ("label", _LABEL, _labelled_option),
)


def _structured_values(text: str, structured: str | None) -> list[str]:
    given = None if structured is None else structured[-_REACH:]
    values = (given and (_json_answer(given) or given), _json_answer(text))
    return [value for value in values if value]


def _json_answer(text: str) -> str | None:
    # Read with a pattern: in prose, an object's end is anyone's guess.
    if '"answer"' not in text:
        return None
    found = list(_JSON_ANSWER.finditer(text))
    return found[-1][1] or found[-1][2] if found else None


def read_choice(text: str, option_count: int, structured: str | None = None) -> Reading:
    """
    Read which option a text chooses.

    Structured output comes first: *structured*, then the last "answer" of a JSON object in the text. Then the last
    statement ("the answer is (C)", "I choose C", "C is the best option"), the last box, an option alone on the last
    line or in brackets at the end, and the only option that is named ("is C. Paris").

    Args:
        text: What the model wrote; only its last 200,000 characters are read.
        option_count: How many options there are; those after the 26th cannot be read.
        structured: The answer where the model gave it apart from the text; where it is no option, the text is read.

    Returns:
        The last statement counts even where it gives no answer: a letter past *option_count* is outside_options;
        several options, or none of them, are unreadable. A denied statement ("the answer is not (A)") or one under a
        condition is passed over.
    """
    text = text[-_REACH:]
    for value in _structured_values(text, structured):
        letter = value.strip()
        found = _read_last(f"answer: {letter.upper() if len(letter) == 1 else letter}", _CHOICE_CUE, _stated_option)
        if found is not None:
            return _choice(found, "structured", option_count)
    return _choice(*_read_by(_CHOICE_RULES, text), option_count)


def _choice(found: str, source: str, option_count: int) -> Reading:
    if found == _NO_SINGLE_ANSWER:
        return _UNREADABLE
    return Reading(found, source) if ord(found) - ord("A") < option_count else Reading(None, "outside_options")


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
            return _NO_SINGLE_ANSWER
        last = results[-1]
    return canonical_number(last["number"]) or _NO_SINGLE_ANSWER


def _stated_number(text: str, cue: re.Match[str]) -> str | None:
    match = _STATES_NUMBER.match(text, cue.end())
    return None if match is None or _denied(_words_before(text, cue.start())) else _settled_number(text, match)


def _last_number(text: str, match: re.Match[str]) -> str | None:
    if _INSIDE_NUMBER.search(text, max(0, match.start() - 4), match.start()):
        return _NO_SINGLE_ANSWER
    return canonical_number(match["number"]) or _NO_SINGLE_ANSWER


_NUMBER_RULES: _Rules = (
    ("hash_line", _HASH_LINE, _settled_number),
    ("statement", _NUMBER_CUE, _stated_number),
    ("boxed", _BOXED_NUMBER, _settled_number),
    ("last_number", _ANY_NUMBER, _last_number),
)


def read_number(text: str, structured: str | None = None) -> Reading:
    """
    Read which number a text answers with.

    Structured output comes first, as in `read_choice`. Then the last "#### 18", the last statement ("the answer is
    18", "A: 18"), the last box, and the last number of the text.

    Args:
        text: What the model wrote; only its last 200,000 characters are read.
        structured: The answer where the model gave it apart from the text; where it is no number, the text is read.

    Returns:
        A canonical number. Of "5 dollars and 20 cents" it is the first, 5; of "3 * 6 = 18" the result. A fraction, as
        in "1/2", is unreadable: thirds have no decimal form, and half of a fraction is no answer.

    Source: the answer lines of GSM8K (Cobbe et al. 2021).
    """
    text = text[-_REACH:]
    for value in _structured_values(text, structured):
        number = canonical_number(value)
        if number is not None:
            return Reading(number, "structured")
    number, source = _read_by(_NUMBER_RULES, text)
    return _UNREADABLE if number == _NO_SINGLE_ANSWER else Reading(number, source)
