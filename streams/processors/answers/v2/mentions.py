"""Options named by letter or in words."""

from typing import NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.answer_words import LANGUAGES
from streams.processors.answers.v2.cues import any_of, capitals, clause_after
from streams.processors.answers.v2.option_words import LETTERS, NamedOptions

SEVERAL = ""
"""Stands for an answer where several options are named, or none of them: such a statement withdraws those before it."""

OUTSIDE = "?"
"""Stands for an answer where a letter past the options is named."""


class Mention(NamedTuple):
    """
    The option named at a place.

    Attributes:
        answer: Its letter, SEVERAL or OUTSIDE.
        end: Where what names it ends.
        in_words: Whether its words name it.
    """

    answer: str
    end: int
    in_words: bool = False


# --- letters -------------------------------------------------------------------------------------------------------

_EITHER_WORDS = [word for language in LANGUAGES for word in language.either if len(word) > 1 or word not in "aei"]
_EITHER = any_of(word for word in _EITHER_WORDS if word < "\u0370")
_EITHER_ELSEWHERE = any_of(word for word in _EITHER_WORDS if word > "\u0370")
_AND_OR = rf"(?:(?:{_EITHER}|AND|OR)(?![A-Za-z])|{_EITHER_ELSEWHERE}|[&/,、+])"
_MARK = r"""(?:[\s*_`"'#<>$:=({\[~]|\\[(\[,;! ]|\\(?!d?frac)[A-Za-z]{2,10}\s?\{|\\(?:quad|qquad|displaystyle)\b)"""
_FILLER = (
    r"(?i:(?:the|option|choice|letter|answer|therefore|thus|most|likely|probably|clearly|closest\sto|best|correct|indeed"
    r"|actually|obviously|undoubtedly|donc|alors|portanto|entonces|quindi|daher|definitely|simply|just|now|still|certainly|surely|given\s(?:by|in|as)|represented\sby|found\s(?:in|under)"
    r"|listed\s(?:as|in|under)|shown\s(?:in|by|as)|to\sbe|number|I\s+(?:think|believe))\b)"
)
# No word is in two of these patterns: what can be matched in two ways costs twice at each repeat.
_FILLERS = ("the", "option", "choice", "letter", "answer")
_OPTION_WORD = any_of(capitals(word for language in LANGUAGES for word in language.option if word not in _FILLERS))
_MANY = r"(?P<many>(?i:either|both|neither|one\sof|between|a\scombination\sof|all\sof)\b)"
_GLUE = rf"(?P<glue>(?:{_MARK}|-|{_FILLER}|{_OPTION_WORD}(?![a-z])|{_MANY}){{0,40}})"

# A bare capital is an option only where it cannot be a word, a symbol or an initial: "A cat", "I think", "J. S. Bach".
_BECAUSE = r"because|since|as|which|due|based|but|rather|instead|over|not|is\s+(?:the|correct|right)"
_REASON = (
    r"for|by|with|where|when|while|so|then|thus|given|according|from|although|though|would|however|here"
    r"|in\s(?:the|this)"
)
_OTHER_SCRIPT = (
    "\u0370-\u052f\u0590-\u06ff\u0900-\u0dff\u0e00-\u0eff\u1200-\u137f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3"
)
_STRICT = (
    r"""(?=[)\]}*_$"`<>|]|'(?!\w)|'[dt][ıiuü]r|\.(?!\w|\s[A-Z]\.)|[,;:!?/、。](?!\d)"""
    rf"""|\s{{0,40}}(?:\Z|\n|\\[)\]\\]|\\(?:text|mathrm|quad)|[&<\u2013\u2014]|-\s)|\s+\(|\s:|\s?[{_OTHER_SCRIPT}]"""
    rf"""|\s+(?:(?i:{_BECAUSE}|{_EITHER})\b))"""
)
_UPPER = rf"(?:[A-Z]{_STRICT}|[B-HJ-Z](?=\s+(?i:{_REASON})\b))"
# A small letter in brackets, or at the end of a line; "a" and "i" are words before a comma.
_LOWER = (
    r"""(?:(?<=[(\[{])[a-z](?=[)\]}])|[a-z](?=[)\]](?!\w)|[.]?[*_"'`$}]{0,4}[.]?\s{0,20}(?:\Z|\n))"""
    r"""|[b-hj-z](?=[,;:]\s|\.\s|\s+(?i:because|since|as|not|rather)\b))"""
)
_LETTER = compile_ascii(rf"{_GLUE}(?P<option>{_UPPER}|{_LOWER})")
_UNMARKED = compile_ascii(rf"{_GLUE}(?P<option>[A-Z])(?=\.\s?[A-Z]\.|\s)")
_NONE = compile_ascii(
    rf"{_GLUE}(?i:none|neither|not\s+(?:listed|given|provided|among)|unknown|unclear|un(?:der)?determined|ambiguous"
    r"|impossible\sto|n/a)\b(?![^.\n]{0,60}\([A-Z]\))"
)

