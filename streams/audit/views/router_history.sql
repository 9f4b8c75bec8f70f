SELECT scope, agent, sequence, quality_ppb, latency_ns, cost_pusd, stability_ppb,
    coalesce(observations.asked, observations.stability) AS asked, observations.quality AS quality_observations,
    question_id, try_cast(occurred_at AS TIMESTAMP) AS entered_at, kind, event_id, previous, "offset"
FROM events.router
