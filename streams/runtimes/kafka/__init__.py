"""The runtime on Apache Kafka: engines bring records to the four processors, a fenced changelog keeps their state."""
