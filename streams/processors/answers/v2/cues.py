"""
Places where a text states its answer.

Such as "the answer is", "Réponse :" and "答案". What is stated there, a letter or a number, is for its reader to find.
"""

import re
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.answer_words import LANGUAGES
from streams.processors.answers.v2.characters import plain

Standing = Literal["plain", "doubted", "denied"]
"""
Weight of a statement: denied ones state nothing ("the answer isn't", "the incorrect answer is", "without friction it
would be"); doubted ones count only where no plain one stands in the text ("a possible answer is", "if so, the answer
is").
"""

MOST_CUES = 300
"""Only so many of a text's last answer words are looked at: no model writes more, and each costs microseconds."""

LETTER = "0-9A-Za-z\u00c0-\u024f\u0370-\u03ff\u0400-\u052f\u1e00-\u1eff"
"""Characters of words that spaces part: Latin, Greek, Cyrillic; the inside of a character class."""


class Cue(NamedTuple):
    """
    One place where a text states something.

    Attributes:
        start: Where the answer word begins.
        end: Where what is stated begins: after "is" and the colon, before spaces and marks.
        standing: Weight of the statement.
        negated: Whether "not" follows, before *end*: "the answer is not 5 but 6".
    """

    start: int
    end: int
    standing: Standing
    negated: bool = False


# --- words ---------------------------------------------------------------------------------------------------------


def any_of(words: Iterable[str]) -> str:
    """Write a pattern of words, grouped by first letter, so that `re` skips what begins none of them."""
    groups: dict[str, list[str]] = {}
    for word in dict.fromkeys(plain(word) for word in words):
        groups.setdefault(word[0], []).append(word[1:].replace(" ", r"\s"))
    # The longest first, or "Antwort" would hide "Antworten".
    branches = (f"{first}(?:{'|'.join(sorted(rest, key=len, reverse=True))})" for first, rest in groups.items())
    return f"(?:{'|'.join(branches)})"


def capitals(words: Iterable[str]) -> Iterator[str]:
    """Give words as they are written within a sentence, at its beginning, and in a heading."""
    for word in words:
        yield from (word, word[0].upper() + word[1:], word.upper())


ANSWER_WORDS = compile_ascii(any_of(capitals(word for language in LANGUAGES for word in language.answer)))
_BARE = frozenset(plain(word) for language in LANGUAGES if language.bare for word in capitals(language.answer))
_IS_WORD_CHARACTER = compile_ascii(f"[{LETTER}_]")

# --- from the answer word to what is stated ------------------------------------------------------------------------

