SELECT question_id, agent, stage, role, number, one.outcome AS outcome, one.error AS error, one.latency_ms AS latency_ms,
    one.cost_nusd AS cost_nusd, one.input_tokens AS input_tokens, one.output_tokens AS output_tokens,
    one.provider.model AS model, one.provider.reported_model AS reported_model,
    one.provider.finish_reason AS finish_reason, one.provider.cached AS cached,
    one.provider.request_hash AS request_hash, event_id AS analysis_id
FROM (
    SELECT question_id, agent, stage, role, event_id, generate_subscripts(attempts, 1) AS number, unnest(attempts) AS one
    FROM events.analyses
)
