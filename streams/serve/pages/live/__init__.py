"""Decisions as they are made: index and pages."""
