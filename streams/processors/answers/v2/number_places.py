"""Places of a text that may state a number."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.cues import answer_cues
from streams.processors.answers.v2.number_tokens import LONGEST_PHRASE

MOST_PLACES = 64
"""Only so many of a text's last places are looked at; each costs up to a millisecond."""

_BOX = compile_ascii(r"\\(?:boxed|fbox) ?\{")
_HASH_LINE = compile_ascii(r"####[#*: ]*")
_A_LINE = compile_ascii(r"(?<![^\n])[*_ ]{0,4}A[*_]{0,2}:")
_BRACES = compile_ascii(r"\\?[{}]")
_STARTS = compile_ascii(r"""[\s*_`"'#$:={>]*(?:\\[(\[]\s*|\$\s*)*""")
_END = compile_ascii(r"\n|[.!?][*_\"')]{0,4}\s|。|\Z")


class NumberPlace(NamedTuple):
    """
    One place with what it holds.

    Attributes:
        source: Name of the rule, as readings give it.
        start: Where the place begins.
        content: What may be a number; None if the text ends within it.
        at: Where the content begins.
        weight: plain, doubted or denied; see `cues`.
    """

    source: str
    start: int
    content: str | None
    at: int
    weight: Literal["plain", "doubted", "denied"] = "plain"


def places(text: str) -> list[NumberPlace]:
    """Give the last hash lines, statements and boxes of a text, in order."""
    found = [*_hash_lines(text), *_statements(text), *_boxes(text)]
    return sorted(found, key=lambda place: place.start)[-MOST_PLACES:]


def _hash_lines(text: str) -> Iterator[NumberPlace]:
    for match in list(_HASH_LINE.finditer(text))[-MOST_PLACES:] if "####" in text else ():
        yield NumberPlace("hash_line", match.start(), line_at(text, match.end()), match.end())


def line_at(text: str, start: int) -> str:
    """Give the rest of a line, at most one character more than a phrase may have."""
    end = text.find("\n", start, start + LONGEST_PHRASE + 1)
    return text[start : end if end >= 0 else start + LONGEST_PHRASE + 1]


def sentence_end(text: str, start: int) -> int:
    """Give where the sentence at a position ends."""
    match = _END.search(text, start)
    return len(text) if match is None else match.end()


def _statements(text: str) -> Iterator[NumberPlace]:
    cues = [(cue.start, cue.end, cue.standing, cue.negated) for cue in answer_cues(text)][-MOST_PLACES:]
    if "A" in text:
        cues += [(match.start(), match.end(), "plain", False) for match in list(_A_LINE.finditer(text))[-MOST_PLACES:]]
    for start, end, standing, negated in cues:
        if text.startswith("</", max(0, start - 2)):
            continue
        # "The answer –5": a dash that touches the number is its sign.
        end -= text[end - 1] == "–" and not text[end : end + 1].isspace()
        begin = _STARTS.match(text, end, end + LONGEST_PHRASE)
        at = end if begin is None else begin.end()
        if "\n" in text[end:at] and text.startswith(("- ", "– "), at):
            # An item of a list, not a minus.
            yield NumberPlace("statement", start, None, at, standing)
            continue
        content = line_at(text, at)
        if negated:
            _, but, content = content.partition(" but ")
            standing = standing if but else "denied"
        yield NumberPlace("statement", start, content, at, standing)


def _boxes(text: str) -> Iterator[NumberPlace]:
    outer = -1
    for match in list(_BOX.finditer(text))[-MOST_PLACES:] if "\\" in text else ():
        if match.start() < outer:
            continue
        end = _closing(text, match.end())
        outer = end or match.end()
        denied = text[max(0, match.start() - 12) : match.start()].rstrip(" $\\([").endswith((" not", "n't"))
        content = None if end is None else text[match.end() : end]
        yield NumberPlace("boxed", match.start(), content, match.end(), "denied" if denied else "plain")


def _closing(text: str, start: int) -> int | None:
    depth = 1
    for brace in _BRACES.finditer(text, start, start + 2 * LONGEST_PHRASE):
        depth += {"{": 1, "}": -1}.get(brace[0], 0)
        if depth == 0:
            return brace.start()
    return None
