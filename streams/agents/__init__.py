"""Agents: their kinds, their calls, their providers."""
