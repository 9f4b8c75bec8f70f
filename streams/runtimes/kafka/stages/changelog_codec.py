"""
Encoding of outputs in changelog records.

A value is one line of JSON, then the outputs' bytes unchanged.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from streams.runtimes.headers import list_headers, read_headers
from streams.runtimes.kafka.client.producer import ProducerRecord

CHUNK_BYTES = 400_000
"""Most bytes of outputs in one record; a single larger output gets a record of its own."""


def pack(facts: dict[str, Any], messages: Sequence[ProducerRecord]) -> bytes:
    """
    Encode facts and outputs as the value of one record.

    Release 0.1 cannot read a header without a value. Only the copy of a misplaced record can have one.
    """
    outputs = [[m.topic, m.key, m.timestamp_ms, list_headers(m.headers), len(m.value)] for m in messages]
    line = orjson.dumps({**facts, "outputs": outputs})
    return b"".join([line, b"\n", *(m.value for m in messages)])


def unpack(value: bytes) -> tuple[dict[str, Any], list[ProducerRecord]]:
    """Decode a value that `pack` encoded."""
    line, _, blob = value.partition(b"\n")
    facts = orjson.loads(line)
    messages, at = [], 0
    for topic, key, timestamp_ms, headers, length in facts.pop("outputs"):
        messages.append(ProducerRecord(topic, key, blob[at : at + length], read_headers(headers), timestamp_ms))
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
