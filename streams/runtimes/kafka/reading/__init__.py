"""Read-only views of a log: snapshot and topic tail."""
