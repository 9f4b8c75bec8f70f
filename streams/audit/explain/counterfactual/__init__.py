"""Changes that would have changed a decision, derived again."""
