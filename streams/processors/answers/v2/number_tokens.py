"""Tokens of a phrase that may hold a number."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.characters import plain
from streams.processors.answers.v2.written_numbers import DIGITS

LONGEST_PHRASE = 400
"""Characters; whatever is longer is no number, so hostile input costs little."""

MOST_TOKENS = 160
"""The same for what is written in few characters."""


class Token(NamedTuple):
    """
    One piece of a phrase.

    Attributes:
        kind: number, word, command or sign; "end" behind the last one.
        text: What is written.
        gap: Whether a space stands before it.
    """

    kind: str
    text: str
    gap: bool


END = Token("end", "", True)

# Digits of the scripts that models answer in, by their zero: Arabic, Persian, Devanagari, Bengali, Thai.
OTHER_DIGITS = "".join(chr(zero + step) for zero in (0x660, 0x6F0, 0x966, 0x9E6, 0xE50) for step in range(10))

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹⁻"
_VULGAR = {"½": "1/2", "⅓": "1/3", "⅔": "2/3", "¼": "1/4", "¾": "3/4", "⅕": "1/5", "⅖": "2/5", "⅗": "3/5", "⅘": "4/5"}
_VULGAR |= {"⅙": "1/6", "⅚": "5/6", "⅛": "1/8", "⅜": "3/8", "⅝": "5/8", "⅞": "7/8"}
_CHARACTERS: Mapping[int, str] = {
    **{ord(digit): str(place % 10) for place, digit in enumerate(OTHER_DIGITS)},
    **dict.fromkeys(map(ord, "\u2010\u2011\u2212"), "-"),
    **dict.fromkeys(map(ord, "×·⋅∙✕✖"), "*"),
    **dict.fromkeys(map(ord, "÷⁄∕"), "/"),
    **dict.fromkeys(map(ord, "≈≅∼≃"), "≈"),
    **dict.fromkeys(map(ord, "€£¥₩¢$`~"), " "),
    **{ord(sign): "\\frac{{{}}}{{{}}}".format(*parts.split("/")) for sign, parts in _VULGAR.items()},
    ord("₹"): " ",
    ord("√"): "\\sqrt ",
    ord("…"): "...",
    ord("٫"): ".",
    ord("٬"): "'",
    ord("、"): ",",
    ord("。"): " . ",
    ord('"'): " ",
    ord("&"): " ",
}
_COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("times", "cdot", "ast", "cdotp"), "*"),
    **dict.fromkeys(("div", "over"), "/"),
    **dict.fromkeys(("approx", "sim", "simeq", "cong", "doteq"), "≈"),
    **dict.fromkeys(("dfrac", "tfrac", "cfrac", "frac"), "\\frac"),
    **dict.fromkeys(("ldots", "dots", "cdots"), "..."),
    **dict.fromkeys(("quad", "qquad", "newline"), ", "),
    **dict.fromkeys(("circ", "degree"), "°"),
    **dict.fromkeys(("lbrace", "rbrace"), "⟨"),
    **dict.fromkeys(("displaystyle", "limits", "mathstrut", "pounds", "euro", "cent", "large", "Large", "small"), " "),
    **dict.fromkeys(("left", "right", "big", "Big", "bigl", "bigr", "boxed", "fbox"), ""),
    **dict.fromkeys(("text", "mathrm", "mathbf", "textbf", "mathit", "textit", "mbox"), ""),
    **dict.fromkeys(("operatorname", "mathsf", "texttt", "emph", "underline", "bm", "boldsymbol", "textrm"), ""),
}

_NOTE = compile_ascii(r"<<[^<>\n]{0,120}>>")
_TAG = compile_ascii(r"</?[A-Za-z][A-Za-z0-9]{0,15}/?>")
_TEXT = compile_ascii(r"\\(?:text|textbf|textit|textrm|mathrm|mbox|mathbf|mathit|emph|operatorname)\s*\{([^{}]*)\}")
_THIN = compile_ascii(r"\\[,;: ]|\\[()\[\]]|\\?\$|\*\*|__")
# "2:00 pm" is 2 o'clock.
_FULL_HOUR = compile_ascii(r"(?<=[0-9]):00(?= *(?:[AaPp]\.?[Mm]|o'clock)\b)")
# The 2**3 of programs; any other "**" marks bold type.
_POWER = compile_ascii(r"(?<=[0-9)])\*\*(?=[-0-9(])")
# "(C) 18": the letter of an option before its number.
_OPTION = compile_ascii(r"\A\s*\(\s*[A-H]\s*\)(?=\s*\S)")
_COMMAND = compile_ascii(r"\\([A-Za-z]+)")
_RAISED_DIGITS = compile_ascii(f"[{_RAISED}]+")
_SIGN_WORD = compile_ascii(
    r"(?<![A-Za-z])(?i:(?P<minus>minus|negative|moins|menos|meno)|plus)\s+(?=[0-9.\\(])|(?P<other>минус|负|負)\s*(?=[0-9])"
)

# Latin without the signs of multiplication and division, Greek to the Indian scripts, Chinese, Japanese, Korean.
_LETTER = r"A-Za-z\xaa\xb5\xba\xc0-\xd6\xd8-\xf6\xf8-\u024f\u0370-\u1fff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_TOKEN = compile_ascii(
    rf"(?P<gap>\s*)(?:(?P<number>{DIGITS})|(?P<command>\\[A-Za-z]+)"
    rf"|(?P<word>[{_LETTER}]{{2,}}(?:[-'][{_LETTER}]{{2,}})*|[{_LETTER}])|(?P<sign>\.\.\.|:=|<=|>=|[^\s]))"
)


def clean(phrase: str) -> str:
    """Write a phrase without markup, and each sign in one way."""
    phrase = phrase.replace("{,}", ",").replace("\\!", "").replace("\\%", "%").replace("\\_", "_").replace("\\\\", ", ")
    phrase = phrase.replace("\\{", "⟨").replace("\\}", "⟨")
    for _ in range(2):
        phrase = _TEXT.sub(r" \1 ", phrase)
    phrase = _FULL_HOUR.sub("", phrase).replace("o'clock", "oclock")
    phrase = _TAG.sub(" ", _NOTE.sub("", phrase))
    phrase = _COMMAND.sub(lambda found: _COMMANDS.get(found[1], found[0]), _THIN.sub(" ", _POWER.sub("^", phrase)))
    phrase = _OPTION.sub("", phrase)
    if not phrase.isascii():
        phrase = _RAISED_DIGITS.sub(_lowered, phrase)
    phrase = phrase.translate(_CHARACTERS)
    return _SIGN_WORD.sub(lambda found: "- " if found["minus"] or found["other"] else "+ ", phrase)


def _lowered(raised: re.Match[str]) -> str:
    return "^{" + "".join("-" if sign == "⁻" else str(_RAISED.index(sign)) for sign in raised[0]) + "}"


def tokens_of(phrase: str) -> list[Token]:
    """Cut a phrase into tokens."""
    found = _TOKEN.finditer(clean(plain(phrase)))
    return [Token(str(match.lastgroup), match[str(match.lastgroup)], bool(match["gap"])) for match in found]
