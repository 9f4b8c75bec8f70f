"""
A server of recorded model outputs with OpenAI's interface.

On demand it fails as real ones do.
"""

from infra.models.behaviour import Behaviour
from infra.models.faults import FAULTS, FaultPlan
from infra.models.process import ModelProcess

# ModelServer is in infra.models.server, which imports aiohttp: the help of `orch models` needs no extra.
__all__ = ["FAULTS", "Behaviour", "FaultPlan", "ModelProcess"]
