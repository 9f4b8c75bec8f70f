"""Brokers' records as an export keeps them."""

from schemas.registry import InvalidRecord
from streams.log import Original
from streams.runtimes.kafka.raw_record import RawRecord, is_misplaced, read_input, subject_of
from streams.topology import INPUT_TOPICS


def original_of(raw_record: RawRecord, seq: int) -> Original:
    """Say of a record how readers take it: as an event, in another spelling, or not at all."""
    plain = Original(
        raw_record.topic,
        raw_record.partition,
        raw_record.offset,
        raw_record.timestamp_ms,
        "LogAppendTime" if raw_record.stamped_by_broker else "CreateTime",
        raw_record.key,
        None if raw_record.tombstone else raw_record.value,
        raw_record.headers,
        "",
        seq=seq,
    )
    if raw_record.topic not in INPUT_TOPICS:
        return plain._replace(correlation=subject_of(raw_record))
    try:
        event = read_input(raw_record)
    except InvalidRecord:
        return plain._replace(correlation=raw_record.key_text or raw_record.place_text, form="invalid")
    value = event.encode()
    canonical = None if value == raw_record.value else value
    if is_misplaced(raw_record, event):
        return plain._replace(correlation=event.correlation, form="misplaced", canonical=canonical)
    return plain._replace(
        correlation=event.correlation, form="event" if canonical is None else "converted", canonical=canonical
    )
