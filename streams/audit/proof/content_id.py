"""Ids of events in records, checked against their content."""

from schemas.canonical import content_id
from schemas.registry import InvalidRecord, decode
from streams.log import Original

_MEMBER = b'"event_id":"'
_DIGITS = 64


def id_problem(record: Original) -> str | None:
    """
    Say why a record is no event whose id is the hash of its content; None if it is one.

    An input may lack its id: then it is the event that its producer meant.
    """
    value = record.value or b""
    before, mark, rest = value.partition(_MEMBER)
    # Canonical JSON without the member is what the id hashes; a quote inside a string is escaped, so it stands once.
    if mark and rest[_DIGITS : _DIGITS + 2] == b'",' and content_id(before + rest[_DIGITS + 2 :]).encode() == rest[:64]:
        return None
    try:
        decode(record.topic, value, record.timestamp_ms)
    except InvalidRecord as problem:
        return str(problem)
    return None
