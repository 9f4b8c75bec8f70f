"""
Stream processors of ORCH, their runtimes, agents, audits and commands.

`Orch` and `AsyncOrch` are for programs (API.md beside this file); README.md is the map.
"""

from importlib import import_module
from typing import Any

__all__ = ["AsyncOrch", "Orch"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for: whoever imports a processor loads no runtime.
    if name in __all__:
        return getattr(import_module("streams.api"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
