"""
Real local Kafka brokers without docker, one or several.

The package has their jars, a Java to run them, and the processes.
"""

from infra.broker.cluster import Cluster
from infra.broker.node import Broker
from infra.broker.settings import Guard, NodePlan

__all__ = ["Broker", "Cluster", "Guard", "NodePlan"]
