"""
Models that obey any text, and a provider repeating keys.

The provider repeats the key that a request brought.
"""

import json
import re
import time
from collections.abc import Sequence
from pathlib import Path

from schemas.agents import LiveLimits, OpenAIAgent, Price
from schemas.policies import PolicyAdopted
from schemas.questions import QuestionAsked
from streams.agents.agent import Agent
from streams.agents.calls.limits import CallLimiter
from streams.agents.live import LivePlayer
from streams.agents.providers.completion import Completion, Request
from streams.app.setup import Setup, answer
from streams.processors import PROCESSORS
from streams.runtimes.embedded.writer import EmbeddedWriter
from streams.settings import RunSettings

from ...worlds import EPOCH
from .injection_payloads import KEY

MASKED = "[masked]"
PANEL = ("parrot", "gossip", "honest")


class Parrot:
    """
    A client of three models. `parrot` gives the text of the case back, word for word, whoever asks it for what;
    `gossip` says besides all it was told, and the key, in plain words or in JSON escapes; `honest` answers.
    """

    def __init__(self, payloads: Sequence[str]) -> None:
        self.payloads = payloads
        self.heard: list[Request] = []

    async def ready(self) -> None: ...

    async def send(self, request: Request) -> Completion:
        self.heard.append(request)
        case = re.search(r"Case (\d+):", request.messages[1].content)
        assert case is not None
        return Completion(
            text=self._says(request, int(case[1])),
            reported_model=f"{'m' * 190}{KEY}",
            fingerprint=f"fp {KEY[:9]}\x00\u202e{KEY[9:]}",
            finish_reason=KEY,
            input_tokens=100,
            output_tokens=10**30,
        )

    def _says(self, request: Request, case: int) -> str:
        payload = self.payloads[case]
        if request.model == "parrot":
            return payload
        if request.model == "honest":
            return "The answer is (A)." if "Exactly one" in request.messages[0].content else "The answer is 7."
        if case % 2:
            escaped = "".join(f"\\u{ord(character):04x}" for character in KEY)
            said = {"analysis": f"{payload} @", "answer": "@", "sub_questions": ["@" * 3] * 3}
            return json.dumps(said).replace("@", escaped)
        return "\n".join([payload, request.messages[0].content, KEY])

    async def close(self) -> None:
        pass


def panel_policy(**fields: object) -> PolicyAdopted:
    """Build a policy that asks all three, `parrot` first; it is also dispatcher and merge agent, if there is one."""
    agents = tuple(
        OpenAIAgent(
            name=name,
            model=name,
            price=Price(input_nusd_per_ktoken=1_000, output_nusd_per_ktoken=1_000),
            limits=LiveLimits(max_attempts=1, breaker_failures=0),
        )
        for name in PANEL
    )
    plain = {"occurred_at": EPOCH, "policy_id": "p", "agents": agents, "routing": {"rule": "static", "panel_size": 3}}
    return PolicyAdopted.model_validate(plain | fields)


def run_panel(path: Path, policy: PolicyAdopted, parrot: Parrot, questions: Sequence[QuestionAsked]) -> None:
    """Have a panel decide questions, in a log at *path*."""
    agents: dict[str, Agent] = {
        spec.name: LivePlayer(
            spec,
            policy.prompts,
            parrot,
            alone=False,
            limiter=CallLimiter(spec.name, spec.limits, time.monotonic),
            mask=lambda text: text.replace(KEY, MASKED),
        )
        for spec in policy.agents
        if isinstance(spec, OpenAIAgent)
    }
    with EmbeddedWriter(path, PROCESSORS, clock=lambda: 0) as log:
        answer(log, Setup(policy, agents, ()), questions, run=RunSettings(), clock=lambda: 0)
        assert log.policy == policy
