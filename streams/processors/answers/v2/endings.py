"""Options boxed, at an end, or as labels."""

import re
from collections import deque

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.cues import answer_cues, clause_before, standing
from streams.processors.answers.v2.mentions import OUTSIDE, SEVERAL, mention_at, named, taken_back
from streams.processors.answers.v2.option_words import LETTERS, NamedOptions

_SOFT = " \t\n*_`\"'$#>."

# --- boxes ---------------------------------------------------------------------------------------------------------

_BOX = compile_ascii(r"\\f?boxed\s?\{")
_MOST_BOXED = 400
_MOST_BOXES = 200
_LATEX = compile_ascii(
    r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mathsf|mathit|bf|rm|boldsymbol|boxed)\b\s?|\\[(),;!:\[\]{}]|[{}$]"
)
_SEVERAL_LETTERS = compile_ascii(
    r"[\s(]{0,3}[A-Z][\s)]{0,3}(?:(?:[,;/&]|\\&|\\,|and|or)?[\s(]{0,3}[A-Z][\s)]{0,3}){1,25}"
)
_JOINED = compile_ascii(r"\}[\s$\\()]{0,6}(?:,|and|or|&)[\s$\\()]{0,6}\Z")


def boxed(text: str, options: NamedOptions) -> str | None:
    """Give the option in the last box that holds one; SEVERAL where a box holds several, or boxes are joined."""
    for start in reversed(list(_BOX.finditer(text))[-_MOST_BOXES:]):
        content = _braced(text, start.end())
        if content is None or standing(text, start.start(), start.end()) == "denied":
            continue
        found = _boxed_option(content, options)
        if found is not None and not taken_back(text, start.end() + len(content) + 1):
            return SEVERAL if _JOINED.search(text, max(0, start.start() - 20), start.start()) else found
    return None


def _boxed_option(content: str, options: NamedOptions) -> str | None:
    bare = " ".join(_LATEX.sub(" ", content).split())
    if _SEVERAL_LETTERS.fullmatch(bare) and len(dict.fromkeys(re.findall("[A-Z]", bare))) > 1:
        return options.called(content) or SEVERAL
    if len(bare.strip("(). ")) == 1 and bare.strip("(). ").isascii() and bare.strip("(). ").isalpha():
        return named(bare.strip("(). "), options)
    for shown in (content, bare):
        found = options.called(shown)
        if found is not None:
            return found
    mention = mention_at(content, 0, options) or mention_at(bare, 0, options)
    return None if mention is None else mention.answer


def _braced(text: str, start: int) -> str | None:
    """Give what stands from *start* to the brace that closes; None if none does within reach."""
    depth = 1
    for position in range(start, min(len(text), start + _MOST_BOXED)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start:position]
    return None


# --- the end of the text -------------------------------------------------------------------------------------------

# Closing tags may follow. Small letters only where they stand alone; "a" and "i" are words.
_ENDING = compile_ascii(r"[A-Za-z](?=(?:[\s.)\]*_$`\"'}]|\\\)){0,20}(?:<[^<>\s]{1,20}>\s{0,9}){0,9}\Z)")
_ALONE_BEFORE = compile_ascii(
    r"(?:\A|\n|\b(?i:it\s+is|it's|so|thus|therefore|hence|elimination:?),?\s|(?:\n|\A)[\s*_]{0,4}(?:(?i:option|choice)[:\s]|选项|选)\s?)"
    r"(?:[\s*_#>$(\[\"`{]|\\\(|\\[a-z]{2,8}\{|<[a-z_]{1,20}>){0,20}\Z"
)
_LETTER_LINE = compile_ascii(r"(?:\A|\n)[\s*_#>$(\[\"]{0,9}([A-Z])[\s.)\]*_$\"]{0,9}(?=\n)")
_SET_ASIDE = compile_ascii(
    r"(?i:(?:\b(?:not|out|than|except|eliminates?|excludes?|unlike|either|neither|nor|between|versus)|n't)(?:\s+be)?"
    r"(?:\s+option)?|\([A-Z]\),?(?:\s+(?:and|or|nor))?|\b[A-Z],?\s+(?:and|or|nor))[\s*]*\(?\Z|\b[A-Z],[\s*(]{0,4}\Z"
)
_REMARK = compile_ascii(
    r"\b(?:(?:incorrect|wrong)\s(?:answer|option|choice|one)|distractor|second[- ]best|runner-up|worst|ruled\sout"
    r"|eliminat(?:e|es|ed|ing)\b|instead\sof|rather\sthan|compared\s(?:to|with)|unlike|tempting)\b"
)
_BRACKETED = compile_ascii(r"(?<!\w)\(")
_MOST_BRIEF = 80


