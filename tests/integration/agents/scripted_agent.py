"""A scripted live agent that needs no provider."""

import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from schemas.agents import LiveLimits, OpenAIAgent, Price
from schemas.analyses import ProviderCall
from streams.agents.agent import AgentError, Reply, Task
from streams.agents.calls.limits import CallLimiter

MOST_NUSD = 100
ASKED = ProviderCall(model="m", request_hash="f" * 64)
PRICE = Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=1_000)
LIMITS = LiveLimits(timeout_ms=5_000, max_attempts=3, backoff_ms=0, breaker_failures=0)


class Called:
    """A live agent that plays a script, the last act again and again."""

    virtual = False

    def __init__(
        self, *script: Reply | AgentError | Callable[[], Any], limits: LiveLimits = LIMITS, name: str = "called"
    ) -> None:
        self.script = script
        self.calls = 0
        self.spec = OpenAIAgent(name=name, model="m", price=PRICE, limits=limits)
        self.limiter = CallLimiter(name, limits, time.monotonic)

    @property
    def live(self) -> "Called":
        return self

    def asked(self, task: Task) -> ProviderCall:
        return ASKED

    def most_nusd(self, task: Task) -> int:
        return MOST_NUSD

    async def ready(self) -> None: ...

    def turn(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def close(self) -> None: ...

    async def reply(self, task: Task) -> Reply:
        self.calls += 1
        act = self.script[min(self.calls, len(self.script)) - 1]
        if isinstance(act, AgentError):
            raise act
        if isinstance(act, Reply):
            return act
        result: Reply = await act()
        return result
