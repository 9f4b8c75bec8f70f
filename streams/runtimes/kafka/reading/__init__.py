"""Read-only views of a log: a snapshot in a local file, and the tail of a topic."""
