"""Merge rule `odds`: weights of agents and evidence."""
