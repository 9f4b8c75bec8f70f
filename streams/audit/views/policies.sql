SELECT policy_id, try_cast(occurred_at AS TIMESTAMP) AS adopted_at,
    list_transform(agents, lambda agent: agent ->> '$.name') AS agents, routing.rule AS routing_rule,
    routing.panel_size AS panel_size, decomposition, merge.rule AS merge_rule, merge.quorum AS quorum, deadline_ms,
    coalesce(rules.extractor, 'answers.v1') AS extractor, budget.question_nusd AS question_budget_nusd,
    budget.run_nusd AS run_budget_nusd, kind, event_id, causes[1] AS replaced_id, "offset"
FROM events.policies
WHERE kind LIKE 'policy.adopted.%'
