"""Factory of agents from the specs of a policy."""

import time
from collections.abc import Collection
from functools import partial

from pydantic import SecretStr

from schemas.agents import LiteLLMAgent, OpenAIAgent, RecordedAgent, SimulatedAgent
from schemas.policies import PolicyAdopted
from streams.agents.agent import Agent
from streams.agents.api_keys import key_file_of, mask, read_key
from streams.agents.calls.limits import CallLimiter
from streams.agents.live import EarlierReplies, LivePlayer
from streams.agents.providers.completion import Client
from streams.agents.providers.litellm_client import LiteLLMClient
from streams.agents.providers.openai_client import OpenAIClient
from streams.agents.providers.renewed_key import RenewingClient
from streams.agents.recorded import RecordedOutputs, RecordedPlayer
from streams.agents.simulated import SimulatedPlayer
from streams.errors import UsageError

_MOST_NAMED = 20


def make_agents(
    policy: PolicyAdopted,
    outputs: RecordedOutputs | None,
    *,
    replies: EarlierReplies | None = None,
    only: Collection[str] | None = None,
) -> dict[str, Agent]:
    """
    Make every agent of a policy, by name, in the policy's order; no connection is opened.

    Args:
        policy: The policy that defines the agents.
        outputs: Outputs for recorded agents; None if no file was given.
        replies: Cache of live agents' replies, if one is configured.
        only: Names of the agents that are needed; None: all.

    Raises:
        UsageError: A recorded agent's model is not in the outputs.
        OperatorError: A live agent's key is not in the environment, or its client library is not installed.
    """
    clients = _Clients()
    agents: dict[str, Agent] = {}
    for spec in policy.agents:
        if only is not None and spec.name not in only:
            continue
        match spec:
            case RecordedAgent():
                agents[spec.name] = _recorded(spec, outputs)
            case SimulatedAgent():
                agents[spec.name] = SimulatedPlayer(spec)
            case _:
                agents[spec.name] = LivePlayer(
                    spec,
                    policy.prompts,
                    clients.of(spec),
                    alone=len(policy.agents) == 1,
                    limiter=CallLimiter(spec.name, spec.limits, time.monotonic),
                    mask=mask,
                    replies=replies,
                )
    return agents


class _Clients:
    """The clients of one policy: one for each kind, address and key, so that its agents share their connections."""

    def __init__(self) -> None:
        self._made: dict[tuple[str, str | None, SecretStr | None], Client] = {}

    def of(self, spec: LiteLLMAgent | OpenAIAgent) -> Client:
        """
        Give an agent's client.

        Raises:
            OperatorError: Its key is not in the environment, or its client library is not installed.
        """
        key = read_key(spec)
        endpoint = (spec.kind, spec.base_url, key)
        if endpoint not in self._made:
            file = key_file_of(spec)
            self._made[endpoint] = (
                _client(spec, key)
                if file is None
                else RenewingClient(partial(_client, spec), partial(_required_key, spec), file)
            )
        return self._made[endpoint]


def _client(spec: LiteLLMAgent | OpenAIAgent, key: SecretStr | None) -> Client:
    return LiteLLMClient(spec.base_url, key) if isinstance(spec, LiteLLMAgent) else OpenAIClient(spec.base_url, key)


def _required_key(spec: LiteLLMAgent | OpenAIAgent) -> SecretStr:
    key = read_key(spec)
    assert key is not None, "an agent with a file names the variable of its key"
    return key


def _recorded(spec: RecordedAgent, outputs: RecordedOutputs | None) -> RecordedPlayer:
    if outputs is None:
        raise UsageError(
            f"agent {spec.name!r} plays back outputs of {spec.model!r}, but no outputs were given",
            remedy="Name the file that holds them with --outputs",
        )
    found = outputs.by_model.get(spec.model)
    if found is None:
        raise UsageError(
            f"agent {spec.name!r} plays back outputs of {spec.model!r}, which are not in the files given;"
            f" these hold {_listed(sorted(outputs.by_model))}",
            remedy="Correct the agent's model, or name the file that holds it with --outputs",
        )
    return RecordedPlayer(spec, found)


def _listed(models: list[str]) -> str:
    more = len(models) - _MOST_NAMED
    return (", ".join(models[:_MOST_NAMED]) or "no outputs at all") + (f" and {more} more" if more > 0 else "")
