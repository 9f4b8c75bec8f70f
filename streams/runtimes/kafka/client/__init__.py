"""Clients of the brokers: producer, group member, administration, plain reads."""
