"""Units behind a number."""

from collections.abc import Sequence

from streams.processors.answers.v2.number_tokens import END, Token
from streams.processors.answers.v2.number_words import CHANGES, COUNTS, FURTHER, STOPS, UNIT_LETTERS, UNSURE_SCALES

_SIGNS = frozenset("%°'′\"‰")
_ORDINALS = ("st", "nd", "rd", "th")
_MOST_WORDS = 4


def after_units(tokens: Sequence[Token], at: int) -> tuple[int, bool]:
    """
    Go past units: "%", "km/h", "m^2", "red apples per day".

    Returns:
        Where they end, and whether a variable stands there, which is no unit: "7x".
    """
    words = 0
    while True:
        token, following = _at(tokens, at), _at(tokens, at + 1)
        if token.text in _SIGNS:
            at += 1
        elif token.text == "^":
            at = _after_exponent(tokens, at + 1)
        elif token.text == "{" and following.kind == "word" and _at(tokens, at + 2).text == "}":
            at += 3
        elif token.text in ("/", "*") and following.kind == "word" and _may_be_unit(following, _at(tokens, at + 2)):
            at += 2
        elif is_compound(tokens, at):
            return at + 2, True
        elif token.text == "\\frac" and _at(tokens, at + 2).kind == "word" and len(_at(tokens, at + 2).text) > 1:
            at = _after_fraction(tokens, at)
        elif token.kind == "word" and words < _MOST_WORDS and not _ends_units(token, following):
            if not _may_be_unit(token, following):
                return at + 1, True
            at, words = at + 1, words + 1
        else:
            return at, False


def is_compound(tokens: Sequence[Token], at: int) -> bool:
    """Whether a number is joined to a word here, as in "a 5-digit number"; such a number counts nothing."""
    sign, word = _at(tokens, at), _at(tokens, at + 1)
    return sign.text == "-" and not sign.gap and word.kind == "word" and not word.gap and len(word.text) > 1


def _ends_units(token: Token, following: Token) -> bool:
    word = token.text.lower()
    if word in ("x", "times") and (following.kind == "number" or following.text in ("(", "\\frac", "\\sqrt")):
        return True
    if len(word) == 1 and word.isascii() and (not token.gap or following.kind not in ("number", "word")):
        return False
    if word == "in" and following.text == "^":
        return False
    return word in STOPS or word in FURTHER or word in CHANGES or (word in COUNTS and word != "one")


def _may_be_unit(token: Token, following: Token) -> bool:
    """Whether a word is no variable, nor a scale that means different things."""
    text = token.text
    if not token.gap and text in _ORDINALS:
        return False
    if text.lower() in UNSURE_SCALES or text in UNSURE_SCALES:
        return False
    if len(text) > 1 or text > "\u02ff":
        return True
    return text in UNIT_LETTERS or (text.lower() == "a" and token.gap and following.kind == "word")


def _after_exponent(tokens: Sequence[Token], at: int) -> int:
    braces = _at(tokens, at).text == "{"
    at += braces
    at += _at(tokens, at).text == "-"
    at += _at(tokens, at).kind == "number" or _at(tokens, at).text == "°"
    return at + (braces and _at(tokens, at).text == "}")


def _after_fraction(tokens: Sequence[Token], at: int) -> int:
    closed = 0
    while closed < 2 and at < len(tokens):
        closed += tokens[at].text == "}"
        at += 1
    return at


def _at(tokens: Sequence[Token], at: int) -> Token:
    return tokens[at] if at < len(tokens) else END
