"""CloudEvents headers, and the storage format of other headers."""

import json

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
    """Encode headers as JSON text, None if there are none; Latin-1 maps every byte to one character and back."""
    if not headers:
        return None
    return json.dumps([[name, value.decode("latin-1")] for name, value in headers])


def unpack_headers(packed: str | None) -> Headers:
    """Decode headers that `pack_headers` encoded."""
    if packed is None:
        return ()
    return tuple((name, value.encode("latin-1")) for name, value in json.loads(packed))