def brief(text: str, options: NamedOptions) -> str | None:
    """Give the option that a reply of one short line names first: "C rather than B", "la lettre C"."""
    line = text.strip()
    if len(line) > _MOST_BRIEF or "\n" in line:
        return None
    denied = line[:4].lower() == "not "
    mention = mention_at(line, 3 if denied else 0, options, negated=denied)
    return None if mention is None else mention.answer


def ending(text: str, options: NamedOptions) -> str | None:
    """Give the option that ends a text: alone on its last line, after "so", or in brackets."""
    match = _ENDING.search(text, max(0, len(text.rstrip()) - 300))
    if match is None:
        return None
    start, end = match.span()
    alone = _ALONE_BEFORE.search(text, max(0, start - 40), start) is not None
    opened, closed = text[max(0, start - 1) : start] == "(", text[end : end + 1] == ")"
    if (opened and not closed) or (match[0].islower() and not (alone and (closed or not text[:start].strip(_SOFT)))):
        return None
    bracketed = opened and closed and _BRACKETED.match(text, start - 1)
    if not (alone or bracketed) or dismissed(text, start):
        return None
    if alone and _other_lines(text[:start], match[0]):
        return SEVERAL
    return named(match[0], options)


def _other_lines(text: str, letter: str) -> bool:
    """Whether another letter stands alone on a line of a text."""
    return any(other[1] != letter.upper() for other in _LETTER_LINE.finditer(text))


def dismissed(text: str, position: int) -> bool:
    """Whether an option is ruled out, one of several, or of a statement that was passed over."""
    if _SET_ASIDE.search(text, max(0, position - 80), position):
        return True
    clause = clause_before(text, position)
    if _REMARK.search(clause) or standing(text, position, position + 1, would="would" in clause) == "denied":
        return True
    stated = answer_cues(text[position - len(clause) : position] + "A")
    return any(cue.standing == "denied" or cue.negated for cue in stated)


# --- the beginning and labels --------------------------------------------------------------------------------------

_SCRIPT = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\u0e00-\u0e7f"
# "C", then a new line, a reason, or a text in a script without spaces: "C。因为".
_OPENING = compile_ascii(
    rf"""[\s*_#>$(\["]{{0,9}}(?:(?i:option|choice)\s)?[(*]{{0,3}}([A-Z])[)\]*_$"]{{0,6}}"""
    rf"(?:[.:]?[*_]{{0,3}}\s{{0,3}}\n|,?\s(?i:because|since|as|due)\b|[.,:;\u3001\u3002-]{{0,2}}\s?[{_SCRIPT}])"
)
_MOST_LABELS = 1_000
_LABEL = compile_ascii(
    r"(?P<letter>[A-Z])(?=[.)][.,:*\"\]]{0,3}\s(?![A-Z]\.)|(?P<weak>[*_]{0,3}(?:\s?[:\u3002]|\s[\u2013\u2014-])[*_]{0,3}\s?))"
)
_LABEL_START = compile_ascii(
    r"(?:\A|\n|\b(?:is|are|as|be|a|by|therefore)\s|(?<!\w):|\w:|\")[\s*_#>\"(\[]{0,6}(?P<word>(?i:option|choice|选项|选)\s?[*_(]{0,3})?\Z"
)
_LAST_COLON = compile_ascii(r":[\s*_(]{0,6}([A-Z])[)*_.\s]{0,12}\Z")
_ECHO = compile_ascii(r"(?:\A|(?<=[\s(*]))[A-Z](?=[*_]{0,3}[.):][*_]{0,3}\s)")


