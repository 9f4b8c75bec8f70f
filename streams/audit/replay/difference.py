"""Differences between a log and its derivation."""

from dataclasses import dataclass
from typing import Any

import orjson

from streams.log import Headers, Record


@dataclass(frozen=True, slots=True)
class Difference:
    """
    One record that does not follow from the inputs, or one that is missing.

    Attributes:
        seq: Place in the order of the whole log, by which differences are compared.
        topic, partition, offset: Place of the record; for a missing one, of the record it should follow from.
        field: Path of the first field that differs, such as `counted.0.weight`; `record` if a whole record is missing
            or superfluous; `key` or `partition` if the record lies in the wrong place.
        expected: The field's value as re-derived.
        actual: The value in the log.
    """

    seq: int
    topic: str
    partition: int
    offset: int
    field: str
    expected: Any
    actual: Any

    def as_json(self) -> dict[str, Any]:
        """Give the place and both values as plain JSON."""
        return {
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "field": self.field,
            "expected": self.expected,
            "actual": self.actual,
        }


@dataclass(slots=True)
class Findings:
    """Result of a pass over the log; results of several passes add up."""

    derived: int = 0
    """Derived events compared."""
    different: int = 0
    first: Difference | None = None
    reached: Record | None = None
    """The last record of the log from which another one certainly followed, so that it was folded."""

    def note(self, difference: Difference) -> None:
        """Count a difference; keep the first of the log."""
        self.different += 1
        if self.first is None or difference.seq < self.first.seq:
            self.first = difference

    def follow(self, record: Record, cause: Record) -> None:
        """Note that a record follows from a cause, and check that it carries the headers of its cause on."""
        if self.reached is None or self.reached.seq < cause.seq:
            self.reached = cause
        if record.headers != cause.headers:
            self.note(at(record, "headers", _shown(cause.headers), _shown(record.headers)))

    def add(self, other: "Findings") -> None:
        """Add the result of another pass."""
        if other.reached is not None and (self.reached is None or self.reached.seq < other.reached.seq):
            self.reached = other.reached
        self.derived += other.derived
        self.different += other.different
        if other.first is not None and (self.first is None or other.first.seq < self.first.seq):
            self.first = other.first


def _shown(headers: Headers) -> list[list[str | None]]:
    return [[name, None if value is None else value.decode("latin-1")] for name, value in headers]


def at(record: Record, field: str, expected: Any, actual: Any) -> Difference:
    """Report one field of one record."""
    return Difference(record.seq, record.topic, record.partition, record.offset, field, expected, actual)


def compare(record: Record, expected: bytes, key: str) -> Difference | None:
    """Compare a record with the event it should hold; None where they are the same to the byte."""
    if record.value == expected:
        return None if record.key == key else at(record, "key", key, record.key)
    try:
        actual = orjson.loads(record.value)
    except orjson.JSONDecodeError as error:
        return at(record, "value", "JSON", f"{error}")
    path, wanted, found = first_difference(orjson.loads(expected), actual)
    # Equal values, other bytes: not the canonical spelling.
    return at(record, path or "value", wanted if path else "canonical JSON", found if path else "another spelling")


def unreadable(record: Record, problem: Exception) -> Difference:
    """Report an input whose bytes are no event, or not the one its id names."""
    text = str(problem)
    if "is not the hash of the content" in text:
        stated = text.split("event_id ", 1)[1][:64]
        computed = text.split("which is ", 1)[1][:64]
        return at(record, "event_id", computed, stated)
    first = text.splitlines()
    return at(record, "value", "an event in canonical form", " ".join(line.strip() for line in first[:3]))


def first_difference(expected: Any, actual: Any, path: str = "") -> tuple[str, Any, Any]:
    """
    Find the first place where two JSON values differ.

    Ids differ whenever anything else does, so of an object's members `event_id` is looked at last.

    Returns:
        Path, expected and actual value there; an empty path where they are equal.
    """
    if isinstance(expected, dict) and isinstance(actual, dict):
        names = sorted(expected.keys() | actual.keys(), key=lambda name: (name == "event_id", name))
        for name in names:
            if expected.get(name) != actual.get(name) or (name in expected) != (name in actual):
                return first_difference(expected.get(name), actual.get(name), f"{path}.{name}" if path else name)
        return "", None, None
    if isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for place, (wanted, found) in enumerate(zip(expected, actual, strict=True)):
            if wanted != found:
                return first_difference(wanted, found, f"{path}.{place}")
        return "", None, None
    return (path or "value", expected, actual) if expected != actual else ("", None, None)
