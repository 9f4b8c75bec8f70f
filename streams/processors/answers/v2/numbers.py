"""
Reader of numeric answers, and their canonical form.

from streams.processors.answers.reading import Reading
from streams.processors.answers.v1.numbers import canonical_number
from streams.processors.answers.v1.numbers import read_number as read_number_v1
from streams.processors.answers.v2.structured import taken_apart, values_of

# "#### 2. Add both", "#### 2) Add", "#### 3.1 Sum", "#### 2: Add", "#### 2 - Add"
_HEADING = compile_ascii(
    r"[*_ ]*(?:\(?[0-9]+(?:\.[0-9]+)*[.):]|[0-9]+ [-\u2013\u2014]|[0-9]+(?:\.[0-9]+)* +(?=[A-Z][a-z]))\s*[^\s0-9]"
)
_JOINS = compile_ascii(r"\A[^.!?\n]*?(?:[,;&]|\b(?:and|or|und|oder|et|ou|y|o)\b)[^.!?\n]*\Z")


def read_number(text: str, structured: str | None = None) -> Reading:
    """Read which number a text answers with."""
    said = taken_apart(text, structured)
    for value in values_of(said):
        number = canonical_number(value)
        if number is not None:
            return Reading(number, "structured")
    # The first rules would read a quoted object before what is stated after it.
    return read_number_v1(said.text.replace('"answer"', '"Answer"'))


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


def _read_place(text: str, place: Place) -> Found:
    if place.content is None:
        return Unsettled.NO_NUMBER
    habit = habit_of(text, place.start, place.at + len(place.content))
    if place.source == "statement":
        return read_prose(place.content, habit)
    found = read_field(place.content, habit)
    if place.source == "boxed":
        return found if isinstance(found, str) else Unsettled.NO_NUMBER
    return _hash_line(text, place, found)


def _hash_line(text: str, place: Place, found: Found) -> Found:
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


def _is_one_of_several(text: str, found_places: list[Place], index: int) -> bool:
    """Whether a box and the one before it are two answers: "\\boxed{3} and \\boxed{5}"."""
    place = found_places[index]
    before = found_places[index - 1] if index else place
    if place.source != "boxed" or before.source != "boxed" or before.content is None or before.content == place.content:
        return False
    between = text[before.at + len(before.content) + 1 : place.start]
    return len(between) <= 40 and _JOINS.search(between) is not None


def _source(text: str, found_places: list[Place], index: int) -> str:
    """Name the rule; a box that a statement begins with is the statement's."""
    place = found_places[index]
    before = found_places[index - 1] if index else place
    stated = (
        place.source == "boxed" and before.source == "statement" and place.start in range(before.at - 8, before.at + 2)
    )
    return "statement" if stated else place.source