# --- what follows a letter -----------------------------------------------------------------------------------------

_CLOSE = r"""(?:[)\]}*_$"'`]|\\[)\]]){0,8}"""
_ANOTHER = compile_ascii(
    rf"{_CLOSE}\s{{0,9}},?\s{{0,9}}(?:{_AND_OR}{_GLUE}(?P<option>[A-Z]{_STRICT}|(?<=[(\[])[a-z](?=[)\]]))"
    r"|\)\s?\((?P<beside>[A-Z])\)|(?i:and|or|nor)\s(?:option\s)?(?P<bare>[B-HJ-Z])(?=\s(?!is\b|was\b|isn't\b|being\b|would\b)))"
)
_MORE_NUMERALS = compile_ascii(rf"{_CLOSE}\s?(?:,|{_AND_OR}|-)\s?(?:and\s|or\s)?[IVX]{{2,4}}\b|\sonly\b")
_NEXT_LABEL = compile_ascii(r"[.):][^\n]*\n[ \t*(-]*[A-Z][.):]")
_LABEL_MARK = compile_ascii(
    r"""(?:[)\]][*_]{0,3}[:,]?|[*_]{0,3}\s?[:\u2013\u2014-]|[.,][*_]{0,3}|[*_]{0,3}\s\(|\s?\\(?:text|textbf|mathrm)\{|\s"""
    r"""|[)\]]?[*_"'`}]{1,4}[:.]?)[*_]{0,3} {0,3}"""
)
_NOT_THERE = compile_ascii(r"\s{1,4}(?i:listed|given|provided|among|included|available|present|shown|here|in\sthe)\b")
_BUT = compile_ascii(r"[^.;\n]{0,60}?,?\s(?:but|instead|rather)\s")
_TAKEN_BACK = compile_ascii(
    rf"{_CLOSE}(?:\s{{0,9}}(?:\?|(?i:(?:is|was)\s+(?:not|incorrect|wrong|false|ruled)|(?:is|was)n't)\b|是?(?:错|不[正对])"
    r"|不是|錯)|(?:\.{2,3}|\u2026|,|\s?[\u2013\u2014-])\s?(?i:no,|wait\b|sorry\b|or\srather|I\smean))"
)
_WRONG = (
    r"(?:(?:is|was|can|would|does|seems)\s?(?:n't|not)\s(?:be\s|seem\s)?(?:the\s|a\s|quite\s|really\s|fully\s|an\s)?"
    r"(?:correct|right|answer|true|valid|exact|best|possible|match|fit|work|it)|(?:is|was|seems|would be|must be)\s"
    r"(?:clearly\s|also\s)?(?:incorrect|wrong|false|invalid|a\smistake|not\sit)|(?:isn't|wasn't|can't)\s(?:be\s)?"
    r"(?:the\s)?(?:correct|right|true|answer|it)|makes no sense|is ruled out|doesn't (?:fit|work|match))"
)
_TAKEN_BACK_LATER = compile_ascii(rf"(?i:,?\s(?:but|which|though|although|however|yet)\b[^.;\n]{{0,40}}?\b{_WRONG})")
_NEXT_TAKES_BACK = compile_ascii(
    r"[^.!?\n]{0,80}[.!]{1,4}['\")*]{0,3}\s{1,4}"
    r"(?i:(?:but|however|wait|no|hmm|actually|hold on|sorry)[,.!]{0,3}\s){0,2}"
    rf"(?i:this|that|it|which)(?:'s\s(?:not\s(?:the\s)?(?:correct|right|answer)|wrong|incorrect)|\s{_WRONG})\b"
)

# --- words before a letter ------------------------------------------------------------------------------------------

