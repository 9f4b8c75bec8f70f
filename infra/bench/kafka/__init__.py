"""
Benchmarks of a Kafka log.

Workers are started as users start them.
"""
