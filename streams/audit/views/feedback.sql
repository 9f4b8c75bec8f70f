SELECT given.question_id, given.source, given.author, given.answer, given.verdict,
    retraction.event_id IS NOT NULL AS retracted, try_cast(given.occurred_at AS TIMESTAMP) AS given_at,
    try_cast(retraction.occurred_at AS TIMESTAMP) AS retracted_at, given.event_id, given.partition, given."offset"
FROM (
    SELECT * FROM events.feedback WHERE kind LIKE 'feedback.given.%'
) AS given
LEFT JOIN (
    SELECT question_id, feedback_id, min_by(event_id, seq) AS event_id, min_by(occurred_at, seq) AS occurred_at
    FROM events.feedback WHERE kind LIKE 'feedback.retracted.%' GROUP BY ALL
) AS retraction ON retraction.feedback_id = given.event_id AND retraction.question_id = given.question_id
