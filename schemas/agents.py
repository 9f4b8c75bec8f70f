"""Kinds of agents and their settings, without secrets."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.event import ADDED, Fact
from schemas.quantities import AgentName, Count, Ms, Name, Nusd, Ppb

ModelName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f\x7f]+$")]
VariableName = Annotated[str, StringConstraints(max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
BaseUrl = Annotated[str, StringConstraints(max_length=500, pattern=r"^https?://[^\s/?#]+[^\s?#]*$")]


class Price(Fact):
    """What an agent's tokens cost. Nano-dollars per 1,000 tokens: $1 per million tokens is 1,000,000."""

    input_nusd_per_ktoken: Nusd
    output_nusd_per_ktoken: Nusd


class CallLimits(Fact):
    """How long and how often an agent is tried for one seat."""

    timeout_ms: Annotated[int, Field(ge=1, le=3_600_000)] = 60_000
    """Time limit of one attempt."""
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 3
    backoff_ms: Ms = 500
    """Wait before the second attempt; doubled before each one after it, and shortened by up to half, by a hash."""


class RecordedAgent(Fact):
    """An agent that plays back outputs from a file, matched by question id."""

    kind: Literal["recorded"] = "recorded"
    name: AgentName
    model: str
    """Name of the model in the outputs file."""
    price: Price | None = None
    limits: CallLimits = CallLimits()


class SimulatedAgent(Fact):
    """An agent with a known skill, for demonstrations, tests and measurements; seeded by its name and question id."""

    kind: Literal["simulated"] = "simulated"
    name: AgentName
    seed: Count = 0
    """Agents of one world share it: it also fixes which option is the right one."""
    skill_ppb: Ppb = 700_000_000
    """Probability of the right answer where `skills_ppb` names no other."""
    skills_ppb: dict[Name, Ppb] = {}
    """Probability of the right answer by subject."""
    latency_ms: Ms = 800
    """Median time of a call; single calls vary between half and double of it."""
    waits: bool = False
    """Whether a call really waits for its latency, or only reports it."""
    failure_ppb: Ppb = 0
    """Probability that an attempt fails with an error."""
    hang_ppb: Ppb = 0
    """Probability that an attempt never answers and runs into its time limit."""
    malformed_ppb: Ppb = 0
    """Probability of an answer that cannot be read."""
    price: Price | None = Price(input_nusd_per_ktoken=500_000, output_nusd_per_ktoken=1_500_000)
    limits: CallLimits = CallLimits()


class LiveLimits(CallLimits):
    """Limits of an agent that is really called. Each worker process has its own rate limit and circuit breaker."""

    concurrent: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Calls under way at a time; None: as many as the worker makes."""
    calls_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    breaker_failures: Annotated[int, Field(ge=0, le=1_000)] = 10
    """Failed attempts in a row that open the circuit breaker; 0: it never opens."""
    breaker_ms: Ms = 30_000
    """
    How long an open circuit breaker refuses calls. Then it lets one call through; if that fails, it stays open as long
    again.
    """


class LiveAgent(Fact):
    """Settings of every agent whose model is really called."""

    name: AgentName
    model: ModelName
    """Name by which the provider knows the model."""
    base_url: BaseUrl | None = None
    """Address of the provider, up to the path of the API (`http://127.0.0.1:11434/v1`)."""
    key_env: VariableName | None = None
    """Environment variable that holds the API key; no event holds the key itself."""
    family: Name | None = None
    """Family of the model, if its name does not tell; agents of one family make the same mistakes."""
    temperature_ppb: Annotated[int, Field(ge=0, le=2_000_000_000)] | None = 0
    """Parts per billion: 700_000_000 is 0.7. None: not sent, for models that take none."""
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] | None = 0
    """None: not sent, for providers that take none."""
    max_output_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1_024
    output: Literal["text", "json_schema"] = "text"
    """
    `json_schema`: the request tells the provider the form of the answer. Either way the reply is parsed tolerantly.
    """
    price: Price | None = None
    """None: the cost of its calls is reported as unknown."""
    limits: LiveLimits = LiveLimits()

    @field_validator("base_url")
    @classmethod
    def _no_secret_in_it(cls, base_url: str | None) -> str | None:
        if base_url is not None and "@" in base_url:
            raise ValueError("a user or password does not belong into a URL that is published; name it in key_env")
        return base_url


class LiteLLMAgent(LiveAgent):
    """A model that litellm calls: `model` begins with the provider (`anthropic/...`, `gemini/...`, `ollama/...`)."""

    kind: Literal["litellm"] = "litellm"


class OpenAIAgent(LiveAgent):
    """A model behind any endpoint that speaks OpenAI's chat completions, called without litellm."""

    kind: Literal["openai"] = "openai"
    base_url: BaseUrl = "https://api.openai.com/v1"


AgentSpec = Annotated[RecordedAgent | SimulatedAgent | LiteLLMAgent | OpenAIAgent, Field(discriminator="kind")]


class OpenAIAgentV2(OpenAIAgent):
    """The same in a policy of v2, with the name of the parameter that limits the output."""

    output_limit: Annotated[Literal["max_tokens", "max_completion_tokens"] | None, ADDED] = None
    """
    Parameter of the request that carries `max_output_tokens`. Unset: `max_completion_tokens` on api.openai.com,
    `max_tokens` on any other address.
    """


AgentSpecV2 = Annotated[RecordedAgent | SimulatedAgent | LiteLLMAgent | OpenAIAgentV2, Field(discriminator="kind")]
"""Agents of a policy of v2; each is an agent of v1 too."""
