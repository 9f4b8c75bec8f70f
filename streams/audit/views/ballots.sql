SELECT question_id, seat.agent AS agent, seat.stage AS stage, true AS counted, seat.answer AS answer,
    seat.answer IS NOT DISTINCT FROM decided AS agrees, seat.weight AS weight, seat.read_as AS read_as,
    NULL::VARCHAR AS reason, seat.analysis_id AS analysis_id, seat.conduct.attempts AS calls,
    seat.conduct.latency_ms AS latency_ms, seat.conduct.cost_nusd AS cost_nusd,
    seat.conduct.unpriced_calls AS unpriced_calls, event_id AS decision_id
FROM (SELECT question_id, event_id, answer AS decided, unnest(counted) AS seat FROM events.decisions)
UNION ALL
SELECT question_id, seat.agent, seat.stage, false, NULL, false, NULL, NULL, seat.reason, seat.analysis_id,
    seat.conduct.attempts, seat.conduct.latency_ms, seat.conduct.cost_nusd, seat.conduct.unpriced_calls, event_id
FROM (SELECT question_id, event_id, unnest(excluded) AS seat FROM events.decisions)
