"""
Reader of numeric answers, and their canonical form.

`number_places` finds where a text may answer, `number_grammar` reads what stands there.
"""

from streams.processors.answers.patterns import compile_ascii
from streams.processors.answers.reading import UNREADABLE, Reading
from streams.processors.answers.v2.characters import end_of, plain
from streams.processors.answers.v2.decimal_commas import habit_of
from streams.processors.answers.v2.last_numbers import read_last_number
from streams.processors.answers.v2.number_grammar import Found, Unsettled, read_field, read_prose
from streams.processors.answers.v2.number_places import NumberPlace, places, sentence_end
from streams.processors.answers.v2.structured import structured_values, taken_apart

# "#### 2. Add both", "#### 2) Add", "#### 3.1 Sum", "#### 2: Add", "#### 2 - Add"
_HEADING = compile_ascii(
    r"[*_ ]*(?:\(?[0-9]+(?:\.[0-9]+)*[.):]|[0-9]+ [-\u2013\u2014])(?:\s*[^\s0-9.]|\s+[0-9]|(?<=\))\s*\Z)"
)
_TITLE = compile_ascii(r"[*_ ]*[0-9]+(?:\.[0-9]+)* +[A-Z][a-z]")
_JOINS = compile_ascii(r"\A[^.!?\n]*?(?:[,;&]|\b(?:and|or|und|oder|et|ou|y|o)\b)[^.!?\n]*\Z")


def read_number(text: str, structured: str | None = None) -> Reading:
    """
    Read which number a text answers with.

    A structured answer decides alone, see `structured_values`. Otherwise the last of these does: a line "#### 18", a
    statement ("the answer is 18", "A: 18"), a box. Without any of them it is the last number, if the text is whole.

    Args:
        text: Text of the model; only its last 200,000 characters are read.
        structured: The answer, if the model gave it apart from the text.

    Returns:
        A canonical number; unreadable where the text does not settle on one rational number. What is no number
        ("\\boxed{x}") withdraws the numbers before it; a statement in words ("the answer is Monday") those of the
        working only.

    Source: the answer lines of GSM8K (Cobbe et al. 2021).
    """
    for value in structured_values(text, structured):
        number = normal_number(value)
        return UNREADABLE if number is None else Reading(number, "structured")
    return _read(plain(end_of(taken_apart(text).text)))


def normal_number(given: str) -> str | None:
    """Write a number in its one canonical form; None if it is no single number."""
    given = plain(end_of(given))
    reading = _read_places(given)[0]
    if reading is not None:
        return reading.answer
    found = read_field(given.strip(), habit_of(given, 0, len(given)))
    return found if isinstance(found, str) else None


def _read(text: str) -> Reading:
    reading, floor = _read_places(text)
    if reading is not None:
        return reading
    found = read_last_number(text, floor)
    return Reading(found, "last_number") if isinstance(found, str) else UNREADABLE


def _read_places(text: str) -> tuple[Reading | None, int]:
    """Read the last place that settles an answer; None where none does, and where a last number may stand first."""
    floor, doubted = 0, None
    found_places = places(text)
    for index in range(len(found_places) - 1, -1, -1):
        place = found_places[index]
        if place.weight == "denied":
            floor = max(floor, sentence_end(text, place.at))
            continue
        found = _read_place(text, place)
        if isinstance(found, str):
            reading = Reading(found, _source(text, found_places, index))
            if place.weight == "plain":
                return (UNREADABLE if _is_one_of_several(text, found_places, index) else reading), floor
            doubted = doubted or reading
        elif found is Unsettled.NO_NUMBER and place.weight == "plain":
            return UNREADABLE, floor
        elif place.source == "statement":
            floor = max(floor, len(text) if found is Unsettled.WORDS else place.start)
    return doubted, floor


def _read_place(text: str, place: NumberPlace) -> Found:
    if place.content is None:
        return Unsettled.NO_NUMBER
    habit = habit_of(text, place.start, place.at + len(place.content))
    if place.source == "statement":
        return read_prose(place.content, habit)
    found = read_field(place.content, habit)
    if place.source == "boxed":
        return found if isinstance(found, str) else Unsettled.NO_NUMBER
    return _hash_line(text, place, found)


def _hash_line(text: str, place: NumberPlace, found: Found) -> Found:
    """Tell a heading from an answer, which may be in words only on the last line."""
    content = place.content or ""
    last = not text[place.at + len(content) :].strip()
    if _HEADING.match(content) or (_TITLE.match(content) and not last):
        return Unsettled.NOTHING
    if isinstance(found, str):
        return found
    if not content.strip():
        # The text breaks off before its answer, or the answer stands on the next line.
        return Unsettled.NO_NUMBER if last else Unsettled.NOTHING
    begins = content.lstrip(" *_$-–(\\")[:1].isdigit()
    return Unsettled.NO_NUMBER if begins or (last and "boxed" not in content) else Unsettled.NOTHING


def _is_one_of_several(text: str, found_places: list[NumberPlace], index: int) -> bool:
    """Whether a box and the one before it are two answers: "\\boxed{3} and \\boxed{5}"."""
    place = found_places[index]
    before = found_places[index - 1] if index else place
    if place.source != "boxed" or before.source != "boxed" or before.content is None or before.content == place.content:
        return False
    between = text[before.at + len(before.content) + 1 : place.start]
    return len(between) <= 40 and _JOINS.search(between) is not None


def _source(text: str, found_places: list[NumberPlace], index: int) -> str:
    """Name the rule; a box that a statement begins with is the statement's."""
    place = found_places[index]
    before = found_places[index - 1] if index else place
    stated = before.source == "statement" and place.start in range(before.at - 8, before.at + 2)
    return "statement" if stated and place.source == "boxed" else place.source
