"""
Names of all spans and their attributes, in one place.

Names that begin with `gen_ai.` are those of OpenTelemetry's conventions for generative AI, release v0.1.0 (repository
semantic-conventions-genai); `error.type`, `server.` and `service.` are of the general ones. What they have no name for
begins with `orch.`. No attribute holds a question, an option, a prompt or an answer.
"""

INVOKE_AGENT = "invoke_agent"
"""A question, from its record to that of its decision: the panel is the agent that is invoked."""

PANEL = "orch"
"""Name of that agent, and of its provider: the panel is this program's, whoever the providers of its agents are."""

CHAT = "chat"
"""One call of an agent; the model's name follows."""

DECIDE = "decide"
"""The moment of a decision, with links to the calls whose analyses it weighed."""

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
AGENT = "gen_ai.agent.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
ERROR = "error.type"
SERVER_ADDRESS = "server.address"
SERVER_PORT = "server.port"
SERVICE_NAME = "service.name"
SERVICE_VERSION = "service.version"
PROCESS = "process.pid"

QUESTION = "orch.question.id"
STATUS = "orch.decision.status"
REASON = "orch.decision.reason"
RULE = "orch.decision.rule"
CALLS = "orch.calls"
COST = "orch.cost_nusd"
STAGE = "orch.stage"
ROLE = "orch.role"
ATTEMPT = "orch.call.attempt"
"""Number of the attempt, from 1."""
CACHED = "orch.call.cached"
"""True where the reply came from the cache of replies, so that no provider was called."""
LATENCY_MS = "orch.call.latency_ms"
"""Of recorded and simulated agents, whose calls take no time: the time that the record tells."""

PROVIDERS = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "bedrock": "aws.bedrock",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gemini": "gcp.gemini",
    "groq": "groq",
    "mistral": "mistral_ai",
    "moonshot": "moonshot_ai",
    "openai": "openai",
    "perplexity": "perplexity",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
}
"""Name of a provider in the conventions, by litellm's name of it; another provider keeps litellm's name."""
