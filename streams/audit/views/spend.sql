WITH called AS (
    SELECT question_id, agent, count(*) FILTER (one.outcome <> 'refused') AS calls,
        coalesce(sum(one.cost_nusd), 0)::BIGINT AS cost_nusd,
        count(*) FILTER (one.outcome <> 'refused' AND one.cost_nusd IS NULL) AS unpriced_calls,
        sum(one.input_tokens)::BIGINT AS input_tokens, sum(one.output_tokens)::BIGINT AS output_tokens
    FROM (SELECT question_id, agent, unnest(attempts) AS one FROM events.analyses) GROUP BY ALL
), reserved AS (
    SELECT reservation.question_id, reservation.agent, count(*) AS reservations,
        sum(reservation.amount_nusd)::BIGINT AS reserved_nusd, count(refusal.reservation) AS refusals
    FROM (SELECT * FROM events.spending WHERE kind LIKE 'budget.reserved.%') AS reservation
    LEFT JOIN (
        SELECT DISTINCT causes[1] AS reservation FROM events.spending WHERE kind LIKE 'budget.refused.%'
    ) AS refusal ON refusal.reservation = reservation.event_id
    GROUP BY ALL
)
SELECT question_id, agent, coalesce(calls, 0) AS calls, coalesce(cost_nusd, 0) AS cost_nusd,
    coalesce(unpriced_calls, 0) AS unpriced_calls, input_tokens, output_tokens,
    coalesce(reservations, 0) AS reservations, coalesce(reserved_nusd, 0) AS reserved_nusd,
    coalesce(refusals, 0) AS refusals
FROM called FULL JOIN reserved USING (question_id, agent)
