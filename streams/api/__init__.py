"""The Python API: a log as an object."""

from streams.api.async_orch import AsyncOrch
from streams.api.orch import Orch
from streams.api.reading import Placed
from streams.api.subscription import DecisionSubscription

__all__ = ["AsyncOrch", "DecisionSubscription", "Orch", "Placed"]
