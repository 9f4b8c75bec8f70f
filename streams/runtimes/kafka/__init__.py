"""
The runtime on Apache Kafka.

Engines bring records to the four processors; a fenced changelog keeps the processors' states.
"""