_CORRECT = any_of(word for language in LANGUAGES for word in language.correct)
_OPTION = any_of(word for language in LANGUAGES if language.bare for word in language.option)
_TO_BE = (
    rf"(?:(?:{any_of(capitals(word for language in LANGUAGES for word in language.to_be if word[0] < 'Ͱ'))}"
    rf"|becomes|equals|remains)(?![{LETTER}])"
    rf"|{any_of(word for language in LANGUAGES for word in language.to_be if word[0] >= 'Ͱ')})"
)
_NEVER = r"(?:not|cannot|never|[a-z]{2,6}n't|nicht|pas|no)\b"
# "The answer to this question", "the answer that fits both", "the answer, by the table,".
_ASIDE = (
    r"(?:\s?[,\u2013\u2014][^,.;:!?\n\u2013\u2014]{1,80}[,\u2013\u2014]|\s?\([^()\n]{2,80}\)"
    r"|[\s*_,]{1,4}(?i:one|match|it|to|for|of|in|from|that|which|here|based|given|would|should|must|will|can|could|may"
    r"|might|has|ought|turns|comes|seems|appears|therefore|then|thus|now|auf|zu|zur|a|al|à|para|pour|alla|do|da|de|на)"
    rf"\b(?:\s{{1,4}}(?!{_TO_BE}|{_NEVER})[^\s.:;!?=]{{1,40}}){{0,12}})"
)
_MARKS = r"""[\s*_`"')\]}$,]{0,12}"""
_LINK = compile_ascii(
    rf"(?P<aside>(?:\s{{0,2}}{_CORRECT}(?![{LETTER}])){{0,2}}(?:{_ASIDE})?){_MARKS}"
    rf"(?:[:=>\u2192\u21d2]|[\u2013\u2014]|-{{1,2}}>?(?=\s)"
    rf"|(?:(?P<not>(?:is|was|wo|ca)n't\b(?:\sbe\b)?)|{_TO_BE}(?:\s{{1,4}}(?P<never>not|never)\b)?))"
    r"(?:[\s*_]{0,4}:)?"
)
_DIRECT = compile_ascii(
    rf"(?:\s{{0,2}}{_CORRECT}(?![{LETTER}])){{0,2}}(?:\s{_OPTION})?\]?(?=[\s*_:(\[\]\"]{{0,6}}[A-Za-z0-9\\])"
)
# "Answer" alone on a line, or "final answer" before a box: what is stated stands on the next line.
_HEADING = compile_ascii(r"[\s*_#]{0,4}\n")
_HEADING_BEFORE = compile_ascii(r"(?:\A|\n)[\s*_#>]{0,8}(?:(?i:the|my|final|correct|short)\s){0,3}\Z")
_FINAL_BEFORE = compile_ascii(r"(?i:final)\s\Z")
# "..., making the answer (B)".
_MAKES_BEFORE = compile_ascii(
    r"\b(?i:mak(?:es|ing)|leav(?:es|ing)|giv(?:es|ing))\s(?i:the\s)?(?i:correct\s|right\s|best\s)?\Z"
)