_LEADING = compile_ascii(
    rf"(?:{_MARK}|(?i:the|option|therefore|thus|most\slikely|probably)\s|{_OPTION_WORD}\s){{0,12}}"
)
_ONE_LETTER = compile_ascii(r"[^0-9A-Za-z]*[A-Za-z]")
_BRACKETED_AFTER = compile_ascii(r"""[*_"'`]{0,4}\s{0,3}\(([A-Z])\)""")


def mention_at(text: str, position: int, options: NamedOptions, *, negated: bool = False) -> Mention | None:
    """
    Read which option is named at a position.

    Args:
        text: The whole text.
        position: Where a statement's content begins.
        options: The question's options.
        negated: Whether "not" stands before: the option after "but" is read ("not B but D").

    Returns:
        None where no option is named, or it is taken back: "(A)?", "(A) is wrong", "(A) 5, but this is not correct".
    """
    if negated:
        but = _BUT.match(text, position)
        if but is not None:
            return mention_at(text, but.end(), options)
        return Mention(SEVERAL, position) if _NOT_THERE.match(text, position) else None
    mention = _in_words(text, position, options)
    if mention is None:
        mention = _by_letter(text, position, options)
    elif (labelled := _before_its_words(text, position, options)) is not None and labelled.answer != mention.answer:
        # "C. H. Lyon", where that is what D says, and "H. Lyon" what C says.
        mention = Mention(SEVERAL, labelled.end)
    if mention is None:
        return Mention(SEVERAL, position) if _NONE.match(text, position) else None
    return None if taken_back(text, mention.end) else mention


def taken_back(text: str, end: int) -> bool:
    """Whether what follows an option takes it back."""
    if _TAKEN_BACK.match(text, end) or _NEXT_TAKES_BACK.match(text, end):
        return True
    clause = clause_after(text, end)
    asks = text[end + len(clause) : end + len(clause) + 1] == "?" or clause.rstrip().endswith("?")
    return asks or _TAKEN_BACK_LATER.search(clause) is not None


def _in_words(text: str, position: int, options: NamedOptions) -> Mention | None:
    # Words of one letter are that letter: the form asks for letters.
    glue = _LEADING.match(text, position)
    for start in dict.fromkeys((position, position if glue is None else glue.end())):
        found = options.called_at(text, start)
        if found is not None and not _ONE_LETTER.fullmatch(text[start : found[1]]):
            bracketed = _BRACKETED_AFTER.match(text, found[1])
            if bracketed and named(bracketed[1], options) != found[0]:
                return Mention(SEVERAL, bracketed.end())
            return Mention(found[0], found[1], in_words=True)
    return None


def _by_letter(text: str, position: int, options: NamedOptions) -> Mention | None:
    match = _LETTER.match(text, position)
    if match is None:
        return _before_its_words(text, position, options)
    start, end = match.span("option")
    bracketed = text[start - 1 : start] in ("(", "[", "{")
    if text[start] in "IVX" and (_MORE_NUMERALS.match(text, end) or (options.roman and not bracketed)):
        return Mention(SEVERAL, end)
    letter = named(text[start:end], options)
    another = _ANOTHER.match(text, end)
    if match["many"] or (
        another and named(another["option"] or another["bare"] or another["beside"], options) != letter
    ):
        return Mention(SEVERAL, end)
    if "\n" in match["glue"] and (label := _NEXT_LABEL.match(text, end)) and text[label.end() - 2] != text[start]:
        return Mention(SEVERAL, end)
    called = _own_words(text, end, options)
    return Mention(SEVERAL if called not in (None, letter) else letter, end)


def _before_its_words(text: str, position: int, options: NamedOptions) -> Mention | None:
    # "C. H. Lyon" is option C where that says "H. Lyon"; so is "C Lyon".
    match = _UNMARKED.match(text, position)
    if match is None or _own_words(text, match.end(), options) != named(match["option"], options):
        return None
    return Mention(named(match["option"], options), match.end())


def _own_words(text: str, end: int, options: NamedOptions) -> str | None:
    """Give the option whose words follow a letter as its label: "C: Lyon"."""
    mark = _LABEL_MARK.match(text, end)
    found = None if mark is None or mark.end() == end else options.called_at(text, mark.end())
    return None if found is None else found[0]


def named(letter: str, options: NamedOptions) -> str:
    """Give the answer that a letter names."""
    place = LETTERS.find(letter.upper())
    return options.letter(place) if place < options.count else OUTSIDE
