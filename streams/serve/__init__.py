"""HTTP over a log: JSON, live events and pages."""
