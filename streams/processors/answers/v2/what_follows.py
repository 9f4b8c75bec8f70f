"""Text behind a number that makes it another one."""

from collections.abc import Sequence

from streams.processors.answers.v2.number_tokens import END, Token
from streams.processors.answers.v2.number_words import ABOUT, CHANGES, COUNTS, FURTHER, HEDGES, MORE

_RELATIONS = frozenset(["<", ">", "<=", ">=", "≤", "≥", "≠", "±", "^", "...", "=", "≈", "|", "∈", "⟨", "+", "∪", "∩"])
_QUIET = HEDGES | ABOUT - frozenset({"a", "an"})
_BETWEEN = frozenset(",;/:-–—&(")


def is_full_stop(tokens: Sequence[Token], at: int) -> bool:
    """Whether a sentence ends at a token."""
    following = _at(tokens, at + 1)
    return tokens[at].text in (".", "!", "?") and (following is END or following.gap)


def is_changed(tokens: Sequence[Token], at: int, *, formula: bool) -> bool:
    """
    Whether what follows a number and its units leaves no single number.

    Such as "18 or 20", "12:30", "2 < x", "5 or more", "3 and a half", "5 feet 11 inches", "7 remainder 2".
    """
    token, following = _at(tokens, at), _at(tokens, at + 1)
    word, next_word = token.text.lower(), following.text.lower()
    if token.kind == "number" and all(before.kind == "word" for before in tokens[max(0, at - 3) : at]):
        # "A 32-page tabloid uses 4 sheets", not "5 feet 11 inches".
        return at < 3
    if token.kind in ("number", "command") or word in _RELATIONS or word in CHANGES:
        return True
    if word == "?" or (word in ("-", "–") and (following is END or not following.gap) and following.kind != "word"):
        return True
    if word in ("in", "of", "out", "over", "plus", "minus", "times", "by", "per", "point", "mod"):
        return _number_at(tokens, at + 1) or next_word == "of"
    if word == "to" and next_word == "the":
        return any(later.text.lower() == "power" or later.text == "th" for later in tokens[at + 2 : at + 5])
    if word in ("st", "nd", "rd", "th") and not token.gap:
        return True
    if word in ("or", "and") and (next_word in MORE or following.kind == "end"):
        return True
    if word == "or" and next_word not in ("so", "thereabouts"):
        return True
    return (word in FURTHER or word in _BETWEEN) and _leads_to_another(tokens, at, formula=formula)


def _leads_to_another(tokens: Sequence[Token], at: int, *, formula: bool) -> bool:
    """Whether another number follows at once: ", 20", "and maybe 20", "(or 20)", "- 20"."""
    listed = False
    while _at(tokens, at).text.lower() in FURTHER or _at(tokens, at).text in _BETWEEN:
        opened, listed = (_at(tokens, at).text in signs for signs in ("(", ",;"))
        at += 1
        if listed and _at(tokens, at).text.lower() not in FURTHER:
            break
        if opened and _at(tokens, at).text.lower() not in FURTHER:
            return formula and any(later.kind == "number" for later in tokens[at:])
    while not listed and _at(tokens, at).text.lower() in _QUIET:
        at += 1
    letter = formula and len(_at(tokens, at).text) == 1 and _at(tokens, at).kind == "word"
    half = any(later.text.lower() in CHANGES for later in tokens[at : at + 2])
    return _number_at(tokens, at) or half or (letter and _at(tokens, at).text != "a")


def _number_at(tokens: Sequence[Token], at: int) -> bool:
    token = _at(tokens, at)
    if token.text in ("-", "–", "+", "(", "*", "≈"):
        return _at(tokens, at + 1).kind == "number"
    return token.kind in ("number", "command") or (token.text.lower() in COUNTS and token.text.lower() != "one")


def _at(tokens: Sequence[Token], at: int) -> Token:
    return tokens[at] if at < len(tokens) else END
