"""
Canonical JSON, content ids, and the strict JSON parser.

One value has one byte string and one hash. The form is RFC 8785 (JSON Canonicalization Scheme) for the subset that
events use: objects with ASCII keys, arrays, strings, integers within +-(2^53 - 1), booleans and null. Events hold no
floats, so the hard part of the RFC (number formatting) does not arise; ASCII keys make its UTF-16 key order and
orjson's byte order the same.
"""

import hashlib
import json
from typing import Any, NoReturn

import orjson

MAX_INTEGER = 2**53 - 1
"""Largest integer that every JSON reader keeps exact (RFC 8259, section 6)."""

_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def written_fields(value: Any) -> dict[str, Any]:
    """
    Give the fields of a model that its canonical JSON holds.

    A field that a later version added is not there while it is unset, so that adding it changes no earlier id.
    """
    # It runs a hundred times a question, and checking the type of the value would cost more than the encoding. A value
    # without fields has no canonical form; orjson raises for it.
    fields: dict[str, Any] = value.__dict__
    added = value.added_fields
    return fields if not added else {n: v for n, v in fields.items() if v is not None or n not in added}


def canonical_json(value: Any) -> bytes:
    """
    Encode *value* as canonical JSON.

    Args:
        value: Models, dicts with ASCII keys, lists, tuples, strings, integers within +-(2^53 - 1), booleans, None.
            Floats are not checked here: event models cannot hold one, and `strict_json` refuses them.

    Raises:
        ValueError: A string is not valid Unicode, an integer is too large, or a type has no canonical form.
    """
    try:
        return orjson.dumps(value, default=written_fields, option=_OPTIONS)
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


def _no_float(literal: str) -> NoReturn:
    raise ValueError(f"{literal} is not an integer; events hold integers with the unit in the name")


def strict_json(raw: bytes) -> dict[str, Any]:
    """
    Parse a JSON object from an untrusted producer, refusing whatever parsers disagree about.

    Args:
        raw: UTF-8 bytes of one JSON object, without a byte order mark.

    Raises:
        ValueError: Not UTF-8, not JSON, not an object, nested too deeply; or a duplicate key, a float, NaN, an
            infinity, a lone surrogate or an integer beyond +-(2^53 - 1). The message says which.
    """
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 at byte {error.start}") from error
    try:
        value = json.loads(text, object_pairs_hook=_no_duplicates, parse_float=_no_float, parse_constant=_no_float)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos}") from error
    except RecursionError:
        raise ValueError("not JSON that can be read: nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"a JSON {type(value).__name__}, where an object belongs")
    # Encoding once finds the rest: lone surrogates that came as \ud800 escapes, and integers that are too large.
    canonical_json(value)
    return value
