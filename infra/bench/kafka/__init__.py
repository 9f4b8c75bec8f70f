"""Benchmarks of a log on Kafka, with workers as users start them."""
