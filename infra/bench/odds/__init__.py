"""Measurements of the merge rule `odds` over its pure functions."""
