"""
Encoding of outputs in changelog records.

A value is one line of JSON, then the outputs' bytes unchanged.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from streams.runtimes.kafka.client.producer import ProducerRecord

CHUNK_BYTES = 400_000
"""Most bytes of outputs in one record; a single larger output gets a record of its own."""


def pack(facts: dict[str, Any], messages: Sequence[ProducerRecord]) -> bytes:
    """Encode facts and outputs as the value of one record."""
    outputs = [
        [m.topic, m.key, m.timestamp_ms, [[name, value.decode("latin-1")] for name, value in m.headers], len(m.value)]
        for m in messages
    ]
    line = orjson.dumps({**facts, "outputs": outputs})
    return b"".join([line, b"\n", *(m.value for m in messages)])


def unpack(value: bytes) -> tuple[dict[str, Any], list[ProducerRecord]]:
    """Decode a value that `pack` encoded."""
    line, _, blob = value.partition(b"\n")
    facts = orjson.loads(line)
    messages, at = [], 0
    for topic, key, timestamp_ms, headers, length in facts.pop("outputs"):
        given = tuple((name, text.encode("latin-1")) for name, text in headers)
        messages.append(ProducerRecord(topic, key, blob[at : at + length], given, timestamp_ms))
        at += length
    return facts, messages


def chunks(messages: Sequence[ProducerRecord]) -> Iterator[list[ProducerRecord]]:
    """Split outputs into groups of at most `CHUNK_BYTES` where possible; at least one group, which may be empty."""
    group: list[ProducerRecord] = []
    held = 0
    for message in messages:
        if group and held + len(message.value) > CHUNK_BYTES:
            yield group
            group, held = [], 0
        group.append(message)
        held += len(message.value)
    yield group
