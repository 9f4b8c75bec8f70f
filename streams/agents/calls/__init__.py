"""One call of an agent: limits, budget, attempts, retries, and its event."""
