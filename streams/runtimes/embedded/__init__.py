"""The runtime of one machine: a log, its states and its checkpoint in one SQLite file."""
