"""
Grammar of a phrase that answers with a number.

    phrase = words that change nothing, chain, units, and what may follow
    chain  = any of: a name, an expression or words, and "="; then an expression

One grammar reads a field (a box, a structured answer, a gold), which ends with its number, and prose, which goes on.
The last part of a chain is the answer, 18 of "3 * 6 = 18" and of "x = 18"; an equation has none ("y = 3x + 1").
"""

import enum
from collections.abc import Sequence

from streams.processors.answers.v2.arithmetic import Value
from streams.processors.answers.v2.expressions import Expression
from streams.processors.answers.v2.number_tokens import END, LONGEST_PHRASE, MOST_TOKENS, Token, tokens_of
from streams.processors.answers.v2.number_words import ABOUT, BOUNDS, COUNTS, FURTHER, LEADS, POINTERS, SCALES, STOPS
from streams.processors.answers.v2.what_follows import is_changed, is_full_stop
from streams.processors.answers.v2.written_numbers import Habit, canonical


class Unsettled(enum.Enum):
    """
    Phrases without one number.

    Attributes:
        NOTHING: It says nothing of an answer.
        WORDS: It answers in words, or speaks of the answer.
        NO_NUMBER: It answers with what is not one rational number.
    """

    NOTHING = enum.auto()
    WORDS = enum.auto()
    NO_NUMBER = enum.auto()


Found = str | Unsettled
"""A canonical number, or why there is none."""

_EQUALS = ("=", "≈", ":=")
_QUIET = frozenset("*.,:;>#_(=≈'")
_MOST_LEFT = 24
"""Tokens of a name or of words before "="."""


def read_field(phrase: str, habit: Habit) -> Found:
    """Read a phrase that holds an answer and nothing else."""
    if len(phrase) > LONGEST_PHRASE:
        return Unsettled.NO_NUMBER
    tokens = tokens_of(phrase)
    if not tokens:
        return Unsettled.NOTHING
    if len(tokens) > MOST_TOKENS:
        return Unsettled.NO_NUMBER
    found, end = read_tokens(tokens, habit, 0, formula=True)
    if isinstance(found, str):
        return found if _only_words(tokens[end:]) else Unsettled.NO_NUMBER
    return found


def read_prose(phrase: str, habit: Habit) -> Found:
    """Read the rest of a sentence that states an answer."""
    tokens = tokens_of(phrase[:LONGEST_PHRASE])[:MOST_TOKENS]
    found, _ = read_tokens(tokens, habit, 0, formula=False)
    return _read_words(tokens, habit) if found is Unsettled.WORDS else found


def read_tokens(tokens: Sequence[Token], habit: Habit, at: int, *, formula: bool) -> tuple[Found, int]:
    """
    Read the number that a phrase begins with.

    Args:
        tokens: Tokens of the phrase.
        habit: How numbers are written around it.
        at: Where to begin.
        formula: Whether it is a formula, in which "!" means a factorial and words may be left of "=".

    Returns:
        What was found, and where it ends.
    """
    start = _after_quiet_words(tokens, at)
    if start >= len(tokens):
        return Unsettled.NOTHING, start
    if tokens[start].text.lower() in BOUNDS:
        return Unsettled.NO_NUMBER, start + 1
    expression = Expression(tokens, habit, formula=formula, at=start)
    value, lefts = _chain(expression)
    if value is Unsettled.WORDS:
        return Unsettled.WORDS, expression.at
    answer = None if isinstance(value, Unsettled) or value is None or _is_equation(lefts) else canonical(value)
    end = expression.at
    if is_changed(tokens, end, formula=formula):
        return Unsettled.NO_NUMBER, end
    return answer or Unsettled.NO_NUMBER, end


def _after_quiet_words(tokens: Sequence[Token], at: int) -> int:
    """Go past words and marks that change nothing: "about", "a total of", "(", "USD"."""
    while at < len(tokens):
        token = tokens[at]
        following = tokens[at + 1] if at + 1 < len(tokens) else END
        scaled = token.text.lower() == "a" and following.text.lower() in SCALES
        attached = following.kind == "number" and not following.gap and token.text in ("A", "a")
        quiet = token.text in _QUIET and not (token.text == "(" and _closes(tokens, at))
        if scaled or attached or not (quiet or token.text.lower() in ABOUT) or following.text in (*_EQUALS, "_"):
            return at
        at += 1
    return at


def _closes(tokens: Sequence[Token], at: int) -> bool:
    return any(token.text in (")", "]") for token in tokens[at:])


# --- chains --------------------------------------------------------------------------------------------------------


def _chain(expression: Expression) -> tuple[Value | Unsettled, list[Sequence[Token]]]:
    """Read parts that "=" joins; give the last one's value, and the tokens of those before it."""
    lefts: list[Sequence[Token]] = []
    while True:
        start = expression.at
        value = _part(expression)
        if expression.peek().text not in _EQUALS:
            return value, lefts
        lefts.append(expression.tokens[start : expression.at])
        while expression.peek().text in (*_EQUALS, "*") or expression.peek().text.lower() in ABOUT:
            expression.at += 1


