"""Hostile records: broken bytes, sizes, kinds, times and fields."""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from schemas.quantities import instant_of_ms
from streams.topology import (
    ANALYSES,
    ASSIGNMENTS,
    DEADLINES,
    DECISIONS,
    FEEDBACK,
    LESSONS,
    OBSERVATIONS,
    QUESTIONS,
)

INPUTS = (QUESTIONS, ANALYSES, DEADLINES, FEEDBACK)
"""Topics in which a well-formed record is an input, whoever wrote it; in the others it would be a forgery."""
DERIVED = (ASSIGNMENTS, DECISIONS, OBSERVATIONS, LESSONS)
TOPICS = (*INPUTS, *DERIVED)
HUGE = (
    b'{"kind": "' + b"\\\\" * 449_000 + b'"}',
    b'{"' + b"\\u0001" * 140_000 + b'": 1}',
    b"[" * 200_000,
    b'{"question_id": "' + b"q" * 850_000 + b'"}',
    b"\xff" * 1_000_000,
    b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
)
"""Records that swell a message about them, or the stack of a parser."""
TIMES = (0, 1, 1_000, 1_700_000_000_000)
"""Brokers refuse records from the future by themselves (`message.timestamp.after.max.ms`)."""
HEADERS: tuple[list[tuple[str, bytes]], ...] = (
    [],
    [("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")],
    [("traceparent", b"x" * 100_000)],
    [("ce_id", b"\xff\xfe")],
    [(f"h{number}", b"v") for number in range(200)],
)

_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**53, 10**40, 1.5, "", " ", "A", "q", "\u0000", "\u202e", "x" * 5_000, [], [[]], {}, {"a": {}},
    ["A", "A"], "NaN", "2026-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "a" * 64, ["a" * 64],
)  # fmt: skip


class HostileRecord(NamedTuple):
    """One record as a producer sends it."""

    topic: str
    key: bytes | None
    value: bytes
    timestamp_ms: int
    headers: list[tuple[str, bytes]]


def hostile_records(number: int, seed: int) -> Iterator[HostileRecord]:
    """Make records; the same seed gives the same ones."""
    draw = random.Random(seed)
    for count in range(number):
        topic = draw.choice(TOPICS)
        if count < len(HUGE) * 2:
            topic, value = TOPICS[count % len(TOPICS)], HUGE[count % len(HUGE)]
        else:
            value = draw.choice(_FORMS)(draw, topic)
        key = draw.choice((None, b"", b"q", b"\xff\x00", b"k" * 300, f"q{draw.randrange(50)}".encode()))
        yield HostileRecord(topic, key, value, draw.choice(TIMES), draw.choice(HEADERS))


def _bytes(draw: random.Random, topic: str) -> bytes:
    return draw.randbytes(draw.randrange(200))


def _nonsense(draw: random.Random, topic: str) -> bytes:
    """Give an object with names of fields and any values; in a derived topic without what would make it an event."""
    fields = {name: draw.choice(_VALUES) for name in draw.sample(sorted(_honest(draw, topic)), 3)}
    fields[draw.choice(("kind", "event_id", "causes", "more"))] = draw.choice(_VALUES)
    return json.dumps(fields, ensure_ascii=draw.random() < 0.5).encode("utf-8", "surrogatepass")


def _broken(draw: random.Random, topic: str) -> bytes:
    """Cut an honest record, flip one of its bytes, or repeat a part of it."""
    value = json.dumps(_honest(draw, topic)).encode()
    at = draw.randrange(len(value))
    return draw.choice((value[:at], value[:at] + b"\x00" + value[at:], value[at:] + value[:at], value + value))


def _contrary(draw: random.Random, topic: str) -> bytes:
    """Give an honest input with some fields that contradict the others; in a derived topic broken bytes."""
    if topic in DERIVED:
        return _broken(draw, topic)
    fields = _honest(draw, topic)
    for name in draw.sample(sorted(fields), draw.randrange(1, 3)):
        fields[name] = draw.choice(_VALUES)
    return json.dumps(fields).encode("utf-8", "surrogatepass")


def _plain(draw: random.Random, topic: str) -> bytes:
    return _broken(draw, topic) if topic in DERIVED else json.dumps(_honest(draw, topic)).encode()


_FORMS: tuple[Callable[[random.Random, str], bytes], ...] = (_bytes, _nonsense, _broken, _contrary, _contrary, _plain)


def _honest(draw: random.Random, topic: str) -> dict[str, Any]:
    """Give the fields of a record that its topic takes, about one of few questions."""
    about = f"q{draw.randrange(50)}"
    attempt = {"outcome": draw.choice(("ok", "error", "refused")), "latency_ms": 5, "cost_nusd": draw.choice((None, 7))}
    fields: dict[str, dict[str, Any]] = {
        QUESTIONS: {"question_id": about, "text": "Which?", "options": ["this", draw.choice(("that", "this"))]},
        ANALYSES: {
            "kind": "analysis.published.v1",
            "causes": ["b" * 64],
            "occurred_at": instant_of_ms(draw.randrange(10**12)),
            "question_id": about,
            "agent": draw.choice(("ann", "zoe")),
            "stage": draw.randrange(3),
            "role": draw.choice(("analyst", "merger", "dispatcher")),
            "status": draw.choice(("ok", "failed")),
            "text": draw.choice(("", "The answer is (A).")),
            "attempts": [attempt],
            "latency_ms": 5,
        },
        DEADLINES: {
            "kind": draw.choice(("deadline.passed.v1", "deadline.passed.v2")),
            "causes": ["c" * 64],
            "question_id": about,
        },
        FEEDBACK: {
            "question_id": about,
            "source": draw.choice(("gold", "human", "judge")),
            "answer": draw.choice(("A", "(B)", "this", "none", "7")),
        },
    }
    fields[LESSONS] = {
        "kind": "lesson.given.v1",
        "scope": draw.choice(("p", "default")),
        "question_id": about,
        "source": "gold",
        "right": "A",
        "question_kind": "texts",
        "answers": [{"agent": "ann", "answer": "A", "grounds": "text"}],
    }
    return fields.get(topic, {"kind": "decision.made.v2", "question_id": about, "status": "decided", "answer": "A"})
