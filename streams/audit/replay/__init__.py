"""Proof that every derived event of a log follows from its inputs."""