def _part(expression: Expression) -> Value | Unsettled:
    named = _left_end(expression)
    if named:
        expression.at = named
        return None
    if not expression.at_operand() and not _is_scaled(expression):
        return Unsettled.WORDS
    return expression.sum()


def _is_scaled(expression: Expression) -> bool:
    return expression.peek().text.lower() == "a" and expression.peek(1).text.lower() in SCALES


def _left_end(expression: Expression) -> int:
    """Give where words or a formula before "=" end; 0 if there are none, or a number begins there."""
    first = expression.peek()
    if first.kind == "number" and not expression.formula:
        return 0
    depth = 0
    for ahead in range(_MOST_LEFT if expression.formula else _MOST_LEFT // 4):
        token = expression.peek(ahead)
        depth += (token.text in ("(", "{", "[")) - (token.text in (")", "}", "]"))
        if depth == 0 and token.text in _EQUALS:
            return expression.at + ahead
        ends = token.text in (",", ";") or token.text.lower() in FURTHER
        working = not expression.formula and (token.kind == "number" or token.text.lower() in STOPS)
        if token is END or (depth == 0 and (ends or working)):
            return 0
    return 0


def _is_equation(lefts: Sequence[Sequence[Token]]) -> bool:
    """Whether what stands left of "=" leaves a variable to be found: "2x = 14", not "x = 14" nor "6 m / 3 s = 2"."""
    if any(len(left) == 1 and left[0].kind == "number" for left in lefts):
        # "2 ≈ 3", "1 = 1"
        return True
    if not lefts or _is_name(lefts[0]):
        return False
    return any(_has_variable(left) and not _is_name(left) for left in lefts)


def _is_name(left: Sequence[Token]) -> bool:
    """Whether there are words only, or one letter with what stands in its brackets or below it."""
    bare = _without_brackets(left)
    if any(token.kind == "number" or (token.kind == "sign" and token.text not in "_:.'*") for token in bare):
        return False
    letters = [token for token in bare if token.kind == "word" and len(token.text) == 1]
    joined = [token for token in bare if token.kind == "word" and len(token.text) == 2 and token.text.islower()]
    return len(letters) + len(joined) <= 1 and not (joined and len(bare) == 1)


def _without_brackets(left: Sequence[Token]) -> list[Token]:
    """Leave out what stands in brackets or below a letter; brackets of numbers stay."""
    kept: list[Token] = []
    depth = 0
    for place, token in enumerate(left):
        if token.text in ("(", "{") and (depth or (place and left[place - 1].text not in ("+", "-", "*", "/", "^"))):
            depth += 1
        elif token.text in (")", "}") and depth:
            depth -= 1
        elif not depth and not (place and left[place - 1].text == "_"):
            kept.append(token)
    return kept


def _has_variable(left: Sequence[Token]) -> bool:
    if len(left) == 1 and len(left[0].text) == 2 and left[0].text.islower():
        return True
    for place, token in enumerate(left):
        before = left[place - 1] if place else END
        letter = token.kind == "word" and len(token.text) == 1 and token.text != "a"
        if letter and not (before.kind == "number" and token.gap):
            return True
        if token.kind == "command" and token.text not in ("\\frac", "\\sqrt"):
            return True
    return False


# --- words ---------------------------------------------------------------------------------------------------------


def _only_words(tokens: Sequence[Token]) -> bool:
    """Whether nothing but words follows a number, so that it is the only one."""
    return all(token.kind == "word" or token.text in ".,;:()*'[]{}_-!/" for token in tokens)


def _read_words(tokens: Sequence[Token], habit: Habit) -> Found:
    """Read a sentence that begins with words: its only number, if it leads up to that one."""
    end = next((at for at in range(len(tokens)) if is_full_stop(tokens, at)), len(tokens))
    begin = _after_quiet_words(tokens, 0)
    first = tokens[begin].text.lower() if begin < len(tokens) else ""
    numbers = [at for at in range(end) if tokens[at].kind == "number"]
    if not numbers:
        return Unsettled.NOTHING if first in POINTERS else Unsettled.WORDS
    words = [token.text.lower() for token in tokens[: numbers[0]]]
    if not words:
        # "18 = the total"
        return Unsettled.NO_NUMBER
    leads = words[0] in LEADS or first in LEADS or any(word in ("is", "are", "=", ":") for word in words)
    if not BOUNDS.isdisjoint(words):
        return Unsettled.NO_NUMBER
    if len(numbers) > 1 or not leads or not frozenset(COUNTS).isdisjoint(words[1:]):
        return Unsettled.NOTHING
    sign = numbers[0] - (tokens[numbers[0] - 1].text in ("-", "–"))
    if not tokens[numbers[0]].gap and tokens[sign - 1].kind == "word":
        return Unsettled.NOTHING
    return read_tokens(tokens, habit, sign, formula=False)[0]
