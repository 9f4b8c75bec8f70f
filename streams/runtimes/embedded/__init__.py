"""The one-machine runtime: log, states and checkpoint in SQLite."""
