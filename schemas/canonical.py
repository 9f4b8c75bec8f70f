"""
Canonical JSON, content ids, and the strict JSON parser.

One value has one byte string and one hash. The form is RFC 8785 (JSON Canonicalization Scheme) for the subset that
events use: objects with ASCII keys, arrays, strings, integers within +-(2^53 - 1), booleans and null. Events hold no
floats, so the hard part of the RFC (number formatting) does not arise; ASCII keys make its UTF-16 key order and
orjson's byte order the same.
"""

import hashlib
import json
from operator import attrgetter
from typing import Any

import orjson

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

_LONGEST_INTEGER = len(str(-MAX_INTEGER))
_MOST_SHOWN = 40
"""Digits of a refused number in a message."""

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def written_fields(value: Any) -> dict[str, Any]:
    """
    Give the fields of a model that its canonical JSON holds.

    A field that a later version added is not there while it is unset, so that adding it changes no earlier id.
    """
    fields: dict[str, Any] = value.__dict__
    added = value.added_fields
    return fields if not added else {n: v for n, v in fields.items() if v is not None or n not in added}


# Gives orjson the fields of a nested model without added ones. It runs a hundred times a question, and checking the
# type of the value would cost more than the encoding. A value without fields has no canonical form; orjson raises.
_all_fields = attrgetter("__dict__")


def canonical_json(value: Any, *, added: bool = True) -> bytes:
    """
    Encode *value* as canonical JSON.

    Args:
        value: Models, dicts with ASCII keys, lists, tuples, strings, integers within +-(2^53 - 1), booleans, None.
            Floats are not checked here: event models cannot hold one, and `strict_json` refuses them.
        added: Whether models inside *value* may have fields that a later version added; false is faster.

    Raises:
        ValueError: A string is not valid Unicode, an integer is too large, or a type has no canonical form.
    """
    try:
        return orjson.dumps(value, default=written_fields if added else _all_fields, option=_OPTIONS)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"no canonical JSON: {error}") from error


def content_id(canonical: bytes) -> str:
    """Name content by its SHA-256, as 64 lower-case hex digits."""
    return hashlib.sha256(canonical).hexdigest()


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"duplicate key {key!r}")
        found[key] = value
    return found


class NumberText(str):
    """A JSON number that no event holds as a number, as it was written: it has decimals, or is too large."""

    __slots__ = ()


def strict_json(raw: bytes, *, numbers_as_text: bool = False) -> dict[str, Any]:
    """
    Parse a JSON object from an untrusted producer, refusing whatever parsers disagree about.

    Args:
        raw: UTF-8 bytes of one JSON object, without a byte order mark.
        numbers_as_text: Whether a float or a large integer is given as `NumberText`, instead of being refused; for
            readers of files in which one field may hold such a number.

    Raises:
        ValueError: Not UTF-8, not JSON, not an object, nested too deeply; or a duplicate key, a float, NaN, an
            infinity, a lone surrogate or an integer beyond +-(2^53 - 1). The message says which, and where it stands.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    odd: list[NumberText] = []

    def noted(literal: str) -> NumberText:
        odd.append(NumberText(literal))
        return odd[-1]

    def integer(literal: str) -> int | NumberText:
        # Far longer literals than any event holds are not even converted.
        if len(literal) <= _LONGEST_INTEGER and abs(number := int(literal)) <= MAX_INTEGER:
            return number
        return noted(literal)

    try:
        value = json.loads(
            text, object_pairs_hook=_no_duplicates, parse_int=integer, parse_float=noted, parse_constant=noted
        )
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, where an object belongs")
    if odd and not numbers_as_text:
        refuse_numbers(value)
    # Encoding once finds the rest: lone surrogates that came as \ud800 escapes.
    canonical_json(value)
    return value


def refuse_numbers(value: Any, place: str = "") -> None:
    """
    Refuse a value that holds a number which no event can hold.

    Raises:
        ValueError: There is a `NumberText`; the message names its field and the remedy.
    """
    if isinstance(value, NumberText):
        raise ValueError(_refusal(value, place))
    if isinstance(value, dict):
        for name, below in value.items():
            refuse_numbers(below, f"{place}.{name}" if place else name)
    elif isinstance(value, list):
        for number, below in enumerate(value):
            refuse_numbers(below, f"{place}.{number}")


def _refusal(number: NumberText, place: str) -> str:
    shown = number if len(number) <= _MOST_SHOWN else f"{number[:_MOST_SHOWN]}..."
    if number.removeprefix("-").isdigit():
        size = f"{len(number):,} digits exceed" if len(number) > _MOST_SHOWN else f"{number} exceeds"
        return f"{place}: {size} the 53-bit range: no canonical JSON; write it as text"
    if number.removeprefix("-") in ("NaN", "Infinity"):
        return f"{place}: {shown} is not an integer, and no number that an event can hold"
    return f'{place}: {shown} is not an integer; write it as text, "{shown}", or as an integer in a smaller unit'
