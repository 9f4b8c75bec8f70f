"""
Characters in one form, on every Python.

Escapes stand for characters easily taken for others: a0 202f 3000 spaces, 2018 2019 201c 201d quotes, ff01 to ff5e the
full-width form of ASCII.
"""

import re

from streams.processors.answers.patterns import compile_ascii

REACH = 200_000
"""Characters, about 50,000 tokens: only the end of a longer text is read, so hostile input costs little."""

# Deleted: characters without width, which may stand between a letter and its bracket.
_UNSEEN = "\xad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufe0f\ufeff"
_SPACES = "\xa0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_CIRCLED = ((0x249C, 0x61), (0x24B6, 0x41), (0x24D0, 0x61))
_FORMS: dict[int, str | None] = {
    **{0xFF01 + step: chr(0x21 + step) for step in range(94)},
    **{first + step: f"({chr(letter + step)})" for first, letter in _CIRCLED for step in range(26)},
    **dict.fromkeys(map(ord, _SPACES), " "),
    **dict.fromkeys(map(ord, "\u2018\u2019\u201b\u2032"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\xab\xbb\u300c\u300d\u300e\u300f"), '"'),
    **dict.fromkeys(map(ord, "\u3010\u3014"), "["),
    **dict.fromkeys(map(ord, "\u3011\u3015"), "]"),
    **dict.fromkeys(map(ord, _UNSEEN)),
}


_TO_CHANGE = compile_ascii(f"[{re.escape(''.join(map(chr, _FORMS)))}]")


def plain(text: str) -> str:
    """Write full-width characters, spaces and quotes as ASCII has them, and leave out characters without width."""
    text = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    return text if text.isascii() or not _TO_CHANGE.search(text) else text.translate(_FORMS)


def end_of(text: str) -> str:
    """Give the end of a text, the only part that is read."""
    return text[-REACH:]
