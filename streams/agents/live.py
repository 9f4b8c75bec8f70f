"""Live agents: prompt, provider call, reply cache and parsed reply."""

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from schemas.agents import LiteLLMAgent, OpenAIAgent, OpenAIAgentV2
from schemas.analyses import ProviderCall
from schemas.canonical import MAX_INTEGER
from schemas.prompts import Prompts
from streams.agents.agent import AgentError, LiveCaller, Reply, Task
from streams.agents.calls.limits import CallLimiter
from streams.agents.calls.pricing import most_nusd
from streams.agents.prompts import messages_of, schema_of
from streams.agents.providers.completion import Client, Completion, Request
from streams.agents.providers.send_slots import SEND_SLOTS
from streams.agents.reply_parser import read_reply

KEPT_REQUESTS = 128
"""Built requests that an agent caches, because a call uses its request three times. Mostly a few KB, at most 1 MB."""

MOST_REPORTED_CHARACTERS = 200
"""Longest string reported by a provider that an event can hold (`schemas.analyses.Reported`)."""

# Control and bidirectional characters and lone surrogates: in a name they can only deceive, or break an event.
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]")


class EarlierReplies(Protocol):
    """Cache of completions by request hash; keys in them are masked."""

    def get(self, request_hash: str) -> Completion | None:
        """Return the cached completion of a request, if there is one."""

    def put(self, request_hash: str, completion: Completion) -> None:
        """Cache the completion of a request."""


class Built(NamedTuple):
    """A request, and its description in the log."""

    request: Request
    asked: ProviderCall


def _as_it_is(text: str) -> str:
    return text


class LivePlayer:
    """
    An agent that calls a provider through a client.

    Args:
        spec: The agent in the policy.
        prompts: Prompt texts of the policy.
        client: Makes one call for each request, and holds the key. Closed with the player.
        alone: Whether the policy has no other agent.
        limiter: Limits on calls of the agent; every caller passes through it.
        mask: Masks secrets, including the key: a provider may echo its input.
        replies: Reply cache. A cached reply costs nothing; cached text is masked.
    """

    virtual = False

    def __init__(
        self,
        spec: LiteLLMAgent | OpenAIAgent,
        prompts: Prompts,
        client: Client,
        *,
        alone: bool,
        limiter: CallLimiter,
        mask: Callable[[str], str] = _as_it_is,
        replies: EarlierReplies | None = None,
    ) -> None:
        self.spec = spec
        self.limiter = limiter
        self._client = client
        self._mask = mask
        self._replies = replies
        self._build = lru_cache(KEPT_REQUESTS)(partial(_build, spec, prompts, alone))

    @property
    def live(self) -> LiveCaller:
        """The agent itself."""
        return self

    async def reply(self, task: Task) -> Reply:
        """
        Call the model, or use the cached completion of the same request.

        Raises:
            AgentError: As the client raises it; also `empty_reply`. Its `spent` describes the provider's call.
        """
        request, asked = self._built(task)
        kept = None if self._replies is None else self._replies.get(asked.request_hash)
        try:
            completion = self._clean(kept or await self._client.send(request))
        except AgentError as error:
            error.spent = error.spent and self._useless(error.spent, asked)
            raise
        if kept is not None:
            completion = replace(completion, input_tokens=0, output_tokens=0)
        provider = _provider(asked, completion, cached=kept is not None)
        try:
            reply = read_reply(task, completion, self._mask)
        except AgentError as error:
            error.spent = error.spent and replace(error.spent, provider=provider)
            raise
        if self._replies is not None and kept is None:
            self._replies.put(asked.request_hash, completion)
        return replace(reply, provider=provider, cost_nusd=None if kept is None else 0)

    async def ready(self) -> None:
        """Do one-off setup before the first call."""
        await self._client.ready()

    def turn(self) -> AbstractAsyncContextManager[None]:
        """Hold a send slot of this process."""
        return SEND_SLOTS.taken()

    def asked(self, task: Task) -> ProviderCall:
        """Describe the request to the provider for a task."""
        return self._built(task).asked

    def most_nusd(self, task: Task) -> int | None:
        """
        Bound the cost of one call, in nano-dollars: a token for each byte of the prompt, and the full output limit.

        Returns:
            None without a price. A bound above what an event can hold is capped there, because None means unknown.
        """
        request = self._built(task).request
        return most_nusd(self.spec.price, request.most_input_tokens, request.max_output_tokens)

    async def close(self) -> None:
        """Close the client."""
        await self._client.close()

    def _built(self, task: Task) -> Built:
        # Every attempt sends the same request.
        return self._build(task if task.attempt == 1 else replace(task, attempt=1))

    def _clean(self, completion: Completion) -> Completion:
        """Mask secrets in a completion, and fit its metadata into an event."""
        return Completion(
            text=self._mask(_valid(completion.text)),
            reported_model=self._reported(completion.reported_model),
            fingerprint=self._reported(completion.fingerprint),
            finish_reason=self._reported(completion.finish_reason),
            input_tokens=_counted(completion.input_tokens),
            output_tokens=_counted(completion.output_tokens),
        )

    def _reported(self, words: str | None) -> str | None:
        # Masked after characters are dropped, which may join the parts of a secret, and before the cut may split one.
        shown = self._mask(_UNPRINTABLE.sub("", words or ""))[:MOST_REPORTED_CHARACTERS]
        return shown or None

    def _useless(self, spent: Reply, asked: ProviderCall) -> Reply:
        """Describe the provider's call in the usage of a failed reply; the reply's text is not kept."""
        said = spent.provider or asked
        completion = self._clean(
            Completion(
                text="",
                reported_model=said.reported_model,
                fingerprint=said.fingerprint,
                finish_reason=said.finish_reason,
                input_tokens=spent.input_tokens,
                output_tokens=spent.output_tokens,
            )
        )
        return Reply(
            "",
            latency_ms=spent.latency_ms,
            input_tokens=completion.input_tokens,
            output_tokens=completion.output_tokens,
            cost_nusd=spent.cost_nusd,
            provider=_provider(asked, completion, cached=False),
        )


def _build(spec: LiteLLMAgent | OpenAIAgent, prompts: Prompts, alone: bool, task: Task) -> Built:
    request = Request(
        model=spec.model,
        base_url=spec.base_url,
        messages=messages_of(task, prompts, alone=alone),
        max_output_tokens=spec.max_output_tokens,
        temperature_ppb=spec.temperature_ppb,
        seed=spec.seed,
        schema=schema_of(task) if spec.output == "json_schema" else None,
        output_limit=spec.output_limit if isinstance(spec, OpenAIAgentV2) else None,
    )
    return Built(request, ProviderCall(model=spec.model, request_hash=request.hash))


def _provider(asked: ProviderCall, completion: Completion, *, cached: bool) -> ProviderCall:
    """Add the provider's metadata to the description of the request."""
    return ProviderCall(
        model=asked.model,
        request_hash=asked.request_hash,
        reported_model=completion.reported_model,
        fingerprint=completion.fingerprint,
        finish_reason=completion.finish_reason,
        cached=cached,
    )


def _valid(text: str) -> str:
    """Join surrogate pairs, and replace lone surrogates, which no text store accepts."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def _counted(tokens: int | None) -> int | None:
    """Return a provider's token count if an event can hold it, else None."""
    return tokens if tokens is not None and 0 <= tokens <= MAX_INTEGER else None
