SELECT question_id, text, options, answer_type, subject, try_cast(occurred_at AS TIMESTAMP) AS asked_at, event_id,
    partition, "offset"
FROM events.questions
QUALIFY row_number() OVER (PARTITION BY question_id ORDER BY seq) = 1
