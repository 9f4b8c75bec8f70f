"""Hosts of the processors: engines, partition tasks, the fenced changelog and its state stores."""
