"""Trial of a log while brokers of a cluster die."""
