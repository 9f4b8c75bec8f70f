"""A real Kafka broker in one command, without docker: its jars, a Java to run them, and the process."""

from infra.broker.node import Broker

__all__ = ["Broker"]
