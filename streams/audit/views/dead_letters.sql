SELECT source_topic, source_partition, source_offset, reason, detail, record_key, value_bytes,
    from_base64(value_base64) AS value, try_cast(occurred_at AS TIMESTAMP) AS rejected_at, event_id, "offset"
FROM events.dead_letters
