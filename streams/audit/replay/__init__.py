"""Proof that a log's derived events follow from its inputs."""
