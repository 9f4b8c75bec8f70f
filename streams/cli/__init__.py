"""The `orch` command: parse, call one function, print."""
