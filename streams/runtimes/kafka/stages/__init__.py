"""Hosts of the processors: engines, partition tasks, changelogs, state stores."""
