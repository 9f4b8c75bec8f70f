SELECT question_id, answer, agreeing, counted, tally,
    list_max(map_values(tally)) - list_sort(map_values(tally), 'DESC')[2] AS margin, tie_broken_by, rule, policy_id,
    subject, decided_at, event_id
FROM (
    SELECT question_id, answer, agreement.agreeing AS agreeing, agreement.counted AS counted, tally,
        tie_break.agent AS tie_broken_by, rule, policy_id, scopes[2] AS subject,
        try_cast(occurred_at AS TIMESTAMP) AS decided_at, event_id
    FROM events.decisions
) WHERE cardinality(tally) > 1