def opening(text: str, options: NamedOptions) -> str | None:
    """Give the option that a text begins with: alone on the first line, or before its reason."""
    match = _OPENING.match(text)
    if match is None or dismissed(text, match.start(1)) or taken_back(text, match.end(1)):
        return None
    return SEVERAL if _other_lines(text, match[1]) else named(match[1], options)


def labelled(text: str, options: NamedOptions) -> str | None:
    """Give the only option that is named by its label: "C. Lyon" where a line or a sentence about the answer starts."""
    last = _LAST_COLON.search(text, max(0, len(text) - 60))
    found = deque(_LABEL.finditer(text), maxlen=_MOST_LABELS)
    labels = [label for label in found if text.endswith("(", 0, label.start()) or _starts(text, label)]
    letters = list(dict.fromkeys(label["letter"] for label in labels))
    # An answer may stand behind a word that is not known here, as in "Zzz: C".
    if len(letters) > 1 or (last is not None and letters and last[1] not in letters):
        return SEVERAL
    for label in reversed(labels[-20:]):
        start, end = label.span("letter")
        begun = _starts(text, label)
        if begun is None or dismissed(text, start):
            continue
        mention = mention_at(text, start, options)
        if mention is None or mention.in_words:
            continue
        # A colon or a dash makes a label of an option's words; other text only where the reply begins with it.
        if label["weak"] is None or begun["word"] or _says_it(text, end, mention.answer, options):
            return mention.answer
        if not text[:start].strip(_SOFT + "(") and label["letter"] != "A" and mention.answer != OUTSIDE:
            return mention.answer
    return None


def _says_it(text: str, end: int, letter: str, options: NamedOptions) -> bool:
    colon = text.find(" ", end, end + 8)
    found = None if colon < 0 else options.called_at(text, colon)
    return found is not None and found[0] == letter


def _starts(text: str, label: re.Match[str]) -> re.Match[str] | None:
    return _LABEL_START.search(text, max(0, label.start() - 24), label.start())


def without_echo(text: str, options: NamedOptions) -> str:
    """Leave out the list of all options, where a text repeats it: "(A) Paris (B) Rome"."""
    labels = list(deque(_ECHO.finditer(text), maxlen=_MOST_LABELS))
    for first in range(len(labels) - options.count, -1, -1) if options.count > 1 else ():
        if labels[first][0] != "A":
            continue
        run = labels[first : first + options.count]
        if all(label[0] == letter for label, letter in zip(run, LETTERS, strict=False)):
            end = _end_of_option(text, run[-1].end(), options)
            return text[: run[0].start()].rstrip("(* ") + "\n" + text[end:]
    return text


def _end_of_option(text: str, position: int, options: NamedOptions) -> int:
    found = options.called_at(text, position + 2)
    line_end = text.find("\n", position)
    return found[1] if found is not None else (len(text) if line_end < 0 else line_end)


# --- words ---------------------------------------------------------------------------------------------------------

_LEAD_IN = compile_ascii(r"[\s*_]{0,6}(?i:(?:so|thus|therefore|hence),?\s|(?:it\sis|it's)\s(?:the\s)?){0,2}")
_WORDY = compile_ascii(r"[^\x00-\x7f]|[A-Za-z]{2}")
_MOST_LINES = 200


def called(text: str, options: NamedOptions) -> str | None:
    """Give the option whose own words are the text's first or last line, or its first sentence."""
    lines = [line for line in text.split("\n")[-_MOST_LINES:] if line.strip()]
    if not lines or not options.words:
        return None
    found = [options.called(line[lead.end() :] if (lead := _LEAD_IN.match(line)) else line) for line in lines]
    named_there = list(dict.fromkeys(letter for letter in found if letter is not None))
    if len(named_there) > 1:
        return SEVERAL
    for letter in (found[-1], found[0]):
        if letter is not None:
            return letter
    begun = options.called_at(text, 0)
    if begun is None or not _WORDY.search(text[: begun[1]]) or taken_back(text, begun[1]):
        return None
    return begun[0]
