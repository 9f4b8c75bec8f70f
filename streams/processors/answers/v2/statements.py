"""Statements of the option that is chosen."""

import re
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.cues import (
    ANSWER_WORDS,
    FORCED,
    MOST_CUES,
    Standing,
    answer_cues,
    any_of,
    capitals,
    clause_before,
    standing,
)
from streams.processors.answers.v2.mentions import SEVERAL, mention_at, named, taken_back
from streams.processors.answers.v2.option_words import NamedOptions

_TAIL = 300
"""Characters. Answers mostly stand in the last words, so these are searched alone first."""


class Statement(NamedTuple):
    """
    A statement of the answer.

    Attributes:
        start: Where it begins.
        answer: A letter, SEVERAL or OUTSIDE.
        standing: Its weight; never denied.
    """

    start: int
    answer: str
    standing: Standing


# --- "the correct option is (C)" -----------------------------------------------------------------------------------

_CALLED_OPTIONS = (
    "option, choice, closest, selection, pick, guess, verdict, vote, letter, match, opción, alternativa, opção, opzione"
    ", buchstabe, вариант, pilihan, lựa chọn, phương án"
)
_OPTION_WORDS = compile_ascii(any_of(capitals(_CALLED_OPTIONS.split(", "))))
# "A: C", "Ans. C", "Answer (C) Lyon".
_LINE_ANSWER = compile_ascii(
    r"(?:\A|\n)[ \t*_#>]{0,6}(?:(?:A|Ans|ANS|ans|Correct|Sol|Solution|Conclusion)[.*_]{0,3}\s?(?:[:=]|-\s)"
    r"|(?i:(?:the\s)?(?:correct\s|final\s)?ans(?:wer)?)[.*_]{0,3}\s(?=\(?[A-Z]\)?[\s.*]{0,9}(?:\n|\Z|\()))"
)
_CLOSEST_TO = compile_ascii(r"\b[Cc]losest\s(?:to\s)?(?=(?:the\s)?(?:option|choice)?\s?\(?[A-Z])")

# --- "I choose (C)" ------------------------------------------------------------------------------------------------

# Here and below a class of first letters lets `re` skip to the candidates. It takes "sick" for "pick" too.
_CHOOSES = compile_ascii(
    r"[CcSsPpgwovam选而](?:(?<!\w.)(?:hoose|hose|elect|ick|o(?:ing)?\swith|ent\swith|pt\sfor|ote\sfor|ettle\s(?:on|for)|ay"
    r"|onclude|nswer|uess|eant?)(?=[\s*:(\[\"])|(?<=选)(?<!不选)(?<!排除选)择?(?![项择])|(?<=而)是)"
)
_CHOOSER = compile_ascii(
    r"\b(?:i|we)(?:'(?:ll|d|m|ve|re))?(?:\s[a-z']{1,12}){0,2}\s\Z|\A[\s*_]{0,6}(?:so\s|thus\s|therefore,?\s)?\Z"
)
_CHOICE_DENIED = compile_ascii(r"\b(?:not|never|cannot|might|could|[a-z]{2,6}n't|if|why|whether|initially|first)\b")

# --- "it must be (C)", "leaving (C)" -------------------------------------------------------------------------------

_FINDS = compile_ascii(
    r"[IiTtLlaMmPpCcNn](?<!\w.)(?:(?:t|his|hat)(?:\s(?:must|has\sto|can\sonly|should|will|would)\sbe|'s|\sis)"
    r"|eav(?:es|ing)(?:\s(?:us|me))?(?:\sonly|\swith)?|(?:m|re)\sleft\swith|akes?\sit|oints\sto"
    r"|(?:orresponds|atch(?:es|ing)|orresponding)(?:\sto|\swith)?|arrows\s(?:it|this)\sdown\sto)(?=[\s:])"
)
_NOT_FOUND = compile_ascii(r"\b(?:not|never|cannot|[a-z]{2,6}n't|if|whether|none|without|also|one|other|neither)\b")
_REVISES = compile_ascii(
    r"(?:\A|[,:]\s)[\s*]{0,4}(?:wait|actually|no|correction|rather|sorry|oops|so|thus|therefore|hence|then)\b"
)

# --- "option (C) is correct" ---------------------------------------------------------------------------------------

_CORRECTS = compile_ascii(r"\b(?i:no|wait|sorry|oops|correction|wrong|mistaken?)\W{1,5}\Z")

_BEST = (
    r"(?:(?:(?:single|one|only|final|intended|expected|clear|obvious|logical|likely|likeliest|remaining)\s)?(?:best|correct"
    r"|right|closest|most\s[a-z]{3,20}|true|only|final|proper|answer|option|choice)\b)"
)
_IS_CORRECT = compile_ascii(
    r"[imhsaw是正对最](?:(?<!\w.)(?:s|ust\sbe|as\sto\sbe|eems|ppears(?:\sto\sbe)?|ould\sbe)\s(?:(?:therefore|thus|clearly"
    rf"|indeed|most\slikely|probably|definitely|then|actually)\s)?(?:correct|right|the\s{_BEST})\b"
    r"|(?<=是)(?:正确|对的|最佳)|(?<=正)确|(?<=对)的|(?<=最)佳)"
)
_SUBJECT = compile_ascii(
    r"(?:[.,;:!?\n\"]\s{0,3}|\A|\b(?i:option|choice|answer|letter|so|thus|therefore|hence|that|think|believe|conclude"
    r"|guess|say)\s|选项\s?|\()[\s*_\"(]{0,4}(?P<option>[A-Z])[)*_\"\]]{0,4}\s?(?:选项)?\s?\Z"
)
_NOT_THE = compile_ascii(
    r"\b(?:not|neither|nor|if|whether|unless|suppose|assuming|statement|vitamin|type|point|class)\s?\Z"
)
_MAKES_CORRECT = compile_ascii(
    r"\b[Mm]ak(?:es|ing)\s(?:option\s|choice\s)?\(?(?P<option>[A-Z])\)?\sthe\s(?:best|correct|right|most|only|answer)\b"
)


