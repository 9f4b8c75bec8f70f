SELECT question_id, status, answer, answer_text, reason, rule, extractor, policy_id, scopes[2] AS subject,
    agreement.agreeing AS agreeing, agreement.counted AS counted, len(excluded) AS excluded, tally,
    tie_break.agent AS tie_broken_by, verdict_id, calls, cost_nusd, unpriced_calls,
    coalesce(list_sum(list_transform(shadows, lambda seat: seat.conduct.attempts)), 0)::BIGINT AS shadow_calls,
    coalesce(list_sum(list_transform(shadows, lambda seat: seat.conduct.cost_nusd)), 0)::BIGINT AS shadow_cost_nusd,
    try_cast(occurred_at AS TIMESTAMP) AS decided_at, kind, event_id, causes, partition, "offset"
FROM events.decisions
