"""Connections to brokers: producer, group member, topics, lags, and reads without a group."""
