"""Agents, the only callers of models: their kinds, their calls, their providers."""
