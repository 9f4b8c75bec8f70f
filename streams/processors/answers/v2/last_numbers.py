"""The last number of a text that states no answer."""

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.v2.decimal_commas import habit_of
from streams.processors.answers.v2.number_grammar import Found, Unsettled, read_tokens
from streams.processors.answers.v2.number_places import line_at, sentence_end
from streams.processors.answers.v2.number_tokens import LONGEST_PHRASE, MOST_TOKENS, OTHER_DIGITS, Token, tokens_of
from streams.processors.answers.v2.number_words import BOUNDS, STOPS
from streams.processors.answers.v2.units import is_compound

_DIGITS = f"0123456789{OTHER_DIGITS}½⅓⅔¼¾⅛"
_SENTENCE_START = compile_ascii(r"\n|[.!?]['\")*]{0,3}\s|。")
# "3. We conclude" has the number of an item, not an answer.
_ITEM = compile_ascii(r"[ \t*#>]*(?:\([0-9]{1,3}\)|[0-9]{1,3}[.)])\s+[^\s0-9]")
_UNFINISHED = compile_ascii(r"[\w,:;=+*/({\[<\u2212\u2013\u2014\\-]|[^\x00-\x7f]")
_STEP = compile_ascii(r"[0-9][^=]*=")
_SUM = compile_ascii(r"[0-9)] ?[+*\xd7\xb7] ?[0-9(]")
_EMPHASIS = compile_ascii(r"\S\*\Z")
_CLOSERS = "。！？…»”’）】」』"
_MOST_WORDS_AFTER = 3
_LIMITS = BOUNDS - frozenset({"over", "above", "from", "up", "under", "below", "line", "mod", "modulo", "entre", "als"})


def read_last_number(text: str, floor: int) -> Found:
    """
    Read the last number of a text.

    Args:
        text: A text without places that state an answer.
        floor: Where the number may stand first: after the last statement in words.

    Returns:
        Nothing where the text breaks off: in working that is cut short the last number is no answer.
    """
    digit = max(text.rfind(digit) for digit in _DIGITS)
    if digit < floor or digit < 0:
        return Unsettled.NOTHING
    start = _sentence_start(text, digit)
    line_start = text.rfind("\n", 0, digit) + 1
    item = _ITEM.match(text, line_start)
    if item is not None and item.end() > digit:
        return Unsettled.NO_NUMBER
    end = min(sentence_end(text, digit), digit + LONGEST_PHRASE // 4)
    if _breaks_off(text, start, end):
        return Unsettled.NO_NUMBER
    tokens = tokens_of(text[max(start, floor) : end])[-MOST_TOKENS:]
    if _is_cut_short(text, tokens, start, end):
        return Unsettled.NO_NUMBER
    habit = habit_of(text, start, end)
    found: Found = Unsettled.NO_NUMBER
    at = 0
    while at < len(tokens):
        if not _begins_number(tokens, at):
            at += 1
            continue
        limited = at > 0 and tokens[at - 1].text.lower() in _LIMITS
        found, after = read_tokens(tokens, habit, at, formula=False)
        found = Unsettled.NO_NUMBER if limited else found
        at = max(after, at + 1)
        if found is Unsettled.NO_NUMBER:
            at = _after_further_number(tokens, at)
    return found


def _sentence_start(text: str, digit: int) -> int:
    reach = max(0, digit - LONGEST_PHRASE // 2)
    start = max((match.end() for match in _SENTENCE_START.finditer(text, reach, digit)), default=-1)
    if start >= 0 or reach == 0:
        return max(start, 0)
    # Not in the middle of a word or a number, unless there are no spaces.
    return max(reach, text.find(" ", reach, digit) + 1)


def _begins_number(tokens: list[Token], at: int) -> bool:
    """Whether a number starts here that is no part of a word or of another number."""
    token = tokens[at]
    before = tokens[at - 1] if at else None
    if token.text in ("-", "–", "+"):
        signed = at + 1 < len(tokens) and tokens[at + 1].kind == "number"
        return signed and (before is None or (token.gap and before.kind != "number"))
    if token.text not in ("\\frac", "\\sqrt") and token.kind != "number":
        return False
    if is_compound(tokens, at + 1) or _is_label(tokens, at + 1):
        return False
    return token.gap or before is None or before.text in ("(", "[", "{", ":", "=", "≈", "*", "/", "|")


def _is_label(tokens: list[Token], at: int) -> bool:
    """Whether "Step 2: 18" stands here, and not "12:30"."""
    return at + 1 < len(tokens) and tokens[at].text == ":" and not tokens[at].gap and tokens[at + 1].gap


def _after_further_number(tokens: list[Token], at: int) -> int:
    """Go past the other number of "18 or 20", within six tokens."""
    for place in range(at, min(at + 6, len(tokens))):
        if tokens[place].kind == "number":
            return place + 1
        if tokens[place].text.lower() in BOUNDS | STOPS - {"or", "and"}:
            break
    return at


def _breaks_off(text: str, start: int, end: int) -> bool:
    """Whether a text ends in the middle of a later sentence than the one with the number."""
    rest = text[end:].rstrip()
    return bool(rest) and rest[-1] not in _CLOSERS and _UNFINISHED.match(rest[-1]) is not None


def _is_cut_short(text: str, tokens: list[Token], start: int, end: int) -> bool:
    """Whether the sentence with the number has no end, in a text of several sentences or with words after it."""
    said = text[start:end].rstrip()
    if text.rfind("<<") > text.rfind(">>"):
        return True
    if text[end:].strip() or said[-1] in _CLOSERS or _UNFINISHED.match(said[-1]) is None or _EMPHASIS.search(said):
        return False
    if said[-1] in ",:;=+*/({[<-−–—\\" or len(_STEP.findall(said)) > 1:
        return True
    if "=" not in said and _SUM.search(said):
        return True
    last = max((at for at, token in enumerate(tokens) if token.kind == "number" or token.kind == "command"), default=0)
    after = [token.text.lower() for token in tokens[last + 1 :] if token.kind == "word"]
    if len(after) > _MOST_WORDS_AFTER or not STOPS.isdisjoint(after):
        return True
    counted = [at for at in range(1, len(tokens)) if _begins_number(tokens, at) and tokens[at - 1].kind == "word"]
    several = len(counted) > 1 or _SENTENCE_START.search(text.strip()) is not None
    alone = line_at(text, text.rfind("\n", 0, end - 1) + 1).strip() == said and _begins_number(tokens, 0)
    return several and not (alone and all(token.kind in ("number", "word") for token in tokens))
