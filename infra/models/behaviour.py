"""The server's behaviour: latency, faults, key and extra models."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from infra.models.chance import share
from infra.models.faults import FaultPlan
from schemas.panels import Role
from streams.errors import UsageError


@dataclass(frozen=True)
class Behaviour:
    """
    All settings, with their defaults; times are real time.

    Attributes:
        latency_ms: Wait before each answer, faults included.
        spread_ms: Most that is added to it; how much depends on the plan's seed, model, question, role and n alone.
        faults: A plan, or only its rates.
        key: Key that callers must send as `Authorization: Bearer KEY`; None accepts every caller.
        models: Models that may be asked without recordings, as dispatchers and mergers.
        model_suffix: Added to the model's name in answers, as providers add a date: "-2024-08-06".
        retry_after_s: Time that a `rate-limit` response tells the client to wait.
        drip_s: Time that the body of a `slow-drip` takes.
        obey: Answers also hold, verbatim, each line of the prompt's data that reads like an order, and a structured
            answer is what the last `ANSWER WITH:` asks for. So an attacker's words reach every reader of the answer.
            An obeying analyst without a recording says only these lines.

    Raises:
        UsageError: A time is negative, or the faults are invalid.
    """

    latency_ms: float = 0
    spread_ms: float = 0
    faults: FaultPlan | Mapping[str, float] = field(default_factory=FaultPlan)
    key: str | None = None
    models: tuple[str, ...] = ()
    model_suffix: str = ""
    retry_after_s: int = 1
    drip_s: float = 5
    obey: bool = False

    def __post_init__(self) -> None:
        for name in ("latency_ms", "spread_ms", "retry_after_s", "drip_s"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name}: {getattr(self, name)} is below 0", remedy="Give 0 or more")
        object.__setattr__(self, "faults", self.plan)

    @property
    def plan(self) -> FaultPlan:
        """The plan of faults."""
        return self.faults if isinstance(self.faults, FaultPlan) else FaultPlan(self.faults)

    def delay_s(self, model: str, question_id: str, role: Role, n: int) -> float:
        """Give the time this request waits for its answer."""
        spread = share("latency", self.plan.seed, model, question_id, role, n) if self.spread_ms else 0
        return (self.latency_ms + self.spread_ms * spread) / 1_000
