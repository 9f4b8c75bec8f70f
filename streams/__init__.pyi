from streams.api import AsyncOrch as AsyncOrch
from streams.api import Orch as Orch

__all__ = ["AsyncOrch", "Orch"]
