"""Checks of `orch doctor`: machine, configuration, agents, log and cluster."""
