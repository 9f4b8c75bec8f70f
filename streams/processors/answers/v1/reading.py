"""
Search for the last answer, structured output, and denials.

The readers of options and of numbers share these rules. They are published: logs were written with them, so no reading
may change.
"""

import re
from collections.abc import Callable

from streams.processors.answers.patterns import compile_ascii

Reader = Callable[[str, re.Match[str]], str | None]
"""Reads the answer at a place in a text: None if it is no answer, NO_SINGLE_ANSWER if it is not a single one."""

Rules = tuple[tuple[str, re.Pattern[str], Reader], ...]
"""Sources of answers: name, pattern of its places, and reader of a place. The first source with an answer counts."""

# Several options, none of them, or a fraction. The search ends there: such a statement withdraws those before it.
NO_SINGLE_ANSWER = ""

# In characters, about 50,000 tokens. Only the end of a longer text is read, so hostile input costs well under a second.
# The patterns are linear besides: each repeat is bounded, possessive (`++`), or runs over one class of characters.
_REACH = 200_000


# Escapes, here and in the modules beside, stand for characters easily taken for others: a0 202f 3000 spaces, 2018 2019
# 201c 201d quotes, 2013 2014 dashes, 2212 minus, ff08 ff09 ff0c ff1a the full-width ( ) , :
MARK = r"""[\s\xa0\u202f\u3000*_`"'\u2018\u201c#>$:\uff1a=({\[\uff08]|\\[(\[,;! ]|\\(?!d?frac)[A-Za-z]{2,10}\{"""

# Without the first letter; a cue tests that, and the Chinese word, by itself.
ANSWER_WORDS = r"(?i:nswer|ntwort|espuesta|éponse)"

# From "the answer" to what it is: "to this question", and then "is", a colon or a dash.
_TO_BE = r"(?i:is|was|be|es|est|ist|lautet)(?!\w)"
_ASIDE = (
    r"[\s*_,]+(?i:one|match|it|to|for|of|in|from|that|which|here|based|given|would|should|must|seems|appears"
    r"|therefore|then|correct[ae])\b"
    rf"(?:\s+(?!{_TO_BE}|(?:not|cannot|\w+n['\u2019]t)\b)[^\s.:;!?=\uff1a]++){{0,12}}+"
)
IS = (
    rf"(?:{_ASIDE})?(?:[\s*_),]*+(?:[:\uff1a=>\u2013\u2014-]|(?:应该)?[是为為]|{_TO_BE})"
    r"|(?i:(?<=final answer)|(?<=closest)\s+to\b))"
)

# "I don't think that the answer", "if the answer", "my initial answer", "each option": the nearest word
# before, but for neutral ones.
_DENIAL = compile_ascii(r"\w+n't|not|cannot|if|whether|suppose|assuming|wrong|initial|previous|earlier|original|each")
_NEUTRAL = compile_ascii(r"think|believe|say|sure|that|the|a|my|correct|right|final|best")

_JSON_ANSWER = compile_ascii(r'[{,]\s*"answer"\s*:\s*(?:"([^"\n]*)"|(-?[0-9][^\s,}]*))')


def end_of(text: str) -> str:
    """Give the end of a text, the only part that is read."""
    return text[-_REACH:]


def read_by(rules: Rules, text: str) -> tuple[str, str]:
    """Give the answer of the first rule that has one, and the source it names; NO_SINGLE_ANSWER where none has."""
    for source, pattern, read in rules:
        found = read_last(text, pattern, read)
        if found is not None:
            return found, source
    return NO_SINGLE_ANSWER, "unreadable"


def read_last(text: str, pattern: re.Pattern[str], read: Reader) -> str | None:
    """Give the answer at the last place that *pattern* finds and *read* does not pass over."""
    # An answer mostly stands in the last words, so these are tried alone first. Starting after a space splits nothing
    # that a pattern could match, and look-behinds still see what comes before.
    for start in (text.rfind(" ", 0, max(0, len(text) - 160)) + 1, 0):
        for match in reversed(list(pattern.finditer(text, start))):
            found = read(text, match)
            if found is not None:
                return found
    return None


def structured_values(text: str, structured: str | None) -> list[str]:
    """Give the answers outside prose, the weightiest first: the structured one, then that of the text's last JSON."""
    given = None if structured is None else end_of(structured)
    values = (given and (_json_answer(given) or given), _json_answer(text))
    return [value for value in values if value]


def _json_answer(text: str) -> str | None:
    # Read with a pattern, because in prose the end of an object cannot be told.
    if '"answer"' not in text:
        return None
    found = list(_JSON_ANSWER.finditer(text))
    return found[-1][1] or found[-1][2] if found else None


def words_before(text: str, position: int) -> list[str]:
    """Give the last words before a position on its line, nearest first, in lower case; six, for no rule needs more."""
    line = text[max(0, position - 64) : position].rpartition("\n")[2]
    return line.lower().replace("\u2019", "'").split()[:-7:-1]


def is_denied(text: str, position: int) -> bool:
    """Whether the words before a position deny, doubt or restrict the statement there."""
    for word in words_before(text, position):
        if _DENIAL.fullmatch(word):
            return True
        if not _NEUTRAL.fullmatch(word):
            return False
    return False
