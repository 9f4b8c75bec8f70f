SELECT question_id, agent, stage, stage = 1000 AS shadow, role, status, answer, text, len(attempts) AS attempts,
    len(list_filter(attempts, lambda one: one.outcome <> 'refused')) AS calls,
    coalesce(list_sum(list_transform(attempts, lambda one: one.cost_nusd)), 0)::BIGINT AS cost_nusd,
    len(list_filter(attempts, lambda one: one.outcome <> 'refused' AND one.cost_nusd IS NULL)) AS unpriced_calls,
    latency_ms, try_cast(occurred_at AS TIMESTAMP) AS published_at, event_id, causes[1] AS stage_id, partition, "offset"
FROM events.analyses
