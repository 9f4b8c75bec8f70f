"""Evidence that an answer has in its own text."""

import re
from functools import lru_cache

from schemas.odds import Evidence, Grounds, QuestionFacts
from schemas.questions import LETTERS
from streams.processors.odds.equations import arithmetic_of
from streams.processors.odds.numbers import LONGEST_TEXT, exact_answer, is_near, numbers_of, ratio_of

# From here on a text repeats its answer; what it rests on stands before.
_CONCLUDES = re.compile(r"\b(?i:answer)(?:\s{1,3}+is\b\s?+:?+|\s?+:)[\s({\[*$]{0,8}+[A-Z](?![A-Za-z0-9'])", re.ASCII)
_LAST = 3
"""Numbers before the conclusion among which a result is looked for."""
_PER_MILLE = 5
"""How far a computed result may be from the option that rounds it."""
_MOST_REPEATS = 3


def evidence_of(agent: str, answer: str, text: str, facts: QuestionFacts) -> Evidence:
    """
    Read what one answer rests on.

    Args:
        agent: Who gave it.
        answer: An option's letter or a canonical number, as it was read from the text.
        text: The analysis; its last `LONGEST_TEXT` characters are read.
        facts: Of the question.
    """
    # Each stage counts the answers of the stages before it again.
    return _remembered(agent, answer, text[-LONGEST_TEXT:], facts)


@lru_cache(maxsize=256)
def _remembered(agent: str, answer: str, text: str, facts: QuestionFacts) -> Evidence:
    repeats = None
    grounds: Grounds = "text"
    numbers: tuple[str, ...] = ()
    if facts.kind == "number":
        grounds = arithmetic_of(text)
        numbers = numbers_of(text)
        repeats = min(_MOST_REPEATS, numbers.count(exact_answer(answer) or ""))
    elif facts.kind == "values":
        before, conclusion = _parted(text)
        numbers = numbers_of(before)
        grounds = _grounds(facts.values[LETTERS.index(answer)], numbers)
        numbers += numbers_of(conclusion)
    return Evidence(agent=agent, grounds=grounds, uses=_uses(facts, numbers), repeats=repeats)


def _parted(text: str) -> tuple[str, str]:
    """Part a text before its conclusion; that begins with a word, so no number stands in both."""
    found = _CONCLUDES.search(text)
    at = len(text) if found is None else found.start()
    return text[:at], text[at:]


def _grounds(value: str | None, numbers: tuple[str, ...]) -> Grounds:
    """Say where the number of the chosen option stands among those before the conclusion."""
    if not numbers or value is None:
        return "bare"
    chosen = ratio_of(value)
    if any(is_near(chosen, ratio_of(number), _PER_MILLE) for number in numbers[-_LAST:]):
        return "derived"
    # A text may repeat few numbers very often.
    earlier = dict.fromkeys(numbers)
    return "stated" if any(is_near(chosen, ratio_of(number), _PER_MILLE) for number in earlier) else "absent"


def _uses(facts: QuestionFacts, numbers: tuple[str, ...]) -> bool | None:
    """Whether a text has all numbers of the question; None where options are no numbers, or nothing is given."""
    if facts.given is None or facts.kind == "texts" or (facts.kind == "values" and not facts.given):
        return None
    found = dict.fromkeys(numbers)
    return all(number in found for number in facts.given)
