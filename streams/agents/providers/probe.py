"""Reachability probes of live agents: model lists and test calls."""

import asyncio
import time
from collections.abc import Iterable
from typing import Literal, NamedTuple

from schemas.agents import LiteLLMAgent, OpenAIAgent
from schemas.analyses import Attempt
from streams.agents.agent import NO_DIAGNOSIS, Agent, AgentError, Diagnosis, Task
from streams.agents.api_keys import read_key
from streams.agents.calls.attempt import as_attempt, call_and_wait
from streams.agents.calls.retry import monotonic_ms
from streams.agents.providers.completion import read_json
from streams.agents.providers.http import HttpResponse, HttpTransport, require
from streams.agents.providers.http_errors import NO_ADDRESS
from streams.processors.answers.v1 import read_number

LIMIT_S = 5.0
"""Longest wait for a list of models. Its model calls may take longer, for example while a model is loaded."""

ModelListing = Literal["listed", "not_listed", "no_list", "unauthorized", "status", "timeout", "unreachable"]


class EndpointProbe(NamedTuple):
    """Result of requesting an endpoint's list of models."""

    found: ModelListing
    """`no_list`: the endpoint answers, but lists no models."""
    status: int | None = None
    took_ms: int = 0


class CallProbe(NamedTuple):
    """Result of one test call."""

    attempt: Attempt
    answer: str | None
    """The number in the reply, if one could be read."""
    diagnosis: Diagnosis = NO_DIAGNOSIS


QUESTION, RIGHT = "What is 1 + 1?", "2"


async def reach(specs: Iterable[LiteLLMAgent | OpenAIAgent]) -> dict[str, EndpointProbe]:
    """
    Request the list of models from each agent's endpoint, concurrently. No model is called.

    Args:
        specs: Agents; those without a configured address are skipped.

    Returns:
        Result by agent, without any key and without text of a provider.

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
    """Request one endpoint's list of models, and measure the time."""
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
    """Interpret the response of an endpoint."""
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
    """Read the ids in a list of models of OpenAI's interface; empty for any other body."""
    try:
        models = read_json(body)["data"]
        return {str(model["id"]) for model in models}
    except (LookupError, TypeError, RecursionError):
        # An id may be a list that is nested too deeply for `str`.
        return set()


def _wanted(spec: LiteLLMAgent | OpenAIAgent) -> set[str]:
    """List the ids an endpoint may use for a model: also without litellm's provider, and with Ollama's tag."""
    names = {spec.model}
    if isinstance(spec, LiteLLMAgent):
        names.add(spec.model.partition("/")[2])
    return names | {f"{name}:latest" for name in names}


async def try_out(agents: Iterable[Agent]) -> dict[str, CallProbe]:
    """
    Make one test call to each agent, concurrently: a trivial question, one attempt, the agent's time limit.

    Returns:
        Result by agent; a failure is described by its class only.
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
            # The import of a library is no part of the call's latency.
            await agent.live.ready()
        call = await call_and_wait(agent, task, monotonic_ms)
        said = call.reply if call.outcome == "ok" else None
        answer = None if said is None else read_number(said.text, said.answer).answer
        return CallProbe(as_attempt(call, agent.spec.price), answer, call.diagnosis)

    chosen = list(agents)
    tried = await asyncio.gather(*map(one, chosen))
    return {agent.spec.name: found for agent, found in zip(chosen, tried, strict=True)}
