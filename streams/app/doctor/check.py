"""One finding of `orch doctor`."""

from typing import Literal, NamedTuple


class Check(NamedTuple):
    """One finding."""

    name: str
    state: Literal["ok", "warn", "fail"]
    finding: str
    remedy: str = ""