def answer_cues(text: str, start: int = 0, words: re.Pattern[str] = ANSWER_WORDS) -> Iterator[Cue]:
    """
    Find where answers are stated, from *start* on, in order; of `MOST_CUES` at most.

    Args:
        text: A text, in the form that `characters.plain` gives.
        start: Where to begin; a cue's standing depends on what is before it too.
        words: Words that are stated to be something; other ones than "answer" in its languages.
    """
    for match in deque(words.finditer(text, start), maxlen=MOST_CUES):
        if not _is_whole(text, match.start(), match.end()):
            continue
        end, negated, would, doubted = _linked(text, match.start(), match.end())
        if end >= 0:
            yield Cue(match.start(), end, standing(text, match.start(), end, would=would, doubted=doubted), negated)


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether an answer word is no part of a longer one."""
    if _IS_WORD_CHARACTER.match(text, start) is None:
        return True
    before, after = text[max(0, start - 1) : start], text[end : end + 1]
    # "</answer>" ends what is stated.
    if before == "/" and after == ">":
        return False
    return (before == "_" or _IS_WORD_CHARACTER.match(before) is None) and (
        after == "_" or _IS_WORD_CHARACTER.match(after) is None
    )


def _linked(text: str, start: int, end: int) -> tuple[int, bool, bool, bool]:
    """Give where what is stated begins, -1 if nothing is; whether it is negated, unreal, doubted."""
    if text[start:end] in _BARE and (direct := _DIRECT.match(text, end)):
        return direct.end(), False, False, False
    link = _LINK.match(text, end)
    if link is not None:
        aside = link["aside"].lower()
        negated = link["not"] is not None or link["never"] is not None
        return link.end(), negated, "would" in aside, any(word in aside for word in ("could", "may", "might"))
    before = text[max(0, start - 40) : start]
    if _MAKES_BEFORE.search(before) or _FINAL_BEFORE.search(before):
        return end, False, False, False
    if _HEADING.match(text, end) and _HEADING_BEFORE.search(before):
        return end, False, False, False
    return -1, False, False, False


# --- standing ------------------------------------------------------------------------------------------------------

_DENIAL = compile_ascii(
    r"[a-z]{1,8}n't|not|cannot|never|no|if|whether|suppose|assuming|wrong|incorrect|false|distractor|initial|previous"
    r"|earlier|original|first|old|former|each|every|any|another|other|second|second-best|third|next|next-best|worst"
    r"|least|opposite|tempting|common|popular|alternative|runner-up|decoy|trap|na\u00efve|naive|example|sample|his|her"
    r"|their|its|user's|student's|your|unlikely|doubtful|impossible|doubt|deny|bad|poor|invalid|misleading"
)
_DOUBT = compile_ascii(r"possible|plausible|potential|candidate|suggested|proposed|claimed|perhaps|maybe|possibly")
_NEUTRAL = compile_ascii(
    r"think|believe|say|sure|that|the|a|an|my|our|correct|right|final|best|mean|means|true|case|clear|certain"
    r"|necessarily|likely|most|answer|option|choice|only|single|one"
)
_OTHERS_VIEW = compile_ascii(
    r"(?<!\bi )(?<!\bwe )\b(?:might|may|could|would|some|many|people|students?|someone|others?)\s"
    r"(?:[a-z]{1,12}\s){0,2}(?:think|say|says|said|argue|believe|assume|guess|claim|choose|pick|select)\b"
    r"|\b(?:tempt(?:ed|ing)|supposing|(?:mistakenly|incorrectly|wrongly|erroneously|falsely)\s"
    r"(?:think|say|said|choose|chose|select|pick|conclude|assume|believe|state|answer)[a-z]{0,4})\b"
)
_OTHER_QUESTION = compile_ascii(r"\b(?:previous|earlier|last|next|other|another|first)\s(?:question|problem|example)\b")
_CONDITION = compile_ascii(
    r"(?:\A|[,:] ?)\s{0,4}[*_(-]{0,4}\s?(?:but |however,? |and |or )?(?:if|without|suppose|assuming|unless|were|had"
    r"|otherwise|but for|in that case|except)\b"
)
# "If I had to choose, I would say": a choice after all.
FORCED = compile_ascii(
    r"\bif (?:i|we|one) (?:had to|have to|must|were to|was to|should)[^,]{0,60},|\bif forced[^,]{0,40},"
)
_CONCLUSION = compile_ascii(r"\b(?:so|thus|hence|therefore|because|since)\b")
_CONDITION_AFTER = compile_ascii(r"\b(?:if|without|unless|had|were|but for)\b")
_SENTENCE_ENDS = (". ", "! ", "? ", "\n", ";", "\u3002", "\uff01", "\uff1f")


def clause_before(text: str, position: int) -> str:
    """Give the sentence before a position, at most 200 characters, in lower case."""
    before = text[max(0, position - 200) : position]
    return before[max(before.rfind(end) + len(end) if end in before else 0 for end in _SENTENCE_ENDS) :].lower()


def clause_after(text: str, position: int, most: int = 160) -> str:
    """Give the rest of the sentence after a position, in lower case."""
    after = text[position : position + most]
    ends = [found for end in _SENTENCE_ENDS if (found := after.find(end)) >= 0]
    return after[: min(ends, default=most)].lower()


def standing(text: str, start: int, end: int, *, would: bool = False, doubted: bool = False) -> Standing:
    """
    Weigh the statement whose answer word begins at *start* and whose content begins at *end*.

    Args:
        text: The whole text.
        start: Where the statement begins.
        end: Where its content begins.
        would: Whether it says "would be": denied under a condition, before or after.
        doubted: Whether it says "could be".
    """
    clause = FORCED.sub("", clause_before(text, start))
    for word in reversed(clause.replace("*", " ").replace("(", " ").split()[-7:]):
        # A comma ends what a word denies, as in "as both are false, the answer".
        if _DENIAL.fullmatch(word):
            return "denied"
        if _DOUBT.fullmatch(word.rstrip(",")):
            doubted = True
        elif not _NEUTRAL.fullmatch(word):
            break
    if _OTHERS_VIEW.search(clause) or _OTHER_QUESTION.search(f"{clause} {text[start:end].lower()}"):
        return "denied"
    conditional = _CONDITION.search(clause) is not None and _CONCLUSION.search(clause) is None
    if would and (conditional or _CONDITION_AFTER.search(clause_after(text, end))):
        return "denied"
    return "doubted" if conditional or doubted else "plain"
