"""One call: limits, budget, attempts, retries and its event."""
