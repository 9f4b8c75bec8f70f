"""The limit of every wait."""

LIMIT_S = 240
"""
Longest wait of a test for anything, in seconds.

What is waited for takes milliseconds to seconds on an idle machine, and may take fifty times as long on a busy one. A
test that hangs is shown by it, before pytest's own limit ends the run.
"""
