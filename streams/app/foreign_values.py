"""Forms in which question files give options and right answers."""

import re
from typing import Any

from schemas.canonical import NumberText
from schemas.questions import LETTERS
from schemas.registry import InvalidRecord
from streams.file_forms.cells import json_list

_TEXTS, _LABELS = ("text", "texts", "value", "option"), ("label", "labels", "key", "letter", "id")


def option_texts(given: Any) -> tuple[list[Any], tuple[str, ...]]:
    """
    Give the texts of options in order, and their labels; no labels where they are the letters that we give.

    Args:
        given: A list of texts or numbers; an object `{"A": text, ...}`; an object of two lists, `{"text": [...],
            "label": [...]}`; a list of objects with `text` and `label`; or the text of a JSON array, as in a table.

    Raises:
        InvalidRecord: It has none of these forms.
    """
    if isinstance(given, str) and not isinstance(given, NumberText):
        listed = json_list(given)
        if listed is None:
            raise InvalidRecord(
                'options: a text; give a JSON array, ["x", "y"], or one column for each option, called A, B, C...'
            )
        given = listed
    if isinstance(given, dict):
        return _from_object(given)
    if isinstance(given, list) and given and all(isinstance(option, dict) for option in given):
        texts = [_one_of(option, _TEXTS) for option in given]
        labels = [_one_of(option, _LABELS) for option in given]
        return _labelled(texts, labels)
    if not isinstance(given, list):
        raise InvalidRecord(f"options: a list of texts belongs there, not {given!r}")
    return [str(option) if type(option) is int else option for option in given], ()


def _from_object(given: dict[str, Any]) -> tuple[list[Any], tuple[str, ...]]:
    texts, labels = _one_of(given, _TEXTS), _one_of(given, _LABELS)
    if isinstance(texts, list) and (labels is None or isinstance(labels, list)):
        return _labelled(texts, labels or [None] * len(texts))
    if any(not re.fullmatch(r"[A-Za-z]|[0-9]{1,2}", name) for name in given):
        raise InvalidRecord(f"options: an object with {', '.join(sorted(given)[:5])}; its names must be A, B, C...")
    names = sorted(given, key=lambda name: (len(name), name))
    return _labelled([given[name] for name in names], names)


def _one_of(given: dict[str, Any], names: tuple[str, ...]) -> Any:
    return next((given[name] for name in names if name in given), None)


def _labelled(texts: list[Any], labels: list[Any]) -> tuple[list[Any], tuple[str, ...]]:
    if len(texts) != len(labels):
        raise InvalidRecord(f"options: {len(texts)} texts and {len(labels)} labels")
    texts = [str(text) if type(text) is int else text for text in texts]
    if any(not isinstance(text, str) for text in texts):
        raise InvalidRecord("options: each needs a text")
    return texts, tuple(map(str, labels)) if None not in labels else ()


def letter_at(given: Any, first: int, count: int, name: str) -> str:
    """
    Give the letter of an option from its place.

    Args:
        given: The place, an integer or its digits.
        first: What the first option counts as.
        count: Number of options.
        name: Name of the field, for messages.

    Raises:
        InvalidRecord: There is no such place.
    """
    digits = str(given).strip()
    if isinstance(given, bool) or not re.fullmatch(r"[0-9]{1,2}", digits) or not 0 <= int(digits) - first < count:
        raise InvalidRecord(f"{name}: {given!r} is no place from {first} to {count - 1 + first}")
    return LETTERS[int(digits) - first]


def without_working(gold: str) -> str:
    """Give the number after `####`, with which the data set GSM8K ends a worked solution; else the text itself."""
    return gold.rpartition("####")[2].strip() if "####" in gold else gold
