"""CloudEvents headers, and the storage format of other headers."""

import json
from collections.abc import Iterable

from schemas.event import Event
from streams.log import Headers


def ce_headers(event: Event) -> Headers:
    """
    Give the CloudEvents headers of an event's record.

    They are functions of the event, so no runtime needs to store them.
    Source: CloudEvents 1.0, Kafka protocol binding, binary content mode.
    """
    return (
        ("ce_specversion", b"1.0"),
        ("ce_id", event.event_id.encode()),
        ("ce_type", event.kind.encode()),
        ("ce_source", f"/{event.topic}".encode()),
        ("ce_time", event.occurred_at.encode()),
        ("content-type", b"application/json"),
    )


def pack_headers(headers: Headers) -> str | None:
    """Encode headers as JSON text, None if there are none."""
    return json.dumps(list_headers(headers)) if headers else None


def unpack_headers(packed: str | None) -> Headers:
    """Decode headers that `pack_headers` encoded."""
    if packed is None:
        return ()
    return read_headers(json.loads(packed))


def list_headers(headers: Headers) -> list[list[str | None]]:
    """Give headers as JSON has them: Latin-1 maps every byte to one character and back, and a null value stays null."""
    return [[name, None if value is None else value.decode("latin-1")] for name, value in headers]


def read_headers(listed: Iterable[tuple[str, str | None]]) -> Headers:
    """Read headers that `list_headers` listed."""
    return tuple((name, None if text is None else text.encode("latin-1")) for name, text in listed)
