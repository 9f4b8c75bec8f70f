"""Options known by their own words."""

from dataclasses import dataclass
from functools import lru_cache

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.reading import Options
from streams.processors.answers.v2.characters import plain

MOST_WORDS_CHARACTERS = 400
"""An option longer than this is named by its letter, never by its words."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_LOWER = str.maketrans(LETTERS, LETTERS.lower())
# Around words, in the options as in texts: spaces, emphasis, quotes, and the signs of formulas.
_SOFT = " \t\n*_`\"'$"
_OPENING = compile_ascii(r"""(?:[\s*_`"'$:]|\\[(\[,;! ]|\\(?:text|textbf|mathrm|mathbf|textit|boxed)\s?\{){0,20}""")
# What may follow an option's words where they end: the end of a line or sentence, or a reason.
_CLOSING = compile_ascii(
    r"""(?:です|だ|입니다|이다|\s?है)?[*_`"'$)\]}]{0,6}(?:\\[)\]]){0,2}(?:\u3002|[.!;]{1,3}[*_`"'$)\]}]{0,6}(?:\s|\Z)|\s{0,3}\n"""
    r"""|\s{0,3}(?:<|\\|\Z)|[:,]\s{0,3}\n|,?\s{1,3}(?:\([A-Z]\)|[\u2013\u2014-]{1,2}\s"""
    r"""|(?i:because|since|as|which|due|based|but|not|rather|instead|so)\b))"""
)
_ROMAN = compile_ascii(r"[IVX]{1,4}(?:\Z|\sonly\b|,|\sand\b|\sor\b|\s?&)")


@dataclass(frozen=True, slots=True)
class NamedOptions:
    """
    Options as a reader looks for them.

    Attributes:
        count: How many there are.
        equals: For each, the place of the first equal one.
        words: Words of each that has some, with its place; the longest first.
        complete: Whether the words of all are known.
        roman: Whether some are Roman numerals, as in "I and II", so that a bare I is no letter.
        firsts: The characters with which the words begin, in lower case.
    """

    count: int
    equals: tuple[int, ...]
    words: tuple[tuple[str, str, int], ...]
    complete: bool
    roman: bool
    firsts: tuple[str, ...]

    def letter(self, place: int) -> str:
        """Name the option at a place by the letter of the first equal one."""
        return LETTERS[self.equals[place]]

    def called(self, text: str) -> str | None:
        """Give the letter of the option whose words a text is; "" where several options are called so."""
        found = self.called_at(text, 0)
        return found[0] if found is not None and not text[found[1] :].strip(_SOFT + ".") else None

    def called_at(self, text: str, position: int) -> tuple[str, int] | None:
        """
        Give the option whose words stand at a position, and their end: the longest; "" where several are called so.

        Words are equal as they are written, or else apart from ASCII capitals; runs of spaces count as one. They must
        end where a line, a sentence or a clause ends: "5" does not stand in "5.5", "5 m" or "5, 6 and 7".
        """
        if not self.words:
            return None
        opening = _OPENING.match(text, position)
        start = position if opening is None else opening.end()
        if text[start : start + 1].translate(_LOWER) not in self.firsts:
            return None
        chunk, ends = _single_spaced(text, start, 2 * len(self.words[0][0]) + 40)
        for folded in (False, True):
            shown = chunk.translate(_LOWER) if folded else chunk
            found: dict[int, list[str]] = {}
            for exact, lower, place in self.words:
                if shown.startswith(lower if folded else exact):
                    found.setdefault(len(exact), []).append(self.letter(place))
            for length, letters in found.items():
                if _CLOSING.match(text, ends[length - 1]):
                    return (letters[0] if len(dict.fromkeys(letters)) == 1 else ""), ends[length - 1]
        return None


def _single_spaced(text: str, start: int, most: int) -> tuple[str, list[int]]:
    """Give a part of a text with runs of spaces made one, and the end of each of its characters in the text."""
    characters: list[str] = []
    ends: list[int] = []
    for offset, character in enumerate(text[start : start + most], start + 1):
        space = character in " \t\n"
        if space and characters and characters[-1] == " ":
            ends[-1] = offset
        else:
            characters.append(" " if space else character)
            ends.append(offset)
    return "".join(characters), ends


@lru_cache(256)
def named_options(options: Options) -> NamedOptions:
    """Prepare the options of a question."""
    words = []
    for place, text in enumerate(options.words[: len(LETTERS)]):
        exact = "" if text is None else " ".join(plain(text).split()).strip(_SOFT).rstrip(".")
        if 0 < len(exact) <= MOST_WORDS_CHARACTERS:
            words.append((exact, exact.translate(_LOWER), place))
    return NamedOptions(
        min(len(options.words), len(LETTERS)),
        options.equals,
        tuple(sorted(words, key=lambda each: (-len(each[0]), each[2]))),
        None not in options.words,
        any(_ROMAN.match(exact) for exact, _, _ in words),
        tuple(dict.fromkeys(lower[0] for _, lower, _ in words)),
    )
