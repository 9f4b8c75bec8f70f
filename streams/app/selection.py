"""Selection of events: place, time, question, fields."""

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import orjson

from schemas.registry import KINDS_OF_TOPIC
from streams.errors import UsageError
from streams.log import Clock, Record, wall_clock_ms
from streams.topology import DECISIONS
from streams.written_amounts import plain_amounts

Status = Literal["decided", "undecided"]

Where = Mapping[str, object] | Sequence[str]
"""Conditions on fields: values by field, or texts `FIELD=VALUE`."""

# So many digits fit into 64 bits, which is what SQLite and Kafka count in.
_NUMBER = re.compile(r"[0-9]{1,18}")
_OFFSETS = re.compile(r"[0-9]{1,9}@[0-9]{1,18}(,[0-9]{1,9}@[0-9]{1,18})*")

PLACES = "the place of an earlier event: a number on a file, PARTITION@OFFSET (several with commas) on Kafka"


@dataclass(frozen=True, slots=True)
class TopicPlace:
    """
    A place in one topic, after which a reader goes on.

    Attributes:
        seq: Place in the total order of a file; 0 for its beginning.
        offsets: Offset of the last event read of each partition; partitions that are not named begin at their
            beginning.
    """

    seq: int = 0
    offsets: tuple[tuple[int, int], ...] = ()

    @classmethod
    def parse(cls, text: str | int) -> "TopicPlace":
        """
        Read a place as `str` writes it.

        Raises:
            UsageError: It is none.
        """
        given = str(text).strip()
        if _NUMBER.fullmatch(given):
            return cls(seq=int(given))
        if _OFFSETS.fullmatch(given):
            return cls(offsets=tuple(sorted(_offset(part) for part in given.split(","))))
        raise UsageError(f"{given!r} is no place", remedy=f"Give {PLACES}")

    def __str__(self) -> str:
        """Write it as `parse` reads it."""
        return ",".join(f"{number}@{offset}" for number, offset in self.offsets) if self.offsets else str(self.seq)

    def passed(self, record: Record) -> "TopicPlace":
        """Give the place after a record."""
        if record.seq:
            return TopicPlace(seq=record.seq)
        return TopicPlace(offsets=tuple(sorted({**dict(self.offsets), record.partition: record.offset}.items())))

    def is_before(self, record: Record) -> bool:
        """Whether a record comes after this place."""
        return record.offset > dict(self.offsets).get(record.partition, -1) and not 0 < record.seq <= self.seq


BEGINNING = TopicPlace()


def _offset(part: str) -> tuple[int, int]:
    number, _, offset = part.partition("@")
    return int(number), int(offset)


@dataclass(frozen=True, slots=True)
class Selection:
    """Conditions on an event, all of which must hold."""

    since_ms: int | None = None
    """Records of this time or later, in milliseconds since 1970; the time at which they came into the log."""
    question_id: str | None = None
    status: Status | None = None
    subject: str | None = None
    where: tuple[tuple[str, str], ...] = ()
    """Field and value; a field inside others has dots, and of a list some element must fit."""

    def chooses(self, record: Record) -> bool:
        """Whether a record is among those chosen."""
        if self.since_ms is not None and record.timestamp_ms < self.since_ms:
            return False
        if self.question_id is None and self.status is None and self.subject is None and not self.where:
            return True
        event = orjson.loads(record.value)
        return (
            (self.question_id is None or event.get("question_id", record.key) == self.question_id)
            and (self.status is None or event.get("status") == self.status)
            and (self.subject is None or self.subject in (event.get("subject"), *event.get("scopes", ())))
            and all(_has(event, path.split("."), value) for path, value in self.where)
        )


def selection_of(
    topic: str,
    *,
    since: str | None = None,
    question_id: str | None = None,
    status: Status | None = None,
    subject: str | None = None,
    where: Where = (),
    clock: Clock = wall_clock_ms,
) -> Selection:
    """
    Make a selection of what a user gave.

    Args:
        topic: Full name of the topic.
        since: A time, such as 2026-11-29 or 2026-11-29T08:00:00Z (without a zone it is UTC), or an age, such as `2 h`.
        question_id: Events about this question.
        status: Decisions of this status.
        subject: Questions and decisions of this subject.
        where: Fields with their values, or texts `FIELD=VALUE`.
        clock: Time from which ages count.

    Raises:
        UsageError: A value cannot be read, or no event of the topic has such a field.
    """
    if status is not None and topic != DECISIONS:
        raise UsageError(f"status is for decisions, not for {topic}", remedy="`orch consume decisions --status ...`")
    pairs = _pairs(where)
    for path, _ in pairs:
        _require_field(topic, path)
    since_ms = None if since is None else instant_ms(since, clock)
    return Selection(since_ms, question_id, status, subject, pairs)


def _pairs(where: Where) -> tuple[tuple[str, str], ...]:
    if isinstance(where, Mapping):
        return tuple((name, _written(value)) for name, value in where.items())
    pairs = []
    for text in where:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{text!r} is no condition", remedy="Write FIELD=VALUE, such as status=decided")
        pairs.append((name.strip(), value))
    return tuple(pairs)


def instant_ms(text: str, clock: Clock) -> int:
    """
    Read a time or an age.

    Raises:
        UsageError: It is neither.
    """
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        try:
            return clock() - int(plain_amounts({"age_ms": text.strip()}, "since")["age_ms"])
        except UsageError as error:
            raise UsageError(
                f"{text!r} is neither a time nor an age", remedy='Write 2026-11-29T08:00:00Z, or "2 h"'
            ) from error
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000)


def _require_field(topic: str, path: str) -> None:
    names = dict.fromkeys(name for model in KINDS_OF_TOPIC[topic] for name in model.model_fields)
    first = path.partition(".")[0]
    if first not in names:
        close = difflib.get_close_matches(first, names, n=1)
        meant = f"Did you mean {close[0]}?" if close else f"There are {', '.join(names)}"
        raise UsageError(f"no event of {topic} has a field {first!r}", remedy=meant)


def _has(value: Any, path: Sequence[str], wanted: str) -> bool:
    if isinstance(value, list):
        return any(_has(item, path, wanted) for item in value)
    if not path:
        return _written(value) == wanted
    return isinstance(value, dict) and path[0] in value and _has(value[path[0]], path[1:], wanted)


def _written(value: object) -> str:
    """Write a value as a condition names it: a text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
