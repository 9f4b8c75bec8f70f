"""
A real local Kafka broker without docker.

The package has its jars, a Java to run them, and the process.
"""

from infra.broker.node import Broker

__all__ = ["Broker"]
