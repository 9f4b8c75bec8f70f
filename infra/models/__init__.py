"""A server with OpenAI's interface that plays recorded model outputs, and on demand fails as real ones do."""

from infra.models.behaviour import Behaviour
from infra.models.faults import FAULTS, FaultPlan
from infra.models.process import ModelProcess
from infra.models.server import ModelServer

__all__ = ["FAULTS", "Behaviour", "FaultPlan", "ModelProcess", "ModelServer"]
