"""Reachability probes of live agents: model lists and test calls."""

import asyncio
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

from schemas.agents import LiteLLMAgent, OpenAIAgent
from schemas.analyses import Attempt
from streams.agents.agent import Agent, AgentError, Task
from streams.agents.api_keys import read_key
from streams.agents.calls.attempt import as_attempt, call_and_wait
from streams.agents.calls.retry import monotonic_ms
from streams.agents.providers.completion import read_json
from streams.agents.providers.http import HttpResponse, HttpTransport, require
from streams.agents.providers.http_errors import NO_ADDRESS
from streams.processors.answers import read_number

LIMIT_S = 5.0
"""Longest wait for a list of models. An endpoint that is loading one may take longer to answer a question."""

ModelListing = Literal["listed", "not_listed", "no_list", "unauthorized", "status", "timeout", "unreachable"]


class EndpointProbe(NamedTuple):
    """What asking an endpoint for its models showed."""

    found: ModelListing
    """`no_list`: it answers, and lists no models."""
    status: int | None = None
    took_ms: int = 0


class CallProbe(NamedTuple):
    """What became of one real call."""

    attempt: Attempt
    answer: str | None
    """The number it gave, if one could be read."""


QUESTION, RIGHT = "What is 1 + 1?", "2"


async def reach(specs: Iterable[LiteLLMAgent | OpenAIAgent]) -> dict[str, EndpointProbe]:
    """
    Ask the endpoint of each agent, all at the same time, for the models it has. No model is called.

    Args:
        specs: Agents; those without an address of their own are left out.

    Returns:
        What was found, by agent. No key and no word of a provider is in it.

    Raises:
        OperatorError: The HTTP client is not installed, or a key is not in the environment.
    """
    require("aiohttp", "openai", "openai")
    wire = HttpTransport()
    addressed = [spec for spec in specs if spec.base_url is not None]
    try:
        found = await asyncio.gather(*(_look(wire, spec) for spec in addressed))
    finally:
        await wire.close()
    return {spec.name: reached for spec, reached in zip(addressed, found, strict=True)}


async def _look(wire: HttpTransport, spec: LiteLLMAgent | OpenAIAgent) -> EndpointProbe:
    """Ask one endpoint, and measure how long it takes."""
    key = read_key(spec)
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    url = f"{(spec.base_url or '').rstrip('/')}/models"
    started = time.monotonic()
    try:
        async with asyncio.timeout(LIMIT_S):
            reached = _as_reached(spec, await wire.send("GET", url, headers))
    except TimeoutError:
        reached = EndpointProbe("timeout")
    except AgentError as error:
        reached = EndpointProbe("unreachable" if error.error in ("connection", NO_ADDRESS.error) else "no_list")
    return reached._replace(took_ms=round((time.monotonic() - started) * 1000))


def _as_reached(spec: LiteLLMAgent | OpenAIAgent, answer: HttpResponse) -> EndpointProbe:
    """Say what an answer means."""
    if answer.status in (401, 403):
        return EndpointProbe("unauthorized", answer.status)
    if answer.status in (404, 405, 501):
        return EndpointProbe("no_list", answer.status)
    if answer.status != 200:
        return EndpointProbe("status", answer.status)
    names = _listed(answer.body)
    if not names:
        return EndpointProbe("no_list", answer.status)
    return EndpointProbe("listed" if _wanted(spec) & names else "not_listed", answer.status)


def _listed(body: bytes) -> set[str]:
    """Read the ids of a list of models as OpenAI's interface gives it; empty where it is something else."""
    try:
        models = read_json(body)["data"]
        return {str(model["id"]) for model in models}
    except (LookupError, TypeError, RecursionError):
        # An id may be a list that is nested too deeply to be written.
        return set()


def _wanted(spec: LiteLLMAgent | OpenAIAgent) -> set[str]:
    """List the ids under which an endpoint may list a model: litellm's provider apart, and Ollama's tag with it."""
    names = {spec.model}
    if isinstance(spec, LiteLLMAgent):
        names.add(spec.model.partition("/")[2])
    return names | {f"{name}:latest" for name in names}


async def try_out(agents: Iterable[Agent]) -> dict[str, CallProbe]:
    """
    Make one call of each agent, all at the same time: a trivial question, one attempt, at its usual limits.

    Returns:
        What became of it, by agent; of a failure its class.
    """
    task = Task(
        question_id="doctor",
        text=QUESTION,
        options=(),
        answer_type="number",
        subject=None,
        role="analyst",
        stage=0,
    )

    async def one(agent: Agent) -> CallProbe:
        if agent.live is not None:
            # The import of a library is nobody's latency.
            await agent.live.ready()
        call = await call_and_wait(agent, task, monotonic_ms)
        said = call.reply if call.outcome == "ok" else None
        answer = None if said is None else read_number(said.text, said.answer).answer
        return CallProbe(as_attempt(call, agent.spec.price), answer)

    chosen = list(agents)
    tried = await asyncio.gather(*map(one, chosen))
    return {agent.spec.name: found for agent, found in zip(chosen, tried, strict=True)}
