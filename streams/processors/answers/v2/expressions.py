"""
Expressions of numbers with their units, exactly evaluated.

    sum      = product, then any of: + or - and a product
    product  = signed, then any of: *, / or x and a signed; a bracket or a root without a sign
    signed   = at most one sign, power
    power    = atom, ^ and an exponent, !; then scale words and units
    atom     = digits, a mixed number, a number in words, a fraction, a root, brackets, bars

A value is None where something stands that is not one rational number: a variable, an irrational root, a range.
"""

from collections.abc import Sequence
from fractions import Fraction

from streams.processors.answers.v2.arithmetic import Value, factorial, negative, over, plus, power, root, times
from streams.processors.answers.v2.number_tokens import END, Token
from streams.processors.answers.v2.number_words import COUNTS, POINT_SCALES, SCALES, count_words
from streams.processors.answers.v2.units import after_units
from streams.processors.answers.v2.written_numbers import Habit, digits_value

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_DEEPEST = 20
"""Brackets within brackets; deeper ones are no number, and no text exhausts the stack."""

# "One of these", "one that".
_AFTER_PRONOUN = ("of", "that", "which", "who", "where", "in", "with")
_MINUS = ("-", "–")


class Expression:
    """A reader that goes through the tokens of one phrase, from `at`."""

    def __init__(self, tokens: Sequence[Token], habit: Habit, *, formula: bool, at: int = 0) -> None:
        self.tokens = tokens
        self.habit = habit
        self.formula = formula
        self.at = at
        self._depth = 0

    def peek(self, ahead: int = 0) -> Token:
        """Give a token from here without going on."""
        place = self.at + ahead
        return self.tokens[place] if place < len(self.tokens) else END

    def at_operand(self, ahead: int = 0) -> bool:
        """Whether a number, or what may stand for one, starts here."""
        token = self.peek(ahead)
        if token.text in (*_MINUS, "+") and self.peek(ahead + 1).text not in (*_MINUS, "+"):
            token = self.peek(ahead + 1)
        following = self.peek(ahead + 1)
        if token.kind == "word":
            letter = len(token.text) == 1 and token.text not in ("a", "A", "I")
            pronoun = token.text.lower() == "one" and following.text in _AFTER_PRONOUN
            return (token.text.lower() in COUNTS and not pronoun) or (letter and following.kind != "word")
        return token.kind in ("number", "command") or token.text in _CLOSING or token.text == "|"

    def sum(self) -> Value:
        """Read the longest expression from here."""
        start = self.at
        value = self.product()
        steps = [(start, self.at)]
        signs: list[int] = []
        while self.peek().text in (*_MINUS, "+") and self.at_operand(1):
            signs.append(self.at)
            self.at += 1
            start = self.at
            term = self.product()
            value = plus(value, negative(term) if self.tokens[signs[-1]].text in _MINUS else term)
            steps.append((start, self.at))
        return None if signs and self._is_range(signs, steps) else value

    def _is_range(self, signs: Sequence[int], steps: Sequence[tuple[int, int]]) -> bool:
        """Whether minus signs may be dashes between numbers: "3-5", "3 - 5", "2024-05-01"; not "5 - 3"."""
        if any(self.tokens[sign].text == "+" for sign in signs):
            return False
        if any(self.tokens[sign].text == "–" for sign in signs):
            return True
        terms = [self.tokens[start:end] for start, end in steps]
        if any(token.kind not in ("number", "word") and token.text != "/" for term in terms for token in term):
            return False
        tight = any(not self.tokens[sign].gap or not self.tokens[sign + 1].gap for sign in signs)
        first, last = (Expression(term, self.habit, formula=True).product() for term in (terms[0], terms[-1]))
        return tight or first is None or last is None or first <= last

    def product(self) -> Value:
        """Read factors, and what is divided."""
        start = self.at
        value = self.signed()
        slashes = 0
        while True:
            sign = self.peek()
            if sign.text in ("*", "/", "x", "X", "times") and sign.kind != "command" and self._multiplies():
                self.at += 1
                right = self.signed()
                value = over(value, right) if sign.text == "/" else times(value, right)
                slashes += sign.text == "/"
            elif (sign.text == "\\sqrt") or (sign.text == "(" and not sign.gap and self._holds_number()):
                value = times(value, self.power())
            elif sign.kind == "command":
                self.at += 1
                value = None
            else:
                # 12/25/2024
                spaced = any(token.gap for token in self.tokens[start + 1 : self.at])
                return None if slashes > 1 and not spaced else value

    def _multiplies(self) -> bool:
        if self.peek().kind == "word":
            token = self.peek(1)
            if self.tokens[self.at - 1].text == "0" and not self.peek().gap:
                # 0x1F
                return False
            return token.kind == "number" or token.text in ("\\frac", "\\sqrt", "(")
        return self.at_operand(1)

    def _holds_number(self) -> bool:
        return self.at_operand(1)

    def signed(self) -> Value:
        """Read one factor with its sign."""
        sign = self.peek().text
        if sign not in (*_MINUS, "+"):
            return self.power()
        self.at += 1
        if self.peek().text in (*_MINUS, "+"):
            return None
        return negative(self.power()) if sign in _MINUS else self.power()

    def power(self) -> Value:
        """Read one factor, its exponent, its scale and its units."""
        value = self._atom()
        if self.peek().text == "^" and not self._is_degree():
            self.at += 1
            value = power(value, self._exponent())
            if self.peek().text == "^":
                value = None
        if self.peek().text == "!" and not self.peek().gap and self.formula:
            self.at += 1
            value = factorial(value)
        if self.peek().text == "_" and self.peek(1) is not END and not self.peek(1).gap:
            value = None
            self.at += 1
            self._argument()
        return self._with_units(value)

    def _is_degree(self) -> bool:
        return self.peek(1).text == "°" or (self.peek(1).text == "{" and self.peek(2).text == "°")

    def _exponent(self) -> Value:
        return self.signed() if self.peek().text in (*_MINUS, "+") else self._argument()

    def _with_units(self, value: Value) -> Value:
        scale = self._scale()
        while scale is not None:
            # The k of "10k + 5" is a variable.
            if self.formula and len(self.peek().text) == 1 and self.peek(1).text in ("+", *_MINUS, "*", "/", "^"):
                value = None
            value = times(value, Fraction(scale))
            self.at += 1
            if self.peek().kind == "number" or self.peek().text.lower() in COUNTS:
                return None
            scale = self._scale()
        end, variable = after_units(self.tokens, self.at)
        self.at = end
        return None if variable else value

    def _scale(self) -> int | None:
        token = self.peek()
        if token.kind != "word" or self.at == 0:
            return None
        word = token.text if len(token.text) == 1 else token.text.lower()
        if word in POINT_SCALES and not self.habit.decimal_comma:
            return POINT_SCALES[word]
        if word == "K" and not token.gap:
            return SCALES["k"]
        first = word[0] if word[0] > "\u3000" else word
        return SCALES.get(first)

    def _atom(self) -> Value:
        token = self.peek()
        if token.kind == "number":
            return self._digits()
        if token.text in _CLOSING:
            return self._brackets(_CLOSING[token.text])
        if token.text == "|":
            value = self._brackets("|")
            return None if value is None else abs(value)
        if token.text == "\\frac":
            self.at += 1
            return self._fraction()
        if token.text == "\\sqrt":
            self.at += 1
            degree = self._brackets("]") if self.peek().text == "[" else Fraction(2)
            return root(self._argument(), degree)
        if token.text.lower() == "a" and self.peek(1).text.lower() in SCALES:
            self.at += 1
            return Fraction(1)
        words = [word.text.lower() for word in self.tokens[self.at : self.at + 12]]
        count = count_words(words)
        self.at += count[1] if count else 1
        return Fraction(count[0]) if count else None

    def _digits(self) -> Value:
        """Read digits, or a mixed number: "3 1/2"."""
        value = digits_value(self.peek().text, self.habit)
        whole = self.peek().text.isdigit()
        self.at += 1
        if self.peek().text == "\\frac" and self.peek(2).kind != "word":
            self.at += 1
            part = self._fraction()
            return plus(value, part) if whole and part is not None and 0 <= part < 1 else None
        upper, slash, lower = self.peek(), self.peek(1), self.peek(2)
        if whole and upper.gap and slash.text == "/" and upper.text.isdigit() and lower.text.isdigit():
            self.at += 3
            proper = int(upper.text) < int(lower.text)
            return plus(value, Fraction(int(upper.text), int(lower.text))) if proper else None
        return value

    def _fraction(self) -> Value:
        token = self.peek()
        if token.kind == "number" and len(token.text) == 2 and token.text.isdigit():
            self.at += 1
            return over(Fraction(int(token.text[0])), Fraction(int(token.text[1])))
        upper = self._argument()
        return over(upper, self._argument())

    def _argument(self) -> Value:
        token = self.peek()
        if token.text in ("{", "("):
            return self._brackets(_CLOSING[token.text])
        if token.kind == "number":
            self.at += 1
            return digits_value(token.text, self.habit)
        self.at += 1
        return None

    def _brackets(self, closing: str) -> Value:
        """Read what brackets hold, and go past them."""
        self.at += 1
        self._depth += 1
        if self._depth > _DEEPEST:
            self.at = len(self.tokens)
            return None
        value = self.sum() if self.at_operand() else None
        self._depth -= 1
        if self.peek().text == closing:
            self.at += 1
            return value
        while self.peek() is not END and self.peek().text not in (")", "]", "}", "|"):
            self.at += 1
        self.at += 1
        return None
