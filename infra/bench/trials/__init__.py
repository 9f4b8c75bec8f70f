"""Trials of ideas on recorded outputs."""
