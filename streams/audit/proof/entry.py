"""Canonical bytes of a stored record."""

from streams.log import Original

FORMAT = "orch.record.v1"
"""First line of every entry. Another encoding gets another name, so that no two encodings give the same bytes."""


def entry(record: Original) -> bytes:
    """
    Encode a record with its place: the bytes that a leaf of its partition's tree hashes.

    Returns:
        Lines of ASCII, each ended by a line feed, then the value as it is stored. The lines: the format; topic (as the
        topology names it), partition, offset and timestamp in milliseconds; the key; each header, in order; the length
        of the value in bytes. Keys, names and values of headers are lower-case hexadecimal, `-` where there is none.

    The value comes last and its length before it, so different records never have the same entry.
    """
    key = "-" if record.key is None else record.key.hex()
    head = f"{FORMAT}\n{record.topic} {record.partition} {record.offset} {record.timestamp_ms}\nkey {key}\n"
    for name, value in record.headers:
        head += f"header {name.encode('utf-8', 'surrogatepass').hex()} {'-' if value is None else value.hex()}\n"
    if record.value is None:
        return head.encode() + b"value -\n"
    return b"%bvalue %d\n%b" % (head.encode(), len(record.value), record.value)