class _Place(NamedTuple):
    """Where a statement may stand: its begin, its content's begin, its weight, and how its content is read."""

    start: int
    end: int
    standing: Standing
    negated: bool = False
    letter: str | None = None
    """The option, where it stands before the statement's end."""
    by_letter: bool = False
    """Whether an option's words count at the end of the text only."""


def last_statement(text: str, options: NamedOptions) -> tuple[Statement | None, Statement | None]:
    """
    Give the last plain statement of a text, and what its doubted statements amount to.

    Doubted statements amount to an answer only where all name the same one. They are not looked for where the end of
    the text states an answer plainly.
    """
    doubted: Statement | None = None
    for start in dict.fromkeys((text.rfind(" ", 0, max(0, len(text) - _TAIL)) + 1, 0)):
        doubted = None
        for statement in _statements(text, start, options):
            if statement.standing == "plain":
                return statement, None
            if doubted is None:
                doubted = statement
            elif doubted.answer != statement.answer:
                doubted = doubted._replace(answer=SEVERAL)
    return None, doubted


def _statements(text: str, start: int, options: NamedOptions) -> Iterator[Statement]:
    """Give the statements from *start* on, the last first."""
    for place in sorted(_places(text, start), reverse=True)[:MOST_CUES]:
        if place.standing == "denied":
            continue
        if place.letter is not None:
            if not taken_back(text, place.end):
                yield Statement(place.start, named(place.letter, options), place.standing)
            continue
        mention = mention_at(text, place.end, options, negated=place.negated)
        if mention is None or (mention.in_words and place.by_letter and text[mention.end :].strip(" \n.*_`\"'$)")):
            continue
        yield Statement(place.start, mention.answer, place.standing)


def _last(pattern: re.Pattern[str], text: str, start: int) -> deque[re.Match[str]]:
    # Not a list that is cut: a hostile text has a match for each three characters, and each would be kept at a time.
    return deque(pattern.finditer(text, start), maxlen=MOST_CUES)


def _places(text: str, start: int) -> Iterator[_Place]:
    for words in (ANSWER_WORDS, _OPTION_WORDS):
        for cue in answer_cues(text, start, words):
            yield _Place(cue.start, cue.end, cue.standing, cue.negated)
    for match in _last(_LINE_ANSWER, text, start):
        yield _Place(match.start(), match.end(), "plain", by_letter=True)
    for match in _last(_CLOSEST_TO, text, start):
        yield _Place(match.start(), match.end(), standing(text, match.start(), match.end()))
    for match in _last(_MAKES_CORRECT, text, start):
        yield _Place(match.start(), match.end(), standing(text, match.start(), match.end()), letter=match["option"])
    yield from _chosen(text, start)
    yield from _found(text, start)
    yield from _called_correct(text, start)


def _chosen(text: str, start: int) -> Iterator[_Place]:
    for match in _last(_CHOOSES, text, start):
        clause = FORCED.sub("", clause_before(text, match.start()))
        if match[0][0] > "z" or (_CHOOSER.search(clause) and not _CHOICE_DENIED.search(clause)):
            yield _Place(match.start(), match.end(), "plain", by_letter=True)


def _found(text: str, start: int) -> Iterator[_Place]:
    for match in _last(_FINDS, text, start):
        clause = clause_before(text, match.start())
        weight = standing(text, match.start(), match.end(), would="would" in match[0])
        if not _NOT_FOUND.search(clause) and weight != "denied":
            weight = weight if _revises(text, match.start(), clause) else "doubted"
            yield _Place(match.start(), match.end(), weight, by_letter=True)


def _revises(text: str, position: int, clause: str) -> bool:
    """Whether a sentence concludes, or corrects the one before."""
    start = max(0, position - len(clause))
    return _REVISES.search(clause) is not None or _CORRECTS.search(text[max(0, start - 24) : start]) is not None


def _called_correct(text: str, start: int) -> Iterator[_Place]:
    for match in _last(_IS_CORRECT, text, start):
        subject = _SUBJECT.search(text, max(0, match.start() - 40), match.start())
        if subject is None:
            continue
        position = subject.start("option")
        clause = clause_before(text, position)
        weight = standing(text, position, match.end(), would="would" in match[0])
        if _NOT_THE.search(clause.rstrip('(*" ')) or weight == "denied":
            continue
        firm = " the " in match[0] or _revises(text, position, clause)
        yield _Place(position, match.end(), weight if firm else "doubted", letter=subject["option"])
