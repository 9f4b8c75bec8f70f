"""
The table of faults, and plans that assign them.

A plan assigns the same faults to the same requests, in any order of requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from infra.models.chance import share
from schemas.panels import Role
from streams.errors import UsageError

FAULTS: Mapping[str, str] = {
    "rate-limit": "429 with Retry-After",
    "no-credit": "429 with the code of an account that is empty",
    "server-error": "500",
    "overloaded": "503",
    "unauthorized": "401 whose message repeats the caller's key",
    "hang": "no answer until the client goes away or the server stops",
    "slow-drip": "the body comes a few bytes at a time (--drip-s)",
    "cut": "the connection is aborted in the middle of the body",
    "malformed": "200 with a body, or a stream event, that is not JSON",
    "empty": "200 with no words",
    "wrong-letter": "an answer that is no option, or no number",
    "refusal": "a polite refusal",
    "very-long": "more than a million characters",
    "truncated": "half of the text, finish_reason length",
    "tool-call": "a call of a tool nobody offered, in place of words",
    "other-language": "another language, and no answer in it",
    "echo-key": "the text with the caller's key in it",
    "error-200": "200 with the error object of an empty account (402)",
    "finish-error": "half of the text, finish_reason error",
    "streamed": "a stream, though none was asked for",
    "html-page": "200 with an HTML page",
}
"""Name of each fault, and the response it causes."""


@dataclass(frozen=True)
class FaultPlan:
    """
    The fault of each request. It depends on the seed, the model, the question, the role and n alone.

    n counts the requests of a model for a question in a role, from 1: a retry has the next n and its own draw.

    Attributes:
        rates: Share of requests with each fault; together at most 1.
        models: Models the rates hold for; None means all.
        seed: Another one gives other faults at the same rates.
        sequences: By model, the faults of its requests in each question and role: the first is for n = 1, None is no
            fault. After the end of the sequence the rates apply.
        every: By model, the fault of all its requests; it overrides the rest of the plan.

    Raises:
        UsageError: A fault has an unknown name, or the rates are no shares.
    """

    rates: Mapping[str, float] = field(default_factory=dict)
    models: frozenset[str] | None = None
    seed: int = 0
    sequences: Mapping[str, Sequence[str | None]] = field(default_factory=dict)
    every: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        listed = (fault for sequence in self.sequences.values() for fault in sequence if fault is not None)
        for fault in (*self.rates, *self.every.values(), *listed):
            check_fault(fault)
        # Ten floats of 0.1 may add up to a little more than 1.
        if any(rate < 0 for rate in self.rates.values()) or sum(self.rates.values()) > 1 + 1e-9:
            raise UsageError(f"Fault rates {dict(self.rates)}", remedy="Rates are 0 or more, together 1 or less")

    def fault(self, model: str, question_id: str, role: Role, n: int) -> str | None:
        """Give the fault of this request, if any."""
        if model in self.every:
            return self.every[model]
        sequence = self.sequences.get(model, ())
        if n <= len(sequence):
            return sequence[n - 1]
        if not self.rates or (self.models is not None and model not in self.models):
            return None
        drawn = share("fault", self.seed, model, question_id, role, n)
        for fault in FAULTS:
            drawn -= self.rates.get(fault, 0)
            if drawn < 0:
                return fault
        return None


def check_fault(fault: str) -> None:
    """
    Refuse a name that no fault has.

    Raises:
        UsageError: No fault has this name.
    """
    if fault not in FAULTS:
        raise UsageError(f"{fault!r} is no fault", remedy=f"Faults: {', '.join(FAULTS)}")
