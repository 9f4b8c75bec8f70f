"""Metrics and readiness of a running process."""
