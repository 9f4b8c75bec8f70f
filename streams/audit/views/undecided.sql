SELECT question_id, 'undecided' AS state, reason, calls, cost_nusd,
    list_transform(excluded, lambda seat: seat.agent || ': ' || seat.reason) AS excluded,
    try_cast(occurred_at AS TIMESTAMP) AS since, event_id
FROM events.decisions WHERE status = 'undecided'
UNION ALL
SELECT question_id, 'waiting', NULL, NULL, NULL, NULL, min(try_cast(occurred_at AS TIMESTAMP)), min_by(event_id, seq)
FROM events.questions WHERE question_id NOT IN (SELECT question_id FROM events.decisions) GROUP BY question_id
